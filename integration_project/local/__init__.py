"""The whole product on one machine: what `manage.py up` prepares and runs.

A platform that starts processes by itself uses the Procfile and none of this.
"""
