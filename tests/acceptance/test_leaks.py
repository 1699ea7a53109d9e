"""Invariant 7 on every error path: secrets and people come out nowhere, in no spelling.

Each path is driven with markers, everything that came out is searched for each of them, and
both are counted: a new path, or a new place, has to be added here. What is shown on purpose
is named, place by place.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
import requests

from integration_project.settings import ENV_NAMES
from tests.acceptance.leaks import (
    callers,
    operators,
    platforms,
    trouble,
    visitors,
)
from tests.acceptance.leaks.evidence import Evidence
from tests.acceptance.leaks.markers import ASKED, OF_THE_ENVIRONMENT, TOLD, stems
from tests.harness.process import PATIENCE_SECONDS
from tests.harness.receivers import (
    MailServer,
    SentryReceiver,
    WebhookReceiver,
    running,
)

#: How many paths are driven, by what goes wrong.
DRIVEN = {
    "API": 68,
    "no HTTP": 10,
    "hook": 72,
    "CleverTap": 13,
    "broker": 10,
    "alert": 3,
    "broken database": 3,
    "no database": 6,
    "metrics": 1,
    "readiness": 1,
    "form": 18,
    "login": 10,
    "page for root": 55,
    "page for viewer": 55,
    "command": 28,
    "command without a database": 5,
    "command without keys": 3,
    "start": 3,
}
#: How many places are searched: what each path ends in, and what stays.
PLACES = {
    **{family: times for family, times in DRIVEN.items() if family != "CleverTap"},
    "broker": 1,
    "log": 6,
    "receiver": 2,
    "Sentry": 1,
    "table": 21,
}
_ABSENT = "/admin/referrals/app/zqtpath/change/"
_AFTER_IT = "/admin/clevertap_sync/upload/?state=zququery&e=1"
_EVENT = "page for root: /admin/events/shop/1/"
_SOURCES = ("/admin/referrals/source/", "/admin/referrals/source/export/")
_TYPED = ("address of an alert", "address of a heartbeat")
#: What a person or a program is shown of what it has just sent itself, and what those see who
#: may: docs/security.md and docs/privacy.md.
ON_PURPOSE = {
    # The way to a fault, and its own name for a request, to the caller alone.
    ("API: a field that nobody knows", "value of another type"),
    ("API: a person's field that nobody knows", "value of another type"),
    ("API: nothing but refused", "value of another type"),
    ("API: too large a number", "value of another type"),
    ("API: an identity for a provider", "e-mail of the user"),
    ("API: an address for it", "e-mail of the user"),
    ("API: an unknown host", "header"),
    # What was typed, to be corrected, and where somebody is.
    *(("form: an address of an alert", marker) for marker in _TYPED),
    *(("form: an alert that lacks its name", marker) for marker in _TYPED),
    ("form: a passcode for another account", "text that cannot be read"),
    ("form: where to start", "text that cannot be read"),
    ("form: a new source", "person to be erased"),
    ("form: a source's settings", "person to be erased"),
    ("form: a source's settings", "value of another type"),
    ("form: a mapping that is no JSON", "person to be erased"),
    ("form: a mapping with mistakes", "value of another type"),
    ("login: guess 1", "name of a login"),
    ("login: a way elsewhere", "name of a login"),
    ("login: a way elsewhere", "query"),
    *((f"page for {who}: {_ABSENT}", "path") for who in ("root", "viewer")),
    *((f"page for {who}: {_AFTER_IT}", "path") for who in ("root", "viewer")),
    *((f"page for {who}: {_AFTER_IT}", "query") for who in ("root", "viewer")),
    ("command: 1 provision", "text that cannot be read"),
    ("command: 11 replay", "value of another type"),
    # What an operator has to set or to call by its name.
    ("login: from elsewhere", "header"),
    ("log: 1-web", "header"),
    ("log: 2-worker", "message on the broker"),
    # Who may see identities.
    (_EVENT, "e-mail of the user"),
    (_EVENT, "phone of the user"),
    (_EVENT, "ID of the referrer"),
    (_EVENT, "content"),
    (_EVENT, "metadata"),
    # The platform of the source that breaks: this test has put it there.
    ("table: referrals_source", "value of another type"),
    *((f"page for root: {page}", "value of another type") for page in _SOURCES),
    # Sentry's own key, to Sentry; the session by which its cookie is found.
    ("Sentry: envelopes", "Sentry key"),
    ("table: django_session", "session of root"),
    ("table: django_session", "session of viewer"),
}
#: Variables that none of these values is wrong for.
FREE = {
    *("ALLOWED_HOSTS", "DEFAULT_FROM_EMAIL", "SENTRY_ENVIRONMENT", "SENTRY_RELEASE"),
}
#: Where neither people nor secrets stand as they are.
TABLES = (
    *("clevertap_sync_account", "clevertap_sync_alert", "clevertap_sync_attempt"),
    *(
        "clevertap_sync_deadletter",
        "clevertap_sync_incident",
        "clevertap_sync_integration",
    ),
    *("clevertap_sync_lastlook", "clevertap_sync_upload", "clevertap_sync_workerseen"),
    *("auth_user", "django_admin_log", "django_session", "referrals_apikey"),
    *("referrals_erasurerequest", "referrals_rejectedevent", "referrals_sighting"),
    *("referrals_ingestcount", "referrals_suppression", "referrals_idkey"),
    *("referrals_source", "referrals_sourcecall"),
)
SET_UP = """
from django.contrib.auth import get_user_model
from django.utils import timezone
from clevertap_sync.models import Alert
from referrals.secret import Secret
from referrals.keys import create_key
from referrals.models import App, Membership
shop, people = App.objects.get(slug="shop"), get_user_model().objects
people.create_superuser("root", password={password!r})
viewer = people.create_user("viewer", password={password!r})
Membership.objects.create(user=viewer, app=shop)
for way, url in {ways!r}:
    Alert.objects.create(
        name=way, way=way, url=Secret(url), recipients="on-call@example.com",
        signing_secret=Secret({signs!r}), heartbeat_url=Secret({heartbeat!r}),
        held_minutes=0, lag_minutes=None, dead_percent=None,
    )
old = App.objects.create(slug="old", name="Old", archived_at=timezone.now())
revoked, text = create_key(shop)
revoked.revoked_at = timezone.now()
revoked.save()
print(text, create_key(old)[1])
"""


@pytest.fixture
def receivers():
    """Sentry, a mail server and a web server that keep what they are sent."""
    with ExitStack() as stack:
        servers = SentryReceiver(), MailServer(), WebhookReceiver()
        yield [stack.enter_context(running(server)) for server in servers]


@pytest.fixture
def stack(make_stack, receivers):
    """The product with a secret of its own in every variable that takes one."""
    sentry, mail, _ = receivers
    secrets = OF_THE_ENVIRONMENT
    stack = make_stack(
        "postgresql",
        warm=True,
        SECRET_KEY=secrets["SECRET_KEY"],
        FIELD_ENCRYPTION_KEYS=f"{secrets['newest field key']},{secrets['oldest field key']}",
        METRICS_TOKEN=secrets["METRICS_TOKEN"],
        SENTRY_DSN=sentry.dsn(secrets["Sentry key"]),
        EMAIL_URL=f"smtp://us:{secrets['e-mail password']}@127.0.0.1:{mail.port}",
        ALERTS_TO_PRIVATE_ADDRESSES="true",
        LOG_LEVEL="debug",
        REQUEST_SECONDS="1",
        LEASE_SECONDS="6",
        LONGEST_HOLD_SECONDS="0.2",
        SWEEP_SECONDS="0.2",
    )
    with redis.Redis.from_url(stack.broker.url) as client:
        client.config_set("requirepass", secrets["Redis password"])
    stack.broker.url = with_password(stack.broker.url, f":{secrets['Redis password']}")
    stack.env["REDIS_URL"] = stack.broker.url
    stack.env["DATABASE_URL"] = stack.database.url.replace(
        "@", f":{secrets['database password']}@"
    )
    return stack


def with_password(url, people):
    return url.replace("//", f"//{people}@")


def set_up(stack, receiver):
    """Make people, alerts and keys, and return the keys, old ones included."""
    address, heartbeat = TOLD["address of an alert"], TOLD["address of a heartbeat"]
    receiver.text = ASKED["answer of a receiver"].encode()
    ways = [
        ("webhook", f"{receiver.url}{address}"),
        ("slack", f"http://127.0.0.1:1/{address}"),
        ("email", ""),
    ]
    # The database was made under other keys than this stack's own.
    stack.manage("rotate_keys", "--replace-lost-hash-keys")
    program = SET_UP.format(
        password=TOLD["password"],
        ways=ways,
        signs=TOLD["signing secret"],
        heartbeat=f"{receiver.url}{heartbeat}",
    )
    printed = stack.manage("shell", "-v0", "-c", program)
    revoked, archived = printed.split()
    return {"key": stack.keys["shop"], "revoked": revoked, "archived": archived}


def visit(evidence, stack):
    """Let people see everything, do it wrong, and fail to log in. Return their sessions."""
    query = "SELECT min(id) FROM clevertap_sync_integration"
    integration = stack.database.rows(query)[0][0]
    source = platforms.find_captured_source(stack)
    with (
        visitors.Browser(stack.web_url) as root,
        visitors.Browser(stack.web_url) as viewer,
    ):
        for name, browser in (("root", root), ("viewer", viewer)):
            assert browser.log_in(name, TOLD["password"]).status_code == 302
        visitors.send_forms_wrongly(evidence, root, integration, source)
        visitors.look_everywhere(evidence, root, "root", integration, source)
        visitors.look_everywhere(evidence, viewer, "viewer", integration, source)
        sessions = [b.session.cookies["sessionid"] for b in (root, viewer)]
    visitors.fail_to_log_in(evidence, stack.web_url, "root")
    return dict(zip(("session of root", "session of viewer"), sessions, strict=True))


def ask_without_a_database(evidence, stack, key, source):
    """Start a web process whose database is away, and ask it for everything."""
    reachable, web = stack.web_url, stack.web(**operators.NOBODY)
    event = callers.Call(503, callers.packed(callers.an_event_of_them()))
    evidence.answer("no database", "event", callers.send(stack.web_url, key, event))
    for path in ("/readyz", "/admin/login/", f"/v1/events/{ASKED['path']}"):
        call = callers.Call(503, path=path, method="GET")
        evidence.answer("no database", path, callers.send(stack.web_url, key, call))
    evidence.answer("no database", "/metrics", metrics_of(stack))
    platforms.call_without_a_database(evidence, stack.web_url, source, ASKED["path"])
    web.stop()
    stack.web_url = reachable


def metrics_of(stack):
    token = OF_THE_ENVIRONMENT["METRICS_TOKEN"]
    return requests.get(
        f"{stack.web_url}/metrics",
        headers={"Authorization": f"Bearer {token}"},
        timeout=PATIENCE_SECONDS,
    )


def gather(evidence, stack, receivers):
    """Add what stays: metrics, tables, Redis, messages, reports, and each process's words."""
    sentry, mail, webhook = receivers
    evidence.answer("metrics", "all", metrics_of(stack))
    ready = requests.get(f"{stack.web_url}/readyz", timeout=PATIENCE_SECONDS)
    evidence.answer("readiness", "held", ready)
    for table in TABLES:
        rows = stack.database.rows(f"SELECT * FROM {table}")
        evidence.find(f"table: {table}", repr(rows))
    with redis.Redis.from_url(stack.broker.url) as client:
        kept = [(key, client.dump(key)) for key in client.scan_iter()]
    evidence.find("broker: memory", repr(kept))
    evidence.find("receiver: bodies", repr([one.body for one in webhook.received]))
    evidence.find("receiver: mails", repr(mail.received))
    for process in stack.processes:
        command = Path(f"/proc/{process.pid}/cmdline")
        shown = command.read_text("utf-8") if command.exists() else ""
        process.stop()
        evidence.find(f"log: {process.log_path.stem}", process.log + shown)
    assert sentry.envelopes
    evidence.find("Sentry: envelopes", "\n".join(e.decode() for e in sentry.envelopes))


@pytest.mark.thorough
def test_no_error_path_shows_what_is_secret_or_personal(stack, receivers):
    evidence, receiver = Evidence(), receivers[2]
    stack.start()
    keys = set_up(stack, receiver)
    sources = platforms.make_sources(stack)

    callers.call_wrongly(evidence, stack.web_url, **keys)
    callers.speak_no_http(evidence, stack.web_url, keys["key"])
    signature = platforms.call_hooks(evidence, stack.web_url, sources)
    trouble.upset_clevertap(evidence, stack, receiver)
    trouble.break_the_database(evidence, stack, keys["key"])
    platforms.call_broken_database(evidence, stack.web_url, sources["Basic"])
    trouble.fill_the_broker(evidence, stack)
    trouble.tell_of_it(evidence, stack, receiver)
    sessions = visit(evidence, stack)
    operators.give_orders(evidence, stack)
    complaints = operators.start_wrongly(evidence, stack, ENV_NAMES)
    ask_without_a_database(evidence, stack, keys["key"], sources["header"])
    gather(evidence, stack, receivers)

    # What comes before is shown on purpose, to tell keys apart.
    issued = {name: text[12:24] for name, text in {**keys, **sessions}.items()}
    issued |= signature
    assert evidence.leaks(stems(**issued)) == ON_PURPOSE
    assert evidence.driven == DRIVEN
    assert evidence.kinds() == PLACES
    assert ENV_NAMES - complaints == FREE
