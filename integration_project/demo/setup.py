"""Makes the Demo Shop: app, integration, sources, API key and a login to look around."""

import json
import secrets
import string
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.contrib.auth import get_user_model

from clevertap_sync.models import Integration
from clevertap_sync.process import clock
from clevertap_sync.provisioning import WantedSetup, provision_app
from clevertap_sync.sandbox.accounts import ACCOUNTS
from integration_project.demo.__main__ import LOCATION
from integration_project.demo.feeder import WHOLE_DAYS
from integration_project.demo.story import APP, PURCHASES, Carrier
from integration_project.local import private_file
from referrals import history, log
from referrals.encrypted_field import UnreadableSecret
from referrals.keys import create_key, digest_key
from referrals.models import ApiKey, App, Source
from referrals.secret import Secret
from referrals.source_address import write_hook_path
from referrals.source_provisioning import WantedSource, provision_source
from referrals.source_setup import SourceError, set_secret

APP_NAME: Final = "Demo Shop"
PROVIDER: Final = "email"
USERNAME: Final = "admin"
#: Letters and digits only: a double click selects the whole password.
PASSWORD_ALPHABET: Final = string.ascii_letters + string.digits
PASSWORD_LENGTH: Final = 14


@dataclass(frozen=True)
class DemoAccess:
    """How a person gets in, and the demo's Branch.

    An empty password is one that the person chose. Without a `branch_secret` there is no
    source for Branch: a person has archived it.
    """

    api_key: str
    username: str
    password: str
    branch_path: str = ""
    branch_secret: Secret | None = None

    def list_variables(self) -> dict[str, str]:
        """Return what the feeder needs to know of it, as variables of its environment."""
        variables = {"DEMO_API_KEY": self.api_key}
        if self.branch_secret:
            variables["DEMO_BRANCH_PATH"] = self.branch_path
            variables["DEMO_BRANCH_SECRET"] = self.branch_secret.reveal()
        return variables


def prepare_demo(path: Path) -> DemoAccess:
    """Make or update everything; the file at `path` keeps key and password for the next start."""
    kept = _read(path)
    account = ACCOUNTS[LOCATION]
    provisioned = provision_app(
        WantedSetup(
            app=APP,
            app_name=APP_NAME,
            account_id=account.account_id,
            passcode=Secret(account.passcode),
            location=LOCATION,
            identity_provider=PROVIDER,
            enable=True,
            reconciles=True,
        )
    )
    _begin_to_count(provisioned.integration)
    key = provisioned.api_key or _working_key(provisioned.app, kept.get("api_key", ""))
    password = _password(kept.get("password", ""))
    branch = _provision_source(provisioned.app, Carrier.BRANCH)
    _provision_source(provisioned.app, Carrier.SEGMENT)
    access = DemoAccess(
        key,
        USERNAME,
        password,
        branch_path=write_hook_path(branch) if branch else "",
        branch_secret=_read_secret(branch) if branch else None,
    )
    kept = {"api_key": access.api_key, "password": access.password}
    private_file.write_private_file(path, json.dumps(kept))
    return access


def _begin_to_count(integration: Integration) -> None:
    """Count from the past days on at the first start, and from now on at each later one.

    The sandbox begins empty each time: the first time all that it will have is ours, and
    later it lacks what went to the one before.
    """
    is_first = not log.read_head(integration.app_id)
    integration.counts_since = clock.read_now() - (
        WHOLE_DAYS if is_first else timedelta()
    )
    integration.save(update_fields=["counts_since"])


def _provision_source(app: App, platform: Carrier) -> Source | None:
    """Return the source for a platform's calls; None where a person has archived it."""
    # The shop's app gives Branch e-mail addresses as its users' IDs.
    identity = PROVIDER if platform is Carrier.BRANCH else None
    wanted = WantedSource(platform, identity=identity, events=PURCHASES)
    try:
        return provision_source(app, wanted).source
    except SourceError:
        return None


def _read_secret(source: Source) -> Secret:
    """Return a source's secret; a new one where no key decrypts it."""
    secret: Secret = source.secret
    if isinstance(secret, UnreadableSecret):
        return set_secret(history.COMMAND_LINE, source)
    return secret


def _working_key(app: App, text: str) -> str:
    """Return the kept key if it still works, else a new one."""
    works = ApiKey.objects.working().filter(app=app, digest=digest_key(text)).exists()
    return text if works else create_key(app, "demo")[1]


def _password(kept: str) -> str:
    """Return the login's password, made at the first start.

    A login that is there already is never touched: it may be a person's own.
    """
    users = get_user_model()
    user = users.objects.filter(username=USERNAME).first()
    if user is not None:
        return kept if kept and user.check_password(kept) else ""
    chosen = (secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_LENGTH))
    password = kept or "".join(chosen)
    users.objects.create_superuser(USERNAME, password=password)
    return password


def _read(path: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
