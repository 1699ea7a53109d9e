"""An account of a week that is really delivered, and causes that are planted in it."""
