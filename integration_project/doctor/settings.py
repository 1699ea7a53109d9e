"""Settings: what differs from its default, what nothing reads, and Django's own checks."""

import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import partial
from typing import Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from integration_project.doctor.check import Area, Check, State
from integration_project.environment import ChangedVariable, Environment
from integration_project.web.server_size import read_server_size

#: How alike a name has to be to look like a slip of the pen.
ALIKE: Final = 0.88
_SET: Final = "set"
#: Read by libraries.
_OF_OTHERS: Final = frozenset({"NO_COLOR", "FORCE_COLOR"})
#: What Django misses where SECURE_PROXY is off, which sets all of it: one check says so.
# Reference: https://docs.djangoproject.com/en/5.2/ref/checks/#security
_OF_HTTPS: Final = frozenset(
    f"security.{code}" for code in ("W004", "W008", "W012", "W016")
)

_check = partial(Check, area=Area.SETTINGS)


def examine_settings() -> Iterator[Check]:
    """Yield what is set, and what is wrong with it. It needs no database."""
    server = Environment(os.environ)
    read_server_size(server)
    yield describe_changed([*settings.ENV_CHANGED, *server.changed.values()])
    known = settings.ENV_NAMES | server.names | _OF_OTHERS
    yield from find_misspelt(os.environ, known)
    if settings.DEBUG:
        yield _report_debug()
    elif not settings.PUBLIC_URL:
        yield _report_no_address()
    yield from report_messages(
        checks.run_checks(include_deployment_checks=not settings.DEBUG)
    )


def describe_changed(changed: Iterable[ChangedVariable]) -> Check:
    """Return the check that lists what differs from its default; of texts only that they do."""
    found = sorted(changed, key=lambda each: each.name)
    if not found:
        return _check(
            code="settings_default",
            state=State.OK,
            sentence="Every setting has its default.",
        )
    return _check(
        code="settings_changed",
        state=State.INFO,
        sentence=f"Set otherwise than by default: {', '.join(map(_describe, found))}.",
        values={each.name: each.value or _SET for each in found},
    )


def find_misspelt(names: Iterable[str], known: frozenset[str]) -> Iterator[Check]:
    """Yield a check for each name that nothing reads and that is nearly one of ours."""
    for name in sorted(set(names) - known):
        for meant in get_close_matches(name, known, n=1, cutoff=ALIKE):
            yield _check(
                code="setting_misspelt",
                state=State.WARNING,
                sentence=f"{name} is set, and nothing here reads it.",
                remedy=f"If {meant} is meant, write it so; else ignore this.",
                values={"name": name, "meant": meant},
            )


def report_messages(messages: Iterable[CheckMessage]) -> Iterator[Check]:
    """Yield what `manage.py check --deploy` says, in its words but for those about HTTPS."""
    told = [message for message in messages if not message.is_silenced()]
    if any(message.id in _OF_HTTPS for message in told):
        yield _report_no_https()
    others = [message for message in told if message.id not in _OF_HTTPS]
    yield from map(_report_message, others)
    if not told:
        yield _check(
            code="system_checks",
            state=State.OK,
            sentence="Django's system checks and ours have nothing to say.",
        )


def _report_message(message: CheckMessage) -> Check:
    if message.level >= checks.ERROR:
        state = State.ERROR
    else:
        state = State.WARNING if message.level >= checks.WARNING else State.INFO
    return _check(
        code=message.id or "system_check",
        state=state,
        sentence=" ".join(message.msg.split()),
        remedy=" ".join((message.hint or "").split()),
    )


def _report_no_https() -> Check:
    return _check(
        code="https_off",
        state=State.WARNING,
        sentence="SECURE_PROXY is not on: passwords, API keys and cookies may travel in plain "
        "text.",
        remedy="End HTTPS at a proxy that sets X-Forwarded-Proto, and set SECURE_PROXY=true.",
    )


def _describe(variable: ChangedVariable) -> str:
    if not variable.value:
        return f"{variable.name} ({_SET})"
    return f"{variable.name} {variable.value} (default {variable.default})"


def _report_debug() -> Check:
    return _check(
        code="debug_on",
        state=State.WARNING,
        sentence="DEBUG is on: pages show the code of an error, and secrets have defaults that "
        "everybody knows. Right on a developer's machine, and nowhere else.",
        remedy="In production, leave DEBUG out.",
    )


def _report_no_address() -> Check:
    return _check(
        code="public_url_unset",
        state=State.WARNING,
        sentence="PUBLIC_URL is not set: alerts have no links, and the addresses that "
        "platforms call are shown without a host.",
        remedy="Set PUBLIC_URL to the address by which people reach the admin.",
    )
