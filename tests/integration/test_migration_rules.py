"""What a migration may do to the release before: docs/migrations.md, kept by a linter."""

import re

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django_migration_linter.migration_linter import MigrationLinter
from django_migration_linter.sql_analyser.analyser import analyse_sql_statements
from django_migration_linter.sql_analyser.postgresql import PostgresqlAnalyser

from tests.documented import page

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="reads what PostgreSQL would be told"
    ),
]

OURS = {"referrals", "clevertap_sync"}
#: A row of the page's table: the migration, what the linter finds, why it stays.
ROW = re.compile(
    r"^\| `(\w+\.\w+)` \| ((?:`[A-Z_]+`(?:, )?)+) \| ([^|]+) \|$", re.MULTILINE
)


@pytest.fixture
def loader(settings):
    """Return the migrations of this release. Tests make their tables without them."""
    settings.MIGRATION_MODULES = {}
    return MigrationLoader(connection, replace_migrations=False)


@pytest.fixture
def lint(loader):
    """Return a function that gives the codes of what the linter finds in a migration."""
    linter = MigrationLinter(no_cache=True, no_output=True)

    def lint(migration, state):
        with connection.schema_editor(collect_sql=True, atomic=True) as editor:
            migration.apply(state, editor, collect_sql=True)
        begin = ["BEGIN;"] if migration.atomic else []
        found = analyse_sql_statements(
            PostgresqlAnalyser, [*begin, *editor.collected_sql]
        )
        found += linter.analyse_data_migration(migration)
        return sorted({issue.code for issues in found for issue in issues})

    return lint


def test_every_migration_leaves_the_release_before_at_work(loader, lint):
    graph, state, found = loader.graph, loader.project_state([]), {}
    plans = map(graph.forwards_plan, sorted(graph.leaf_nodes()))
    for app, name in dict.fromkeys(key for plan in plans for key in plan):
        codes = lint(graph.nodes[app, name], state)
        if codes and app in OURS:
            found[f"{app}.{name}"] = codes

    listed = {
        name: sorted(re.findall("[A-Z_]+", codes))
        for name, codes, _ in ROW.findall(page("migrations"))
    }
    differ = [name for name in found | listed if found.get(name) != listed.get(name)]
    assert differ == [], "\n".join(
        [
            "docs/migrations.md says how to change a table, and lists what stays. Found:",
            *(f"| `{name}` | {found.get(name)} |" for name in differ),
        ]
    )


BAD = {
    "NOT_NULL": migrations.AddField(
        "app", "rank", models.IntegerField(default=0), preserve_default=False
    ),
    "DROP_COLUMN": migrations.RemoveField("app", "ignored_networks"),
    "DROP_TABLE": migrations.DeleteModel("sighting"),
    "RENAME_COLUMN": migrations.RenameField("app", "name", "title"),
    "RENAME_TABLE": migrations.RenameModel("sighting", "look"),
    "ALTER_COLUMN": migrations.AlterField("app", "name", models.IntegerField()),
    "ADD_UNIQUE": migrations.AddConstraint(
        "app", models.UniqueConstraint(fields=["name"], name="one_name")
    ),
    "CREATE_INDEX": migrations.AddIndex(
        "referralevent", models.Index(fields=["channel"], name="by_channel")
    ),
}
GOOD = {
    "a new table": migrations.CreateModel(
        "Novelty", [("id", models.BigAutoField(primary_key=True))]
    ),
    "a column that may be null": migrations.AddField(
        "app", "rank", models.IntegerField(null=True)
    ),
    "a column that the database fills in": migrations.AddField(
        "app", "rank", models.IntegerField(db_default=0)
    ),
}


def planted(operation):
    kind = type("Planted", (migrations.Migration,), {"operations": [operation]})
    return kind("9999_planted", "referrals")


@pytest.mark.thorough
@pytest.mark.parametrize("code", BAD)
def test_what_the_release_before_cannot_live_with_is_found(loader, lint, code):
    assert code in lint(planted(BAD[code]), loader.project_state())


@pytest.mark.thorough
@pytest.mark.parametrize("what", GOOD)
def test_what_only_expands_passes(loader, lint, what):
    assert lint(planted(GOOD[what]), loader.project_state()) == []
