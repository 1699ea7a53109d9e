"""What a finding is: one cause, in one sentence, with its number and the way to its fix."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Self

from clevertap_sync.insight.facts import Facts


class Severity(StrEnum):
    """How bad it is: `error`, events do not arrive; `warning`, some do not or soon will not."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Scope(StrEnum):
    """What a finding is about. An alert reports it once for that, not once per integration."""

    INTEGRATION = "integration"
    APP = "app"
    INSTALLATION = "installation"


@dataclass(frozen=True, slots=True)
class Link:
    """Where a person fixes a finding: a page of the admin, by its name, and a place on it.

    `label` is the button's text; `query` and `place` go behind `?` and `#`.
    """

    label: str
    page: str
    arguments: tuple[int | str, ...] = ()
    query: tuple[tuple[str, int | str], ...] = ()
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is not well. Each kind is a class with all of its words.

    `count` is how many events, records or messages it concerns. `seconds` is for how long it
    has lasted, and `percent` its share, where an alert has a threshold for that.
    """

    #: A stable name: commands, metrics and alerts use it.
    code: ClassVar[str]
    severity: ClassVar[Severity]
    #: The word of the light.
    word: ClassVar[str] = ""
    #: An alert's title when the finding starts, and when it ends.
    started: ClassVar[str]
    ended: ClassVar[str]
    #: Kinds with a common family are causes of the same trouble: it ends when no finding of the
    #: family is left.
    families: ClassVar[frozenset[str]] = frozenset()
    scope: ClassVar[Scope] = Scope.INTEGRATION
    #: Whether it is about events that were refused at the door.
    is_at_door: ClassVar[bool] = False

    sentence: str
    remedy: str
    link: Link
    count: int | None = None
    seconds: float | None = None
    percent: float | None = None
    #: Distinguishes findings of one kind about one integration, such as by a reason.
    detail: str = field(default="")
    #: Whether its cause is still being looked for: pages show it, no alert tells it yet.
    is_provisional: bool = False

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield the findings of this kind that the facts show."""
        raise NotImplementedError

    @classmethod
    def is_there(cls, facts: Facts) -> bool:
        """Return whether the facts show any of this kind."""
        return any(cls.find(facts))


def link_settings(facts: Facts, field_name: str, label: str) -> Link:
    """Return the link to one field of the integration's settings."""
    page = "clevertap_sync_integration_change"
    return Link(label, page, (facts.integration.pk,), place=f"id_{field_name}")


def link_integration(facts: Facts, page: str, label: str) -> Link:
    """Return the link to a page of the integration, such as `enable`."""
    name = f"clevertap_sync_integration_{page}"
    return Link(label, name, (facts.integration.pk,))
