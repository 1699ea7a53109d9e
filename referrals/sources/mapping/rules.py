"""What a mapping is: a closed set of rules, as data. Pure.

A rule reads one value of a call. It has one way to get at it (`path`, `first`, `const`,
`template`, `hash`, or `pick` alone) and then, in this order, what is made of it (`json`,
`query_of`, `pick`, `map`, `time`). A text in place of a rule is a path. There are no loops and
no functions, so that a mapping costs what it reads.

`path`, `first`: the value at a path, or the first that is there. `const`: always this.
`template`: `{a}-{b}`, where all of its values are there. `hash`: a keyed hash of several,
of which at least one is there. `json`: what the JSON in a text says, at a path within it.
`query_of`: a parameter of an address, or `*` for all. `pick`: an object of the values at
paths, each under its last name or under one that is given, but those in `without`. `map`:
another value for each; `else` for one that it does not have, or `keep` it. `time`: how a
time is written. `when`: conditions without which there is no value.
"""

from enum import StrEnum
from typing import Final

import msgspec

from referrals.decoding import prepare_type
from referrals.sources.mapping.times import TimeForm
from referrals.vocabulary import EventType

MAX_RULES: Final = 64
MAX_PATHS: Final = 256
MAX_NESTING: Final = 4
MAX_MAPPING_BYTES: Final = 32 * 1024
MAX_ITEMS: Final = 1_000
MAX_KEYS: Final = 32

Scalar = str | int | float | bool


class Reason(StrEnum):
    """Why a call, or an item of one, became no event. None of these is a fault."""

    #: Nobody is named who invited, and marketing links are not taken.
    NO_REFERRER = "no_referrer"
    #: The source does not take this kind of event.
    NOT_CHOSEN = "not_chosen"
    #: The platform itself says that nobody led here.
    ORGANIC = "organic"
    #: What the referrer did, such as making a link.
    OWN_ACT = "own_act"
    #: The platform tells of the same referral in another call.
    SAME_REFERRAL = "same_referral"
    #: The platform has not decided yet, and calls again.
    PENDING = "pending"
    #: A test of the platform, or a call that names no event.
    NO_EVENT = "no_event"
    #: It could only say who somebody is, and does not, or nobody wants to know.
    NO_LINK = "no_link"
    #: A condition of the mapping does not hold.
    CONDITION = "condition"


#: What each means, to go on a sentence with.
MEANINGS: Final = {
    Reason.NO_REFERRER: "the call names nobody who invited",
    Reason.NOT_CHOSEN: "the source does not take events of this kind",
    Reason.ORGANIC: "the platform says that nobody led here",
    Reason.OWN_ACT: "it is what the referrer did, and no referral",
    Reason.SAME_REFERRAL: "another call tells of the same referral",
    Reason.PENDING: "the platform has not decided yet, and calls again",
    Reason.NO_EVENT: "the call names no event",
    Reason.NO_LINK: "the call ties no two IDs of a user together, or its app does not learn "
    "who is who",
    Reason.CONDITION: "a condition of the mapping does not hold",
}


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the value at `path` must be: one of `in`, none of `not_in`, or there at all.

    Values are compared as words: case, blanks, underscores and hyphens do not count, and
    true is "true". Without its value a condition with `in` does not hold, one with
    `not_in` does. `reason` is what is said where it does not hold.
    """

    path: str
    is_in: tuple[Scalar, ...] | None = msgspec.field(default=None, name="in")
    not_in: tuple[Scalar, ...] | None = None
    exists: bool | None = None
    reason: Reason = Reason.CONDITION


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one value is read. See the module."""

    path: str | None = None
    first: "tuple[str | Rule, ...] | None" = None
    const: Scalar | None = None
    template: str | None = None
    hash: "tuple[str | Rule, ...] | None" = None
    json: str | None = None
    query_of: str | None = None
    pick: tuple[str, ...] | dict[str, str] | None = None
    without: tuple[str, ...] = ()
    map: dict[str, Scalar] | None = None
    otherwise: Scalar | None = msgspec.field(default=None, name="else")
    keep: bool = False
    time: TimeForm | None = None
    when: tuple[Condition, ...] = ()


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of the events that a platform calls by one name.

    One of: an event of a built-in `type`; one of the type `identify`, of the user's
    identities alone; a custom event of a `name` of ours; a custom
    event whose name the call says (`name_of`), if the source has chosen that name;
    nothing (`ignore`). `is_taken` is whether a source takes them unless told otherwise.
    """

    type: EventType | None = None
    name: str | None = None
    name_of: str | Rule | None = None
    ignore: Reason | None = None
    is_taken: bool = msgspec.field(default=True, name="taken")


class ReferrerKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the referrer's ID is looked for: each of `keys` in each of `places`.

    A key is a path within the place. The first value that is there counts, by keys first.
    A source may have keys of its own, in place of these.
    """

    keys: tuple[str, ...]
    places: tuple[str | Rule, ...] = (".",)


@prepare_type
class Mapping(msgspec.Struct, frozen=True, eq=False, forbid_unknown_fields=True):
    """What becomes of a call.

    `each` is the list of which every element is an item; without it, or where it is not
    there, the body is the only one, and a body that is a list has its elements as items.
    `kind` says how the platform calls what happened, `kinds` what that is to us: a name
    that is not in there is a custom event, if the source has chosen it. `organic` is when
    a call without a referrer is said to be organic. `event` has a rule for each field of
    the event (`validate.TARGETS`). `native` is the object that is an event of ours
    already: then `event` only fills in what it leaves out.

    Two mappings are never equal, so that each has one program (`program.compile_mapping`).
    """

    each: str | None = None
    when: tuple[Condition, ...] = ()
    kind: str | Rule | None = None
    kinds: dict[str, Kind] = {}
    organic: tuple[Condition, ...] = ()
    referrer: ReferrerKeys | None = None
    id_prefix: str = ""
    event: dict[str, str | Rule] = {}
    native: str | Rule | None = None


def list_rules(mapping: Mapping) -> list[str | Rule | None]:
    """Return all rules of a mapping but those within others; None where one is not there."""
    return [
        mapping.kind,
        mapping.native,
        *mapping.event.values(),
        *(kind.name_of for kind in mapping.kinds.values()),
        *(mapping.referrer.places if mapping.referrer else ()),
    ]


def list_inner_rules(rule: Rule) -> tuple[str | Rule, ...]:
    """Return the rules that stand in a rule: its alternatives, and what it hashes."""
    return (*(rule.first or ()), *(rule.hash or ()))


class Choices(msgspec.Struct, frozen=True):
    """What a source has chosen for itself, beside its mapping.

    `identity` is which of our providers the platform's user IDs belong to. `chosen` are
    kinds and custom names that it takes beyond those that are taken anyway, `left_out`
    kinds that it does not take. `referrer_keys` replace the mapping's. `learns_people`,
    whether anybody wants to know who is who, is its app's choice.
    """

    identity: str = "custom_id"
    referrer_keys: tuple[str, ...] = ()
    chosen: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    takes_marketing_links: bool = False
    is_test: bool = False
    learns_people: bool = False
