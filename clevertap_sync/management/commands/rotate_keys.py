"""`manage.py rotate_keys`: encrypt everything with the newest of the keys."""

from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from clevertap_sync import key_rotation
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
        "secrets of sources and the keys of their ids, keys of hashes) with the first of "
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
        parser.add_argument(
            "--replace-lost-hash-keys",
            action="store_true",
            help="make new keys for hashes where no key decrypts the old ones, so that "
            "events are taken again: for when the key that they were saved with is lost "
            "for good. What was hashed before is never recognised again: sent again, an "
            "old event is a conflict, erased people have to be erased again, and who is "
            "who has to be learned anew",
        )

    def handle(
        self, *_: Any, check: bool, replace_lost_hash_keys: bool, **__: Any
    ) -> None:
        """Rotate the keys, unless --check, and print what each key decrypts."""
        if check and replace_lost_hash_keys:
            msg = "--check changes nothing: leave it or --replace-lost-hash-keys out."
            raise CommandError(msg)
        if replace_lost_hash_keys:
            self._replace_lost_hash_keys()
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
                f"back into the list{'' if secret.is_made else ', or enter it again in the admin'}."
            )
        if lost or (check and any(secret.key for secret in secrets)):
            raise SystemExit(1)

    def _replace_lost_hash_keys(self) -> None:
        made = key_rotation.replace_lost_hash_keys()
        self.stdout.write(f"New keys of hashes: {made}.")
        if made:
            self.stdout.write(
                "Restart every process. Then erase again whoever was erased, and run "
                "`manage.py relearn` for each app that learns who is who."
            )


def _name_of(index: int) -> str:
    last = len(settings.FIELD_ENCRYPTION_KEYS) - 1
    ages = [name for name, at in (("newest", 0), ("oldest", last)) if at == index]
    return f"Key {index + 1} of {last + 1}" + (f" ({', '.join(ages)})" if ages else "")


def _needed_for(secrets: list[StoredSecret], index: int) -> str:
    kinds = Counter(secret.kind for secret in secrets if secret.key == index)
    uses = [f"{kind} ({count})" for kind, count in sorted(kinds.items())]
    if index == 0:
        uses.append("what is saved from now on")
    if not uses:
        return "nothing. It can be taken out of the list."
    return f"{'; '.join(uses)}."
