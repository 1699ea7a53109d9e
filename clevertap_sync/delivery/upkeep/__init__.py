"""What keeps the delivery's tables small: tallies by the hour, and retention."""
