"""Single events while two hundred other connections send a byte a second, and without them."""

import itertools
import socket
import statistics
import threading
from typing import Final, Self

from benchmarks import events, load
from benchmarks.ground import Ground
from benchmarks.load import HERE
from benchmarks.measures import Scale
from benchmarks.ours import Ours
from benchmarks.report import (
    Findings,
    Highlight,
    Row,
    Table,
    milliseconds,
    number,
    percentile,
    times,
)

SLOW: Final = 200
CLIENTS: Final = 4
TURNS: Final = 5
TURN_SECONDS: Final = 4.0
PAUSE_SECONDS: Final = 1.0
ENOUGH: Final = 24_000
_BYTE: Final = b"x"


def measure(ground: Ground, scale: Scale) -> Findings:
    """Measure in turns, without them and with them."""
    found: dict[bool, list[load.Sent]] = {False: [], True: []}
    seconds = scale.seconds(TURN_SECONDS, 1.0)
    with Ours(ground) as ours:
        ours.start()
        ours.warm_up()
        for turn in range(TURNS):
            found[False].append(_send(ours, f"alone-{turn}", seconds))
            with _SlowCallers(ours):
                found[True].append(_send(ours, f"beside-{turn}", seconds))
    alone, beside = (_spell(found[is_slow]) for is_slow in (False, True))
    ratio = statistics.median(map(_rate, found[True])) / statistics.median(
        map(_rate, found[False])
    )
    return Findings(
        [
            Table(
                f"Single events, {CLIENTS} clients, beside {SLOW} slow connections",
                ("", "events/s", "p50", "p99"),
                [("none", *alone), (f"{SLOW}", *beside)],
                [
                    (
                        "A slow connection has sent half a request, and sends a byte a second. "
                        f"Medians of {TURNS} turns."
                    )
                ],
            )
        ],
        [
            Highlight(
                f"Single events/s beside {SLOW} slow connections",
                beside[0],
                f"without them: {alone[0]}",
                times(ratio),
            )
        ],
    )


class _SlowCallers:
    """Connections that never finish their request; those that are closed come again."""

    def __init__(self, ours: Ours) -> None:
        head = load.post("/v1/events", b"x" * 400, key=ours.key)[:-400]
        self._begun = (head + b'{"id":"', head[:-2] + b"X-More: ")
        self._port = ours.port
        self._stopped = threading.Event()
        self._open = [self._connect(n) for n in range(SLOW)]
        self._thread = threading.Thread(target=self._trickle, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        for caller in self._open:
            caller.close()

    def _connect(self, number: int) -> socket.socket:
        caller = socket.create_connection((HERE, self._port))
        caller.sendall(self._begun[number % len(self._begun)])
        return caller

    def _trickle(self) -> None:
        """Let each send a byte, one after the other, all in a second."""
        for n in itertools.cycle(range(SLOW)):
            if self._stopped.wait(PAUSE_SECONDS / SLOW):
                return
            try:
                self._open[n].sendall(_BYTE)
            except OSError:
                self._open[n].close()
                self._open[n] = self._connect(n)


def _send(ours: Ours, run: str, seconds: float) -> load.Sent:
    bodies = events.bodies(ENOUGH, 1, run=run)
    return load.run(ours.port, ours.requests(bodies), clients=CLIENTS, seconds=seconds)


def _rate(sent: load.Sent) -> float:
    return len(sent.answered_at) / sent.seconds


def _spell(turns: list[load.Sent]) -> Row:
    waited = [each for sent in turns for each in sent.latencies()]
    return (
        number(statistics.median(map(_rate, turns))),
        milliseconds(percentile(waited, 50)),
        milliseconds(percentile(waited, 99)),
    )
