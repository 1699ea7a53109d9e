"""What a person reads when everything runs: addresses, login, key, a line to try.

Pure: text in, text out.
"""

import json
from collections.abc import Sequence
from typing import Final

_FRAME_COLOUR: Final = "\x1b[36m"
_BOLD: Final = "\x1b[1m"
_PLAIN: Final = "\x1b[0m"
_SAMPLE: Final = {
    "id": "hello-'$(date +%s)'",  # leaves the shell's quotes, so that each paste is new
    "type": "app_install",
    "user": {"identities": {"email": "ann@example.com"}},
    "referrer": {"identities": {"email": "bob@example.com"}},
    "channel": "whatsapp",
}

Rows = Sequence[tuple[str, str]]


def make_one_line_curl(url: str, key: str) -> str:
    """Return a command that sends an event of one's own, as one line to copy."""
    body = json.dumps(_SAMPLE, separators=(",", ":"))
    return (
        f"curl -sS {url}/v1/events -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{body}'"
    )


def draw_box(title: str, rows: Rows, footer: str, *, colour: bool) -> str:
    """Return the rows, label and value, in a frame."""
    width = max(len(label) for label, _ in rows)
    body = [f"{label:<{width}}   {value}" for label, value in rows]
    inner = max(map(len, (title, footer, *body))) + 4

    def line(text: str, style: str = "") -> str:
        shown = f"  {text}".ljust(inner)
        return f"{frame}│{plain}{style}{shown}{plain if style else ''}{frame}│{plain}"

    frame, bold, plain = (_FRAME_COLOUR, _BOLD, _PLAIN) if colour else ("", "", "")
    return "\n".join(
        (
            f"{frame}╭{'─' * inner}╮{plain}",
            line(title, bold),
            line(""),
            *(line(text) for text in body),
            line(""),
            line(footer),
            f"{frame}╰{'─' * inner}╯{plain}",
        )
    )
