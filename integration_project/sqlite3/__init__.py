"""Django's backend for SQLite, whose writers wait for the one write lock by short looks."""
