"""The addresses of the pages that findings link to."""

from django.conf import settings
from django.urls import reverse
from django.utils.http import urlencode

from clevertap_sync.insight.findings import Link


def build_path(link: Link) -> str:
    """Return the path of the page that `link` names, with its query and its place."""
    path = reverse(f"admin:{link.page}", args=link.arguments)
    query = f"?{urlencode(link.query)}" if link.query else ""
    place = f"#{link.place}" if link.place else ""
    return f"{path}{query}{place}"


def build_address(link: Link) -> str:
    """Return the page's path after PUBLIC_URL; the path alone where that is not set."""
    return f"{settings.PUBLIC_URL}{build_path(link)}"
