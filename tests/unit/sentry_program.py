"""A process that fails in every way it can, with a canary in every place there is.

Run by test_sentry.py, with SENTRY_DSN pointing at a receiver of its own. Arguments: the
canaries, as JSON.
"""

import json
import logging
import sys

import django
import requests
import sentry_sdk
from celery import shared_task
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from referrals.secret import Secret

CANARY = json.loads(sys.argv[1])
EVERYTHING = " ".join(CANARY.values())

#: What CleverTap, or whatever answers in its place, may say instead of yes.
STATUSES = (302, 400, 401, 403, 404, 408, 413, 418, 429, 500, 502, 503)

django.setup()


@csrf_exempt
def crash(request: HttpRequest, key: str) -> HttpResponse:
    passcode, headers = CANARY["passcode"], {"X-CleverTap-Passcode": CANARY["passcode"]}
    event = json.loads(request.body)
    message = f"{EVERYTHING} {passcode} {headers} {event} {key}"
    raise ValueError(message)


@shared_task
def crash_task(*args: str, **kwargs: str) -> None:
    raise RuntimeError(*args, kwargs)


def read_query(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.GET)))


urlpatterns = [path("crash/<str:key>", crash), path("query", read_query)]


def fail() -> None:
    raise KeyError(EVERYTHING) from OSError(EVERYTHING)


def fail_deliveries() -> None:
    """Meet faults of ours in the deliveries of two integrations."""
    from clevertap_sync.delivery.send import post_records
    from clevertap_sync.models import Integration
    from clevertap_sync.tasks import deliver_task

    # The database has no tables.
    for integration_id in (7, 7, 8):
        deliver_task.apply(args=(integration_id,))
    nobody = Integration(pk=7, passcode=Secret(CANARY["passcode"]))  # type: ignore[misc]
    record = json.dumps(CANARY).encode()
    for _ in range(2):
        # It has no account.
        post_records(nobody, record, [record], dry_run=False)


def meet_faults_of_accounts() -> None:
    """Send to an account that does wrong what an account can."""
    from clevertap_sync.sandbox import Sandbox
    from clevertap_sync.sandbox.faults import Fault

    with Sandbox() as sandbox:
        settings.CLEVERTAP_BASE_URL = sandbox.template
        for status in STATUSES:
            sandbox.switch(faults=(Fault(status=status),))
            attempt("eu1")
        sandbox.switch(faults=(Fault(ending="reset_before_storing"),))
        attempt("eu1")
        sandbox.switch(faults=(Fault(ending="garbage"),))
        attempt("eu1")
        attempt("eu1", passcode="wrong")
        # For another account, whose client is made now.
        settings.REQUEST_SECONDS = 0.1
        sandbox.switch(faults=(Fault(ending="hang_after_storing"),))
        attempt("us1")


def attempt(location: str, passcode: str = "") -> None:
    """Send a record to the account there, and log the attempt as a worker does."""
    from clevertap_sync.clevertap.locations import Location
    from clevertap_sync.delivery.attempt_line import log_attempt
    from clevertap_sync.delivery.send import post_records
    from clevertap_sync.delivery.work import Sending
    from clevertap_sync.models import Account, Attempt, Integration
    from clevertap_sync.sandbox.accounts import ACCOUNTS
    from referrals.models import App

    known = ACCOUNTS[Location(location)]
    account = Account(location=location, account_id=known.account_id)
    integration = Integration(pk=9, app=App(slug="shop"), account=account)
    integration.passcode = Secret(passcode or known.passcode)
    record = b'{"identity":"a","type":"event","evtName":"E","evtData":{}}'
    body = b'{"d":[%s]}' % record
    outcome = post_records(integration, body, [record], dry_run=False)
    log_attempt(integration, None, Sending(Attempt(pk=1), body, 0.0), outcome)
    sys.stdout.write(f"attempt: {outcome.error and outcome.error.code}\n")


def do_wrong_as_a_stranger(application: WSGIHandler) -> None:
    """Send what Django refuses and logs as an error: too many fields, and an unknown host."""
    fields = "&".join(f"{EVERYTHING}{number}" for number in range(2_000))
    for host in ("testserver", "elsewhere.example.org"):
        request = RequestFactory().get(f"/query?{fields}", headers={"Host": host})
        application(request.environ, lambda *_: None).close()


def main() -> None:
    settings.ROOT_URLCONF = "__main__"
    is_on = sentry_sdk.get_client().is_active()
    sys.stdout.write(f"Sentry is {'on' if is_on else 'off'}.\n")
    logger = logging.getLogger("referrals")
    logger.warning("A breadcrumb with %s", EVERYTHING, extra=CANARY)
    logger.warning(EVERYTHING)
    # What matters is what is sent with the request, and what is noted of it.
    echoed = requests.get(
        f"{sys.argv[2]}/api/?q={CANARY['identity']}",
        headers={"Authorization": CANARY["key"]},
        timeout=60,
    )
    sys.stdout.write(echoed.text)
    sentry_sdk.set_user({"email": CANARY["identity"], "ip_address": CANARY["ip"]})
    sentry_sdk.set_extra("event", CANARY)
    sentry_sdk.set_context("event", CANARY)

    # As a web server calls it, not as a test client does.
    request = RequestFactory().post(
        f"/crash/{CANARY['identity']}?passcode={CANARY['passcode']}",
        data=json.dumps(CANARY),
        content_type="application/json",
        headers={"Authorization": f"Bearer {CANARY['key']}", "Cookie": EVERYTHING},
        REMOTE_ADDR=CANARY["ip"],
    )
    application = get_wsgi_application()
    application(request.environ, lambda *_: None).close()
    do_wrong_as_a_stranger(application)
    crash_task.apply(args=tuple(CANARY.values()), kwargs=CANARY)
    for _ in range(3):
        logger.error("Could not deliver to %s", EVERYTHING, extra=CANARY)
    try:
        fail()
    except KeyError:
        logger.exception("It failed for %(identity)s", CANARY)
    fail_deliveries()
    meet_faults_of_accounts()
    sentry_sdk.flush(60)


main()
