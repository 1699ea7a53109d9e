"""Setting apps up by command: one app by options, or a whole set-up by a file.

* `one_app`        `provision APP …`: an app, its key, one integration, sources
* `file_keys`      what a set-up file may say; `file_values` and `file_secrets` read its values
* `file_reading`   a file as rows, or all that is wrong with it
* `apply_file`     `provision --file`: everything in one transaction, or what it would do;
  `apply_app`, `apply_integration` and `apply_alert` do their part
* `applied`        what came of it
* `store`          a row made or changed, with its history, for both
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
