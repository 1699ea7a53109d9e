"""A backend of Django's for what is imported before it is known which database it will use."""
