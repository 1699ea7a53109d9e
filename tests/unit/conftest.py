"""What a unit test does without: a database, mails, templates, URLs of its own."""

import pytest


@pytest.fixture(scope="session")
def _nothing():
    """Stand for what pytest-django does around each test that asks for nothing of it.

    Half of what an ordinary unit test costs was spent there.
    """


_dj_autoclear_mailbox = _nothing
_django_clear_site_cache = _nothing
_django_db_marker = _nothing
_django_isolate_apps = _nothing
_django_set_urlconf = _nothing
_django_setup_unittest = _nothing
_live_server_helper = _nothing
_template_string_if_invalid_marker = _nothing
