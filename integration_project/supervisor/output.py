"""Prints the children's lines, each with its child's name, and forgets a closed pipe."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import BinaryIO

OWN_NAME = "up"
_COLOURS = (36, 32, 35, 33, 34, 96, 92, 95)
_DIM = 90
#: A line longer than this is printed in pieces: a child's output must not fill the memory.
LONGEST_LINE = 64 * 1024


def wants_colour(stream: BinaryIO, environment: Mapping[str, str]) -> bool:
    """Return whether a person looks at `stream`, and wants colour: https://no-color.org."""
    return stream.isatty() and not environment.get("NO_COLOR")


class Output:
    """Where all lines go. `closed` turns true when their reader has gone away."""

    def __init__(self, names: Sequence[str], stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stdout.buffer
        self.colour = wants_colour(self._stream, os.environ)
        self.closed = False
        self._prefixes = self._make_prefixes([OWN_NAME, *names])
        self._partial: dict[str, bytes] = {}

    def _make_prefixes(self, names: Sequence[str]) -> dict[str, bytes]:
        width = max(map(len, names))
        codes = (_DIM, *(_COLOURS[i % len(_COLOURS)] for i in range(len(names))))
        prefixes = {}
        for name, code in zip(names, codes, strict=False):
            text = f"{name:<{width}} │ "
            text = f"\x1b[{code}m{text}\x1b[0m" if self.colour else text
            prefixes[name] = text.encode()
        return prefixes

    def say(self, text: str) -> None:
        """Print a line of the supervisor's own."""
        self._write(self._prefixes[OWN_NAME] + text.encode() + b"\n")

    def show(self, text: str) -> None:
        """Print a text as it is, between empty lines."""
        self._write(b"\n" + text.encode() + b"\n\n")

    def feed(self, name: str, data: bytes) -> None:
        """Print the whole lines in `data`, and keep the rest until more comes."""
        *lines, rest = (self._partial.get(name, b"") + data).split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        self._partial[name] = rest
        prefix = self._prefixes[name]
        self._write(b"".join(prefix + line + b"\n" for line in lines))

    def finish(self, name: str) -> None:
        """Print what a child left without a line's end."""
        if self._partial.get(name):
            self.feed(name, b"\n")

    def _write(self, data: bytes) -> None:
        if self.closed or not data:
            return
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError:
            self.closed = True
