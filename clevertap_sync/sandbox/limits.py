"""CleverTap's limits and forbidden names, as CleverTap publishes them.

Pure. Written down apart from the product's own copy on purpose: a figure that is wrong
in one of the two places shows up as a refusal, and a test compares the two. Where sources differ, the smaller figure
stands here and `rules.Rules` can raise it.

References:
https://developer.clevertap.com/docs/upload-events-api
https://docs.clevertap.com/docs/platform-considerations
https://developer.clevertap.com/docs/api-request-limit
https://docs.clevertap.com/docs/nested-objects
"""

from functools import lru_cache

RECORDS_PER_REQUEST = 1_000
UPLOADS_IN_FLIGHT = 15
READS_IN_FLIGHT = 3
DELETED_PER_REQUEST = 100

PROPERTIES = 100
KEY_CHARACTERS = 120
VALUE_BYTES = 512
NAME_CHARACTERS = 512
IDENTITY_CHARACTERS = 1_024
EVENT_TYPES = 512
CHARGED_ITEMS = 50

#: Pivots sample above this. https://docs.clevertap.com/docs/pivots-v2
SAMPLE_ABOVE = 100_000
CURSOR_SECONDS = 4 * 3600
CURSOR_IDLE_SECONDS = 3600
#: The most events on a page of an export, and the fewest that were seen for a smaller
#: `batch_size`; a page is a multiple of CleverTap's storage parts.
LARGEST_PAGE = 5_000
SMALLEST_PAGE = 989
PAGE_MULTIPLE = 23

NESTED_DEPTH = 3
NESTED_ROOT_KEYS = 5
NESTED_BYTES = 128 * 1024

#: Above this a `ts` is in milliseconds, or beyond the year 5138.
LATEST_SECOND = 100_000_000_000

PROHIBITED_CHARACTERS = frozenset("%><!|&.:;$'\"\\")

IDENTITY_KEYS = ("identity", "objectId", "FBID", "GPID")

DISALLOWED_IDENTITIES = frozenset(
    {
        "",
        "undefined",
        "null",
        "none",
        "na",
        "n/a",
        "0",
        "nil",
        "-1",
        "infinity",
        "-infinity",
        "inf",
        "-inf",
        "nan",
        "-nan",
        "empty",
        "xxxxxx",
    }
)


@lru_cache(maxsize=4_096)
def normalised(name: str) -> str:
    """Return an event name as CleverTap compares it: case and blanks do not count."""
    return "".join(name.split()).casefold()


def _normalised(*names: str) -> frozenset[str]:
    return frozenset(normalised(name) for name in names)


#: Refused: the official list, the SDKs' lists, and one that production refused.
RESTRICTED_NAMES = _normalised(
    "Notification Sent",
    "Notification Viewed",
    "Notification Clicked",
    "Notification Delivered",
    "Notification Replied",
    "UTM Visited",
    "App Launched",
    "App Uninstalled",
    "App Version Changed",
    "Stayed",
    "Reply Sent",
    "Experiment Rendered",
    "Reachable By",
    "Identity Reset",
    "Identity Set",
    "Identity Error",
    "wzrk_d",
    "wzrk_fetch",
    "Notification Bounced",
    "Geocluster Entered",
    "Geocluster Exited",
    "SCOutgoing",
    "SCIncoming",
    "SCEnd",
    "SCCampaignOptOut",
    "Web Page Viewed",
)

#: System events whose refusal nobody has seen. https://docs.clevertap.com/docs/events
SYSTEM_NAMES = _normalised(
    "App Installed",
    "Web Session Started",
    "Notification Failed",
    "Push Impressions",
    "State Transitioned",
    "Session Concluded",
    "Channel Unsubscribed",
    "Channel Subscribed",
    "App Upgraded",
    "AB Test Enter",
    "AB Test Exit",
    "AB Experiment Rendered",
    "AB Experiment Rolled Out",
    "AB Experiment Stopped",
    "AB Experiment Disqualified",
    "Partner Sync",
    "CT Coupon Rewarded",
    "CT Coupon Redeemed",
    "CT Coupon Reverted",
    "CT Points Credited",
    "CT Points Debited",
    "CT Partner Voucher Rewarded",
    "Push Unregistered",
    "Webhook Delivered",
)
