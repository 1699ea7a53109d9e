"""Pages say what waits for a person, and what became of what waited."""

from datetime import timedelta

import pytest
from django.test import Client

from tests.builders import an_app, an_integration
from tests.integration.people.waiting_letters import (
    State,
    a_linked_letter,
    a_waiting_letter,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def integration(db):
    return an_integration(an_app("shop", name="Shop", loose_ids=["branch_id"]))


def read_line(admin: Client) -> str:
    page = admin.get("/admin/").text
    if '<p class="waits">' not in page:
        return ""
    line = page.split('<p class="waits">')[1].split("</p>")[0]
    return line.split("</a>")[-1] if "</a>" in line else line


def test_it_says_how_many_wait_and_what_became_of_the_others(admin, integration):
    a_waiting_letter(integration, 1)
    a_waiting_letter(integration, 2)
    a_linked_letter(integration, 3, waited=4 * MINUTE)
    a_waiting_letter(integration, 4, state=State.EXPIRED)

    page = admin.get("/admin/").text

    assert (
        'state__exact=waiting">2 records</a> wait for their users to be known.' in page
    )
    assert (
        "Of those whose wait ended in the last week, 50 % were delivered; the median wait "
        "was 4 min." in page
    )


def test_one_record_waits_for_its_user(admin, integration):
    a_waiting_letter(integration, 1)

    assert read_line(admin) == " waits for its user to be known."


def test_where_nothing_waits_it_says_so(admin, integration):
    assert read_line(admin) == "No record waits for its user to be known."


def test_an_app_without_such_ids_has_no_line(admin, integration):
    integration.app.loose_ids = []
    integration.app.save()

    assert read_line(admin) == ""
