"""What the admin's templates may say."""
