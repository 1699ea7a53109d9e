"""Erasures: for superusers alone."""
