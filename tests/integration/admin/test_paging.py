"""Long lists: paged by key, bounded where a filter has no index."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from clevertap_sync.models import Attempt
from referrals.admin.kit import keyset
from tests.integration.admin.conftest import text_of

ATTEMPTS = "/admin/clevertap_sync/attempt/"


@pytest.fixture
def attempts(integration, monkeypatch):
    """A hundred and twenty attempts; every tenth was a dry run."""
    now = integration.created_at
    Attempt.objects.bulk_create(
        Attempt(
            pk=n,
            integration=integration,
            began_at=now,
            ended_at=now,
            outcome="ok",
            dry_run=n % 10 == 0,
        )
        for n in range(1, 121)
    )
    monkeypatch.setattr(keyset, "WINDOW", 40)
    return integration


def shown(page):
    return [int(pk) for pk in re.findall(r"/attempt/(\d+)/change/", page)]


def link(page, name):
    found = re.search(rf'href="(\?[^"]*)"[^>]*>{name}</a>', page)
    return found and found[1].replace("&amp;", "&")


def test_pages_follow_each_other_down_and_up_again(admin, attempts):
    first = text_of(admin.get(ATTEMPTS))
    second = text_of(admin.get(ATTEMPTS + link(first, "Older")))
    last = text_of(admin.get(ATTEMPTS + link(second, "Older")))
    up = text_of(admin.get(ATTEMPTS + link(last, "Newer")))

    assert shown(first) == list(range(120, 70, -1))
    assert (link(first, "Newer"), link(first, "Newest")) == (None, None)
    assert shown(second) == list(range(70, 20, -1))
    assert shown(last) == list(range(20, 0, -1))
    assert link(last, "Older") is None
    assert shown(up) == list(range(70, 20, -1))
    assert link(up, "Newest") == "?"


def test_a_filter_without_an_index_looks_at_a_window_and_says_so(admin, attempts):
    first = text_of(admin.get(f"{ATTEMPTS}?dry_run__exact=1"))
    second = text_of(admin.get(ATTEMPTS + link(first, "Older")))
    nothing = text_of(admin.get(f"{ATTEMPTS}?outcome_unknown__exact=1"))

    assert shown(first) == [120, 110, 100, 90]
    assert "Looked at 81 to 120." in first
    assert link(first, "Older") == "?before=81&dry_run__exact=1"
    assert shown(second) == [80, 70, 60, 50]
    assert link(second, "Newer") == "?after=80&dry_run__exact=1"
    assert shown(nothing) == []
    assert link(nothing, "Older") == "?before=81&outcome_unknown__exact=1"


def test_a_filter_with_an_index_looks_at_everything(admin, attempts):
    address = f"?integration__id__exact={attempts.pk}"

    page = text_of(admin.get(ATTEMPTS + address))

    assert shown(page) == list(range(120, 70, -1))
    assert "Looked at" not in page
    assert link(page, "Older") == f"?before=71&{address[1:]}"


def test_another_filter_begins_at_the_newest_again(admin, attempts):
    page = text_of(admin.get(f"{ATTEMPTS}?before=50"))

    assert 'href="?dry_run__exact=1"' in page
    assert shown(page) == list(range(49, 0, -1))


@pytest.mark.parametrize(
    "place", ["before=x", "after=-1", "before=9" + 30 * "9", "o=9"]
)
def test_a_place_that_is_none_is_the_newest(admin, attempts, place):
    assert shown(text_of(admin.get(f"{ATTEMPTS}?{place}")))[0] == 120


def test_a_list_of_some_days_begins_and_ends_with_them(admin, attempts):
    noon = datetime(2026, 11, 3, 12, tzinfo=UTC)
    Attempt.objects.update(began_at=noon)
    Attempt.objects.filter(pk__gt=60).update(began_at=noon + timedelta(days=1))
    Attempt.objects.filter(pk__gt=100).update(began_at=noon + timedelta(days=2))
    day = "since=2026-11-04&until=2026-11-04"

    every = text_of(admin.get(f"{ATTEMPTS}?{day}"))
    some = text_of(admin.get(f"{ATTEMPTS}?{day}&dry_run__exact=1"))
    none = text_of(admin.get(f"{ATTEMPTS}?until=2020-01-01&dry_run__exact=1"))

    assert shown(every) == list(range(100, 60, -1))
    assert (link(every, "Older"), link(every, "Newer")) == (None, None)
    assert "Looked at" not in every
    assert shown(some) == [100, 90, 80, 70]
    assert (link(some, "Older"), link(some, "Newer")) == (None, None)
    assert shown(none) == []
    assert link(none, "Older") is None
