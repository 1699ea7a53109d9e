"""Misconfigurations, planted in the running product by its public ways, and then watched for.

Each has to be named with its fix, wherever a person or a script looks, and nothing that is
not well may be green. `python -m tests.planted` prints what each came to.
"""
