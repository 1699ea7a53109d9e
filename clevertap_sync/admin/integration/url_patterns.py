"""Addresses below an integration's own page, with their methods and permissions."""

from functools import partial
from typing import Final

from referrals.admin.kit.row_urls import build_row_url

build_url_pattern: Final = partial(build_row_url, related=("app", "account"))
