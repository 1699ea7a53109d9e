"""What happened in a test, step by step, as a page that people read.

Written where TRANSCRIPTS names a folder: TRANSCRIPTS=docs/transcripts, with the tests of
`tests/ops`. A step says what was done and what was seen, without any path of the machine.
"""

import os
import time
from pathlib import Path
from typing import Final

VARIABLE: Final = "TRANSCRIPTS"


class Transcript:
    """The steps of one test, with the seconds since its beginning."""

    def __init__(self, title: str, introduction: str) -> None:
        self._began = time.monotonic()
        self._head = f"# {title}\n\n{introduction}\n"
        self._lines: list[str] = []

    def say(self, text: str) -> None:
        """Add a step."""
        seconds = time.monotonic() - self._began
        self._lines.append(f"{seconds:5.1f} s  {text}")

    def show(self, command: str, output: str = "") -> None:
        """Add a command as a person types it, and what it printed."""
        self.say(f"$ {command}")
        self._lines += [f"         {line}" for line in output.splitlines()]

    def write(self, name: str) -> None:
        """Write the page, where somebody asks for it."""
        if folder := os.environ.get(VARIABLE):
            steps = "\n".join(line.rstrip() for line in self._lines)
            page = f"{self._head}\n```\n{steps}\n```\n"
            Path(folder).mkdir(parents=True, exist_ok=True)
            Path(folder, f"{name}.md").write_text(page, encoding="utf-8")
