"""What all our admin pages are made of. It knows no page."""
