"""The process that ends the children if the supervisor cannot, as seen from here."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

SCRIPTS = Path(__file__).parent
#: Without site packages and environment variables: these scripts need neither.
BARE_PYTHON = (sys.executable, "-I", "-S")


class Guard:
    """Keeps the guard process alive, and tells it which groups came and went."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        read, self.descriptor = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [*BARE_PYTHON, str(SCRIPTS / "guard_script.py")],
            stdin=read,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read)

    @property
    def pid(self) -> int:
        """The process ID of the guard."""
        return self._process.pid

    def keep_alive(self, groups: Iterable[int]) -> None:
        """Replace a guard that was killed, and tell the new one what there is."""
        if self._process.poll() is None:
            return
        os.close(self.descriptor)
        self._start()
        for group in groups:
            self._write(b"+%d\n" % group)

    def remove_group(self, group: int) -> None:
        """Say that a group is gone: its number may soon be another's."""
        self._write(b"-%d\n" % group)

    def dismiss(self) -> None:
        """Let the guard end the groups that are left, and wait until it has."""
        os.close(self.descriptor)
        self._process.wait()

    def _write(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # a dead guard is replaced by `keep_alive`
            os.write(self.descriptor, line)
