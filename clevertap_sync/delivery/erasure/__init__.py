"""Erasing a person: the order, the uploads under way that hold them, CleverTap's own call."""
