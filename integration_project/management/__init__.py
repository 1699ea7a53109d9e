"""Commands that run the apps."""
