"""A migration's operation that adds a column to a large table, and copies nothing."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddColumn(migrations.AddField):
    """Add a column with a constant `db_default`, at the same price whatever the table has.

    Django copies a table of SQLite whose new column may not be NULL, which for a log of a
    million events takes most of a minute, in which nobody can write. SQLite itself only notes the
    column, as PostgreSQL does.
    Reference: https://www.sqlite.org/lang_altertable.html#alter_table_add_column
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Add the column, by one statement."""
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model: Any = to_state.apps.get_model(app_label, self.model_name)
        field = model._meta.get_field(self.name)
        BaseDatabaseSchemaEditor.add_field(schema_editor, model, field)
