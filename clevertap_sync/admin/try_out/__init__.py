"""Trying out: the preview, test events sent for real, the file for CleverTap's schema."""
