"""The admin's pages about apps, their API keys, refused events, and people who log in.

`kit` is the toolkit of all pages, also of those of destinations: read `kit.base` first.
`sources` is the page Sources, `people` the page People. Each other module is one page; a module that ends in `_admin`
registers a model.
"""

from referrals.admin import (
    app_admin,
    custom_name_admin,
    key_admin,
    person_admin,
    rejected_admin,
)
from referrals.admin.sources import source_admin

__all__ = [
    "app_admin",
    "custom_name_admin",
    "key_admin",
    "person_admin",
    "rejected_admin",
    "source_admin",
]
