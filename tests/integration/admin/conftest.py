"""People with and without permissions, and a CleverTap for the pages to ask."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from clevertap_sync.delivery.deliver import deliver
from integration_project.login_throttle import throttle
from referrals import log
from referrals.admin.fraud_page import FIELDS
from tests.builders import a_sent_event, an_app, an_integration
from tests.integration.admin.browsers import a_browser_of

#: What no page may ever show.
CANARY = "CAN-ARY-PASS-XYZ"


@pytest.fixture(autouse=True)
def _nobody_is_throttled():
    throttle.clear_tries()
    yield
    throttle.clear_tries()


@pytest.fixture
def admin(db):
    """The browser of a superuser."""
    user = get_user_model().objects.create_superuser("ann", password="secret")
    return a_browser_of(user)


@pytest.fixture
def staff(db):
    """Return a function that makes the browser of somebody with these permissions."""

    def make(*permissions):
        user = get_user_model().objects.create_user("bob", password="x", is_staff=True)
        for permission in permissions:
            app, codename = permission.split(".")
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
        return a_browser_of(user)

    return make


@pytest.fixture
def integration(db):
    """An enabled integration of the app "shop" with the sandbox's European account."""
    return an_integration(an_app("shop", name="Shop"))


@pytest.fixture
def delivered(sandbox, integration):
    """Ten events that were delivered, and two records that were not."""
    nobody = {"identities": {"custom_id": "7"}}
    log.append(
        integration.app,
        [
            *(a_sent_event(id=f"good-{n}") for n in range(10)),
            a_sent_event(id="bad-1", user=nobody),
            a_sent_event(id="bad-2", user=nobody),
        ],
    )
    deliver(integration.pk)
    integration.refresh_from_db()
    return integration


def type_fraud_rules(app):
    """Return what the app's form sends of its fraud rules where nobody changes them."""
    typed = {name: getattr(app, name) for name in FIELDS}
    return {
        name: "" if value is None else value
        for name, value in typed.items()
        if value is not False
    }


def text_of(response):
    """Return the page's HTML, or the file's text."""
    return response.getvalue().decode()
