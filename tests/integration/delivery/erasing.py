"""One person who is to be forgotten, and the search for what is left of them."""

from django.db import connection

from clevertap_sync.delivery.erasure import erasure_orders
from referrals import log
from referrals.identity import Identity
from referrals.schema import Person
from tests.builders import a_sent_event

CANARY = "canary-7f3a@example.com"
WHOM = [Identity("email", CANARY)]
ERASED = Person(erased=True)


def by_canary(**changes):
    """Return an event that the person did, whom Bob invited."""
    return a_sent_event(**{"user": {"identities": {"email": CANARY}}, **changes})


def of_canary(**changes):
    """Return an event that somebody did whom the person invited."""
    return a_sent_event(**{"referrer": {"identities": {"email": CANARY}}, **changes})


def rows_with(text):
    """Return the tables in which `text` stands anywhere, in any case."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            if text.casefold() in repr(cursor.fetchall()).casefold():
                found.append(table)
    return found


def erase(integration, whom=WHOM):
    """Order the erasure in the integration's app, and go on with it as far as it goes."""
    return erasure_orders.advance_erasure(
        erasure_orders.order_erasure(integration.app, whom)
    )


def event_at(integration, position):
    """Return the event at a position of the integration's app."""
    (logged,) = log.read_range(integration.app_id, position, position)
    return logged.event


def sent(engine):
    """Return whom and what CleverTap stored, in order."""
    return [(record["identity"], record["evtName"]) for record in engine.records()]
