"""Keys: which of `FIELD_ENCRYPTION_KEYS` the stored secrets need, and which API keys work."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from django.conf import settings

from clevertap_sync.insight.findings import Link
from clevertap_sync.key_rotation import StoredSecret, read_secrets
from integration_project.doctor.check import Area, Check, State
from referrals.models import ApiKey
from referrals.words import format_count

#: So many lost secrets are named.
NAMED: Final = 5
_ROTATE: Final = "Run `manage.py rotate_keys`"

_check = partial(Check, area=Area.KEYS)


def examine_keys() -> Iterator[Check]:
    """Yield which keys decrypt what, and how many API keys work."""
    stored = list(read_secrets())
    lost = [secret for secret in stored if secret.key is None]
    if lost:
        yield _report_lost(lost)
    uses = Counter(secret.key for secret in stored if secret.key is not None)
    if uses or not lost:
        yield judge_list(uses, len(settings.FIELD_ENCRYPTION_KEYS))
    keys = ApiKey.objects.working().of_backends().filter(app__archived_at=None)
    yield judge_api_keys(keys.count())


def judge_list(uses: Counter[int], keys: int) -> Check:
    """Return the check of a list of `keys`. `uses` says how many secrets each index decrypts."""
    older = sum(count for index, count in uses.items() if index)
    values = {"keys": keys, "secrets": uses.total(), "with_older_keys": older}
    if older:
        return _check(
            code="older_keys_needed",
            state=State.INFO,
            sentence=f"{format_count(older, 'secret')} of {uses.total():,} are encrypted with "
            "an older key than the newest.",
            remedy=f"{_ROTATE}; then only the newest is needed.",
            values=values,
        )
    if keys > 1:
        return _check(
            code="keys_unneeded",
            state=State.INFO,
            sentence="Every secret is encrypted with the newest key: "
            f"{format_count(keys - 1, 'older one is', 'older ones are')} needed for nothing here.",
            remedy="Take them out of FIELD_ENCRYPTION_KEYS once no backup needs them and the "
            "spool is empty.",
            values=values,
        )
    return _check(
        code="keys",
        state=State.OK,
        sentence=f"The key decrypts all that it has encrypted: {format_count(uses.total(), 'secret')}.",
        values=values,
    )


def judge_api_keys(count: int) -> Check:
    """Return the check of the API keys that let somebody in."""
    return _check(
        code="api_keys" if count else "no_api_key",
        state=State.OK if count else State.INFO,
        sentence=f"{format_count(count, 'API key')} let backends in."
        if count > 1
        else "One API key lets a backend in."
        if count
        else "No API key works: no backend can send an event.",
        remedy="" if count else "Make a key for an app.",
        link=None if count else Link("Make a key", "referrals_apikey_add"),
        values={"working": count},
    )


def _report_lost(lost: Sequence[StoredSecret]) -> Check:
    names = [f"the {secret.name()}" for secret in lost[:NAMED]]
    further = len(lost) - len(names)
    if further:
        names.append(format_count(further, "further secret"))
    is_made = any(secret.is_made for secret in lost)
    otherwise = (
        "Keys of hashes and of sources' ids cannot be entered again: where one is lost for "
        "good, `manage.py rotate_keys --help` says what is left"
        if is_made
        else "If it is lost for good, enter the values again in the admin"
    )
    return _check(
        code="secret_unreadable",
        state=State.ERROR,
        sentence=f"No key in FIELD_ENCRYPTION_KEYS decrypts {', '.join(names)}. Nothing is "
        "delivered, sent or taken there.",
        remedy="Put the key that they were saved with back into the list, and restart every "
        f"process. {otherwise}.",
        values={"secrets": len(lost)},
    )
