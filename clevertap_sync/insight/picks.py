"""Picks: the numbers of records within their log, two to a position (ADR 3). Pure."""

from referrals.vocabulary import Side

SIDES = tuple(Side)
_GENERATED = Side.GENERATED


def make_pick(position: int, side: Side) -> int:
    """Return the number of a record within its log: stable, whatever is mapped how."""
    return position * 2 + (side is _GENERATED)


def read_position(pick: int) -> int:
    """Return the position that a pick belongs to."""
    return pick // 2


def read_side(pick: int) -> Side:
    """Return the side that a pick stands for."""
    return SIDES[pick % 2]
