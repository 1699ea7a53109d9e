"""Django's backend for PostgreSQL, which sees without a question whether a connection lives."""
