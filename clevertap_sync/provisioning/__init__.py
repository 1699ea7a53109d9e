"""Setting apps up by command: one app by options, or a whole set-up by a file.

* `one_app`      `provision APP …`: an app, its key, one integration, sources
"""

from clevertap_sync.provisioning.one_app import (
    ACCOUNT_ID,
    DEFAULT_INTEGRATION,
    UNUSUAL_ACCOUNT_ID,
    ProvisionedSetup,
    WantedSetup,
    find_location,
    provision_app,
)
from clevertap_sync.provisioning.store import ProvisioningError

__all__ = [
    "ACCOUNT_ID",
    "DEFAULT_INTEGRATION",
    "UNUSUAL_ACCOUNT_ID",
    "ProvisionedSetup",
    "ProvisioningError",
    "WantedSetup",
    "find_location",
    "provision_app",
]
