"""A list of the admin and its CSV file show the same columns of a row."""

import pytest
from django.contrib import admin
from django.urls import get_resolver

from referrals.admin.kit.export import CsvExport

assert get_resolver().url_patterns  # which registers every page
PAGES = [page for page in admin.site._registry.values() if isinstance(page, CsvExport)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: type(page).__name__)
def test_a_column_of_the_list_is_in_its_file(page):
    columns = {field.name for field in page.model._meta.fields if not field.primary_key}
    exported = {str(path).partition(".")[0] for _, path in page.csv_columns}

    missing = [n for n in page.list_display if n in columns and n not in exported]
    assert not missing, (
        f"Add {', '.join(missing)} to csv_columns of {type(page).__name__}: a file has what "
        "the list shows."
    )
