"""An integration's own pages: its form, the set-up, the check, enabling and pausing."""
