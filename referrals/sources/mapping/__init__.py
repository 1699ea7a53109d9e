"""A closed mapping: what becomes of a call, as data that can be checked. Pure."""
