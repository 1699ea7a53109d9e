"""A strict stand-in for CleverTap's API, for demonstrations, development and tests.

It imports nothing from the product but the names of the locations, and writes
CleverTap's limits down for itself: one mistake is then not made twice, where neither
finds the other. It runs alone: `python -m clevertap_sync.sandbox`.
"""

from clevertap_sync.sandbox.accounts import ACCOUNTS, SandboxAccount
from clevertap_sync.sandbox.faults import Fault, Poison
from clevertap_sync.sandbox.sandbox import Sandbox

__all__ = ["ACCOUNTS", "Fault", "Poison", "Sandbox", "SandboxAccount"]
