"""What the page /docs needs beyond Django's own filters."""

import re
from typing import Final

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

register: Final = template.Library()
MARKED: Final = re.compile("`([^`]+)`")


@register.filter
def with_code(text: str) -> SafeString:
    """Return `text` as HTML, with what stands between backticks as code."""
    return mark_safe(MARKED.sub(r"<code>\1</code>", escape(text)))  # noqa: S308 - escaped
