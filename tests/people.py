"""People whom CleverTap knows before anything is delivered, and many who send events."""

from clevertap_sync.clevertap.connection_check import Credentials
from clevertap_sync.clevertap.limits import encode, encode_body
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from referrals.secret import Secret
from tests.builders import a_sent_event
from tests.harness.process import PATIENCE_SECONDS


def knows(sandbox, *identities, location=Location.EU1):
    """Let the account know these identities, as if an SDK had created their profiles."""
    account = ACCOUNTS[location]
    credentials = Credentials(
        location, account.account_id, Secret(account.passcode), sandbox.template
    )
    records = [
        encode({"type": "profile", "identity": each, "profileData": {}})
        for each in identities
    ]
    client = credentials.make_client(PATIENCE_SECONDS)
    client.upload(encode_body(records), records)
    client.close()


def emails(count, *, of="user"):
    """Return e-mail addresses that differ."""
    return [f"{of}-{n}@example.com" for n in range(count)]


def installs_of(people, **changes):
    """Return an install of each of these people, whom nobody invited."""
    return [
        a_sent_event(
            id=f"install-of-{person}",
            user={"identities": {"email": person, "custom_id": f"id-of-{person}"}},
            referrer=None,
            via="smart_link",
            **changes,
        )
        for person in people
    ]
