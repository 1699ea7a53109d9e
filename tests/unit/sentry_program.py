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
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

CANARY = json.loads(sys.argv[1])
EVERYTHING = " ".join(CANARY.values())

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


urlpatterns = [path("crash/<str:key>", crash)]


def fail() -> None:
    raise KeyError(EVERYTHING) from OSError(EVERYTHING)


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
    get_wsgi_application()(request.environ, lambda *_: None).close()
    crash_task.apply(args=tuple(CANARY.values()), kwargs=CANARY)
    logger.error("Could not deliver to %s", EVERYTHING, extra=CANARY)
    try:
        fail()
    except KeyError:
        logger.exception("It failed for %(identity)s", CANARY)
    sentry_sdk.flush(60)


main()
