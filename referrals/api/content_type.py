"""Before Django sees a request: a Content-Type on which its request class would fail.

Django reads the header while it makes the request, before any of its own error handling,
and takes any charset it names for the query string. A header that breaks either would be
answered 500; taken away, it is answered like one that was never sent.
"""

import codecs
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from django.utils.http import parse_header_parameters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Other codecs decode to something else than text (hex), or fail in ways of their own
# (idna).
PLAIN_CHARSETS: Final = ("ascii", "cp1252", "iso8859", "utf")


def drop_unreadable_content_type(
    application: "WSGIApplication",
) -> "WSGIApplication":
    """Return `application`, spared from what `is_readable` says no to."""

    def spared(
        environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if not is_readable(environ.get("CONTENT_TYPE") or ""):
            environ["CONTENT_TYPE"] = ""
        return application(environ, start_response)

    return spared


def is_readable(content_type: str) -> bool:
    """Return whether Django can make a request out of this header."""
    try:
        _, parameters = parse_header_parameters(content_type)
        charset = codecs.lookup(parameters.get("charset", "utf-8")).name
    except LookupError:
        # Unknown charsets are what Django does expect.
        return True
    except Exception:  # noqa: BLE001 - the standard library's parser fails in many ways
        return False
    return charset.startswith(PLAIN_CHARSETS)
