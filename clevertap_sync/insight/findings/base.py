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
    """What a finding is about: people are told once of it, whoever else it concerns."""

    INTEGRATION = "integration"
    APP = "app"
    INSTALLATION = "installation"


@dataclass(frozen=True, slots=True)
class Link:
    """Where a finding is mended: a page of the admin, by its name, and a place on it.

    `label` is what people press; `query` and `place` go behind `?` and `#`.
    """

    label: str
    page: str
    arguments: tuple[int | str, ...] = ()
    query: tuple[tuple[str, int | str], ...] = ()
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is not well. Each kind is a class, and says all words about itself.

    `count` is how many events, records or messages it concerns. `seconds` is for how long
    it has been so, where that decides whether an alert goes out; `percent` likewise.
    """

    #: A stable name: commands, metrics and alerts use it.
    code: ClassVar[str]
    severity: ClassVar[Severity]
    #: What the light says.
    word: ClassVar[str] = ""
    #: What an alert's title says when it starts, and when it is over.
    started: ClassVar[str]
    ended: ClassVar[str]
    #: Kinds with a family in common are causes of the same trouble: that it is over is true when
    #: none of them is left.
    families: ClassVar[frozenset[str]] = frozenset()
    scope: ClassVar[Scope] = Scope.INTEGRATION
    #: Whether it is about what an app sent and was refused, before it was in the log.
    is_at_door: ClassVar[bool] = False

    sentence: str
    remedy: str
    link: Link
    count: int | None = None
    seconds: float | None = None
    percent: float | None = None
    #: Tells findings of one kind about one integration apart, such as a reason.
    detail: str = field(default="")

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield what of this kind the facts show."""
        raise NotImplementedError

    @classmethod
    def is_there(cls, facts: Facts) -> bool:
        """Return whether the facts show any of this kind."""
        return any(cls.find(facts))


def link_settings(facts: Facts, field_name: str, label: str) -> Link:
    """Return the way to one field of the integration's settings."""
    page = "clevertap_sync_integration_change"
    return Link(label, page, (facts.integration.pk,), place=f"id_{field_name}")


def link_integration(facts: Facts, page: str, label: str) -> Link:
    """Return the way to a page of the integration, such as `enable`."""
    name = f"clevertap_sync_integration_{page}"
    return Link(label, name, (facts.integration.pk,))
