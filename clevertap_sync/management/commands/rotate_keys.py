"""`manage.py rotate_keys`: encrypt everything with the newest of the keys."""

from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from clevertap_sync.key_rotation import (
    StoredSecret,
    encrypt_with_newest_key,
    read_secrets,
)
from referrals.management.arguments import DiscreetCommand


class Command(DiscreetCommand):
    """Encrypt every secret with the newest key. Exits with 1 where no key decrypts one."""

    help = (
        "Encrypt every stored secret (passcodes, addresses and signing secrets of alerts, "
        "secrets of sources and the keys of their ids) with the first of "
        "FIELD_ENCRYPTION_KEYS, and tell which key is needed for what. Exits with 1 where "
        "no key decrypts a secret. Can be repeated, and run beside everything else."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --check: change nothing."""
        parser.add_argument(
            "--check",
            action="store_true",
            help="change nothing; exit with 1 too where a key is needed that is not the "
            "newest",
        )

    def handle(self, *_: Any, check: bool, **__: Any) -> None:
        """Rotate the keys, unless --check, and print what each key decrypts."""
        if not check:
            again = sum(
                encrypt_with_newest_key(old) for old in read_secrets() if old.key
            )
            self.stdout.write(f"Encrypted again with the newest key: {again}.")
        secrets = list(read_secrets())
        for index in range(len(settings.FIELD_ENCRYPTION_KEYS)):
            self.stdout.write(f"{_name_of(index)}: {_needed_for(secrets, index)}")
        lost = [secret for secret in secrets if secret.key is None]
        for secret in lost:
            self.stderr.write(
                f"No key decrypts the {secret.name()}. Put the key that it was saved with "
                "back into the list, or enter it again in the admin."
            )
        if lost or (check and any(secret.key for secret in secrets)):
            raise SystemExit(1)


def _name_of(index: int) -> str:
    last = len(settings.FIELD_ENCRYPTION_KEYS) - 1
    ages = [name for name, at in (("newest", 0), ("oldest", last)) if at == index]
    return f"Key {index + 1} of {last + 1}" + (f" ({', '.join(ages)})" if ages else "")


def _needed_for(secrets: list[StoredSecret], index: int) -> str:
    kinds = Counter(secret.kind for secret in secrets if secret.key == index)
    uses = [f"{kind} ({count})" for kind, count in sorted(kinds.items())]
    is_newest = index == 0
    is_oldest = index == len(settings.FIELD_ENCRYPTION_KEYS) - 1
    if is_oldest:
        uses.append("the hashes of repeated events, devices and erased people: keep it")
    if is_newest:
        uses.append("what is saved from now on")
    if not uses:
        return "nothing. It can be taken out of the list."
    return f"{'; '.join(uses)}."
