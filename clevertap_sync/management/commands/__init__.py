"""One command in each module, named like it."""
