"""What our templates may say of an integration."""
