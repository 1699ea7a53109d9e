"""The loop: start, print, notice ends, restart, and at last stop in order."""

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from integration_project.supervisor.output import Output
from integration_project.supervisor.process import Child, Process, describe_end
from integration_project.supervisor.process_guard import Guard

GRACE_SECONDS = 25.0
#: Two signals this close are one Ctrl-C that came by two ways.
SAME_SIGNAL_SECONDS = 0.5
TICK_SECONDS = 0.2
IDLE_SECONDS = 1.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Announcement:
    """A text to print once, as soon as `is_ready` returns True. That must be quick."""

    is_ready: Callable[[], bool]
    text: str


class Supervisor:
    """Keeps children running until a signal; `run` returns when all of them are gone."""

    def __init__(
        self,
        children: Sequence[Child],
        output: Output,
        announcement: Announcement | None = None,
        *,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._processes = [Process(child) for child in children]
        self._output = output
        self._announcement = announcement
        self._grace = grace
        self._selector = selectors.DefaultSelector()
        self._asked_at: float | None = None
        self._impatient = False
        self._killed = False
        self._stage = -1

    def run(self) -> None:
        """Supervise until SIGTERM, SIGINT or SIGHUP; then stop everything in order."""
        with self._signals():
            self._guard = Guard()
            try:
                while self._asked_at is None or self._running():
                    self._turn()
            finally:
                for process in self._running():
                    process.kill()
                self._guard.dismiss()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Take the signals over; each of them wakes the loop at once."""
        read, write = os.pipe()
        for end in (read, write):
            os.set_blocking(end, False)
        self._selector.register(read, selectors.EVENT_READ)
        before_wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        before = {
            number: signal.signal(number, self._on_stop) for number in _STOP_SIGNALS
        }
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _wake_only)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_wakeup)
            self._selector.close()
            os.close(read)
            os.close(write)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        elif now - self._asked_at > SAME_SIGNAL_SECONDS:
            self._impatient = True

    def _turn(self) -> None:
        """Do everything that is due now, then wait for more."""
        now = time.monotonic()
        self._guard.keep_alive(
            pid for process in self._running() if (pid := process.pid)
        )
        self._clear_ended(now)
        if self._asked_at is None and self._output.closed:
            self._asked_at = now
        if self._asked_at is None:
            self._start_due(now)
            if self._announcement and self._announcement.is_ready():
                self._output.show(self._announcement.text)
                self._announcement = None
        else:
            self._stop(now, self._asked_at)
        self._wait(now)

    def _running(self) -> list[Process]:
        return [process for process in self._processes if process.pid is not None]

    def _start_due(self, now: float) -> None:
        for process in self._processes:
            if process.start_at is not None and process.start_at <= now:
                process.start(self._guard.descriptor, now)
                self._selector.register(process.output, selectors.EVENT_READ, process)

    def _clear_ended(self, now: float) -> None:
        for process in self._running():
            returncode = process.returncode()
            if returncode is not None:
                self._clear_away(process, returncode, now)

    def _clear_away(self, process: Process, returncode: int, now: float) -> None:
        """Clear an ended child away, its own children included; plan its restart."""
        pid = process.pid
        process.kill()
        while data := process.read():
            self._output.feed(process.child.name, data)
        self._output.finish(process.child.name)
        self._unregister(process)
        delay = process.note_end(now)
        if pid is not None:
            self._guard.remove_group(pid)
        if self._asked_at is None:
            how = f"{process.child.name} {describe_end(returncode)}"
            self._output.say(f"{how}; starting it again in {delay:g} s")

    def _unregister(self, process: Process) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(process.output)

    def _stop(self, now: float, asked_at: float) -> None:
        """Stop the stages one after the other; kill the children that outlive the grace."""
        running = self._running()
        if not running:
            return
        stage = min(process.child.stage for process in running)
        if stage > self._stage:
            self._terminate(stage, [p for p in running if p.child.stage == stage])
        if self._impatient or now >= asked_at + self._grace:
            self._kill(running)

    def _terminate(self, stage: int, processes: list[Process]) -> None:
        if self._stage < 0:
            self._output.say("stopping; Ctrl-C again stops at once")
        self._stage = stage
        for process in processes:
            process.terminate()

    def _kill(self, running: list[Process]) -> None:
        if not self._killed:
            names = ", ".join(process.child.name for process in running)
            self._output.say(f"ending at once: {names}")
        self._killed = True
        for process in running:
            process.kill()

    def _wait(self, now: float) -> None:
        """Print what comes, until a signal, a child's end or the next thing that is due."""
        for key, _ in self._selector.select(self._seconds_until_due(now)):
            if key.data is None:
                os.read(key.fd, 4096)
            elif data := key.data.read():
                self._output.feed(key.data.child.name, data)
            else:
                self._unregister(key.data)

    def _seconds_until_due(self, now: float) -> float:
        if self._announcement or self._asked_at is not None:
            return TICK_SECONDS
        starts = [p.start_at for p in self._processes if p.start_at is not None]
        return max(0.0, min([now + IDLE_SECONDS, *starts]) - now)


def _wake_only(_number: int, _frame: FrameType | None) -> None:
    """Exist, so that a child's end interrupts the wait."""
