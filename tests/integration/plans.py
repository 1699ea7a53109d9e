"""What tests of PostgreSQL's plans do to tables: they look as if they had just been made."""

from django.db import connection


def ask(statement, given=None):
    """Carry out a statement, and return the first row that it finds."""
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return cursor.fetchone() if cursor.description else None


def make_tables_new(*tables):
    """Empty the tables, and let the planner know nothing of them."""
    ask(f"TRUNCATE {', '.join(tables)} CASCADE")
    ask("SET allow_system_table_mods = on")
    for table in tables:
        ask(f"DELETE FROM pg_statistic WHERE starelid = '{table}'::regclass")
    ask("RESET allow_system_table_mods")
