"""By which rules an app learns who is who, if it does."""

from typing import Final

import msgspec
from django.db import connection
from django.db.models import Q

from referrals.destinations import list_destinations
from referrals.learning.mentions import PeopleRules, make_rules
from referrals.models import App

# Part of each step: the ORM takes longer to compose it than the database to answer.
_RULES: Final = "SELECT loose_ids, remembers_referrers FROM referrals_app WHERE id = %s"


def read_rules(app_id: int) -> PeopleRules | None:
    """Return by which providers the app learns; None where it does not.

    Its keys are what its destinations know people by, in the order in which they were added.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RULES, [app_id])
        stored, remembers = cursor.fetchone() or ("[]", False)
    loose = msgspec.json.decode(stored, type=list[str])
    if not loose and not remembers:
        return None
    providers = [
        provider
        for destination in list_destinations()
        for provider in destination.list_identity_providers(app_id)
    ]
    return make_rules(providers, loose, remembers=bool(remembers))


#: In SQL: whether any app learns of people.
HAS_LEARNING_APP: Final = """
    EXISTS (SELECT 1 FROM referrals_app WHERE loose_ids <> '[]' OR remembers_referrers)
"""


def list_learning_apps() -> list[int]:
    """Return the apps that learn of people."""
    learning = App.objects.filter(~Q(loose_ids=[]) | Q(remembers_referrers=True))
    return list(learning.order_by("pk").values_list("pk", flat=True))


def find_pinned_identities(app_id: int) -> set[str]:
    """Return the identities under which something is on its way, and which stay for it."""
    return {
        pinned
        for destination in list_destinations()
        for pinned in destination.find_pinned_identities(app_id)
    }
