"""What needs a database: SQLite by default, PostgreSQL by TEST_DATABASE."""
