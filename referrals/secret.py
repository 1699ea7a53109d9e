"""A text that never shows itself. Pure."""

from typing import NoReturn, Self

_SHOWN = 2
_LONG_ENOUGH_TO_SHOW_ITS_END = 6


class Secret:
    """A passcode. Only `reveal()` gives the text; everything else shows a mask.

    It is no `str`, so that neither concatenation nor a JSON encoder can leak it, and
    it refuses to be pickled.
    """

    __slots__ = ("_text",)
    MASK = "••••"

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def hint(self) -> str:
        """Return a mask that ends in the last two characters, to recognise it by."""
        long_enough = len(self._text) > _LONG_ENOUGH_TO_SHOW_ITS_END
        return self.MASK + (self._text[-_SHOWN:] if long_enough else "")

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        # Not by `reveal`: a passcode that cannot be decrypted can still be compared.
        return type(other) is type(self) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Secret('{self.MASK}')"

    def __str__(self) -> str:
        return self.MASK if self else ""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        msg = "A Secret is not pickled: pass the row's id instead."
        raise TypeError(msg)
