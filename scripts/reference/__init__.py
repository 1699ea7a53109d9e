"""What pages for looking things up say of the code, written from the code.

`python -m scripts.reference` writes it, and `make check` compares. What a person wrote around
it, and in the columns that the code knows nothing of, stays.
"""
