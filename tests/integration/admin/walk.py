"""Every address of the admin, called about the rows of one of two apps.

The addresses come from the resolver, so that a new page is walked by being there. One with
a parameter that nobody told `parameters` about fails, with a sentence.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.apps import apps as installed
from django.db import connection
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.replay import replay_letters
from clevertap_sync.models import Alert, Integration
from referrals import hashing, log
from referrals.identity import Identity
from referrals.ingest import writing
from referrals.ingest.counter import (
    CountKey,
    HourlyKey,
    IngestCounts,
    IngestOutcome,
    RefusalSample,
    find_hour,
)
from referrals.models import (
    App,
    CustomName,
    KnownIdentity,
    KnownPerson,
    RejectedEvent,
    SharedMark,
)
from referrals.refusals import Code
from tests.builders import (
    a_sent_custom_event,
    a_sent_event,
    a_source,
    an_api_key,
    an_app,
    an_integration,
)

#: Addresses that are about the person who asks, not about anybody's rows.
OWN: Final = frozenset(
    {"index", "login", "logout", "password_change", "password_change_done", "jsi18n"}
)
_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")
_MODEL_PAGE: Final = re.compile(r"(referrals|clevertap_sync|auth)_([a-z]+)_")
#: What requests write by themselves.
_NOT_STATE: Final = frozenset({"Session", "LogEntry"})
_CHANGES_NOTHING: Final = re.compile(
    r"\s*SELECT|((RELEASE|ROLLBACK TO) )?SAVEPOINT|(INSERT INTO|UPDATE|DELETE FROM) "
    '"(django_session|django_admin_log)"'
)


@dataclass(frozen=True)
class Side:
    """One app with a row in every table, and the texts by which they are recognised."""

    app: App
    integration: Integration
    #: What tells that a page shows something of the app.
    marks: list[str]
    #: What a viewer must not see of it.
    private: list[str]
    #: Primary keys by model.
    rows: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Address:
    """One page's address, about the rows of one app, and its name in the resolver."""

    name: str
    url: str
    about_rows: bool


def a_side(slug: str, location: Location) -> Side:
    """Write an app with everything: delivered and refused events, keys, names, replays."""
    app = an_app(slug, name=f"The {slug} app")
    integration = an_integration(app, location=location)
    user, referrer, content = f"ann@{slug}.example", f"bob@{slug}.example", f"in-{slug}"
    person = {"identities": {"email": user}}
    by = {"identities": {"email": referrer}}
    sent = {"user": person, "referrer": by}
    log.append(
        app,
        [
            a_sent_event(id=f"{slug}-event-1", content=content, **sent),
            a_sent_custom_event(
                f"{slug}-name", event_data={"plan": f"gold-{slug}"}, **sent
            ),
            a_sent_event(
                id=f"{slug}-event-2", user={"identities": {"custom_id": f"c-{slug}"}}
            ),
        ],
    )
    deliver(integration.pk)
    ordered = replay_letters(integration, reasons=["no_identity"], created_by="x")
    key_text = an_api_key(app)
    RejectedEvent.objects.create(
        app=app, source="celery", key=f"{slug}-rejected", detail=f"no {slug} at all"
    )
    conflict = CountKey(app.pk, key_text[:12], IngestOutcome.CONFLICT, Code.CONFLICT)
    count, sample = (
        IngestCounts(timezone.now()),
        RefusalSample(timezone.now(), "/id", f"no {slug}"),
    )
    count.add(1, count.last_at, sample)
    writing.write_counts({HourlyKey(find_hour(count.last_at), conflict): count})
    alert = Alert.objects.create(
        app=app, name=f"{slug}-alert", recipients=f"boss@{slug}.example"
    )
    source = a_source(app, "branch", name=f"{slug}-source")
    erased = erasure_orders.order_erasure(
        app, [Identity("email", f"gone@{slug}.example")]
    )
    known = _a_known_identity(app, user)
    marks = [slug, integration.account.account_id, key_text[:11], user, referrer]
    marks.append(source.public_id)
    return Side(
        app,
        integration,
        marks,
        [user, referrer, content, f"gold-{slug}", f"c-{slug}"],
        {
            "app": app.pk,
            "integration": integration.pk,
            "apikey": app.api_keys.get().pk,
            "customname": CustomName.objects.get(app=app).pk,
            "rejectedevent": app.rejected_events.get().pk,
            "upload": integration.uploads.first().pk,
            "attempt": integration.attempts.first().pk,
            "deadletter": integration.dead_letters.first().pk,
            "replay": ordered.pk,
            "alert": alert.pk,
            "source": source.pk,
            "erasurerequest": erased.pk,
            "digest": known,
        },
    )


def _a_known_identity(app: App, user: str) -> str:
    """Write a person who is known by an identity that is marked as shared; return its hash."""
    digest = hashing.make_identity_hasher(app.pk)("email", user)
    now = timezone.now()
    KnownPerson.objects.create(app=app, number=2, size=1, seen_at=now)
    KnownIdentity.objects.create(
        app=app,
        hash=digest,
        provider="email",
        value=user,
        person=2,
        learned_at=1,
        shared_at=0,
        seen_at=now,
    )
    SharedMark.objects.create(app=app, hash=digest, provider="email")
    return digest


def addresses(side: Side, people: dict[str, Any]) -> list[Address]:
    """Return every address of the admin, about the rows of `side`."""
    found = []
    for route, name in _routes():
        if "(?P<url>" in route:
            continue
        if "(?P<app_label>" in route:
            found += [
                Address("app_list", f"/admin/{label}/", about_rows=False)
                for label in ("referrals", "clevertap_sync", "auth")
            ]
            continue
        known = parameters(side, name, people)
        for parameter in _PARAMETER.findall(route):
            assert parameter in known, (
                f"The walk does not know how to call {route} ({name}): tell "
                f"`parameters` what <{parameter}> is."
            )
        url = _PARAMETER.sub(lambda match: str(known[match[1]]), route)  # noqa: B023
        found.append(Address(name or "", f"/{url}", about_rows="<" in route))
    return found


def parameters(side: Side, name: str | None, people: dict[str, Any]) -> dict[str, Any]:
    """Return what the parameters of a page's address are, for a page about `side`."""
    known: dict[str, Any] = {
        "slug": side.app.slug,
        "position": 1,
        "first": 1,
        "last": 1,
        "pk": side.integration.pk,
        "integration_id": side.integration.pk,
        "reason": "no_identity",
        "content_type_id": 1,
        "digest": side.rows["digest"],
        "id": people.get("user"),
    }
    model = _MODEL_PAGE.match(name or "")
    rows = {**side.rows, **people}
    if model and model[2] in rows:
        known |= {"pk": rows[model[2]], "object_id": rows[model[2]]}
    elif (name or "").startswith("source_"):
        known["pk"] = rows["source"]
    elif name in {None, "view_on_site"}:
        known["object_id"] = side.app.pk
    else:
        # A page of its own is about an integration, and shows a range of positions.
        known |= {"pk": side.integration.pk, "first": 1, "last": 2}
    return known


def state() -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table, but for what any request writes."""
    return {
        model.__name__: list(model._default_manager.order_by("pk").values())
        for model in installed.get_models()
        if model.__name__ not in _NOT_STATE
    }


@contextmanager
def writes() -> Iterator[list[str]]:
    """Collect the statements that may change a row of `state`, while the block runs."""
    written: list[str] = []

    def note(
        execute: Callable[..., Any], sql: str, params: Any, many: Any, context: Any
    ) -> Any:
        if not _CHANGES_NOTHING.match(sql):
            written.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield written


def _routes():
    yield from _below(get_resolver().url_patterns, "")


def _below(patterns, before):
    for each in patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _below(each.url_patterns, route)
        elif route.startswith("admin/"):
            yield route, each.name
