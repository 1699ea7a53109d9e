"""Which uploads a call shows at this moment. Pure."""

from typing import Literal, NamedTuple

from clevertap_sync.sandbox.reading_rules import ReadingRules

Kind = Literal["counts", "events", "schema", "profile"]

_HASH = 2_654_435_761
_HASHES = 2**32


class Sight(NamedTuple):
    """What one kind of call sees `now`. Instants are Unix seconds."""

    #: None: never.
    after: float | None
    jitter: float
    now: float
    emptied_at: float | None
    hidden_since: float | None

    def shows(self, number: int, at: float) -> bool:
        """Return whether an upload shows that arrived `at`, with this first number."""
        if self.after is None:
            return False
        if self.emptied_at is not None and at < self.emptied_at:
            return False
        if self.hidden_since is not None and at >= self.hidden_since:
            return False
        return self.after <= 0 or self.now >= at + self.after + self._delay(number)

    def _delay(self, number: int) -> float:
        """Return an upload's own share of the jitter, always the same one."""
        return self.jitter * (number * _HASH % _HASHES) / _HASHES


def sight(kind: Kind, rules: ReadingRules, now: float) -> Sight:
    """Return what a kind of call sees under these rules."""
    after = {
        "counts": rules.counts_visible_after,
        "events": rules.events_visible_after,
        "schema": rules.schema_visible_after,
        "profile": rules.profile_visible_after,
    }[kind]
    hides = rules.locked_queries == "zero"
    return Sight(
        after=after,
        jitter=rules.visible_jitter,
        now=now,
        emptied_at=rules.emptied_at,
        hidden_since=rules.locked_since if hides else None,
    )
