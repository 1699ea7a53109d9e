"""HTML that cannot forget to escape: text becomes markup only through `tag`. Pure."""

from html import escape


class Html(str):
    """Markup that was built here and is safe as it stands."""

    __slots__ = ()


#: The elements that have no content and no end.
_VOID = frozenset({"rect"})


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Return an element. Children that are not `Html` are escaped.

    A trailing underscore in an attribute's name is dropped, so that `class_` works.
    """
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{pairs}/>")
    return Html(f"<{name}{pairs}>{join(*children)}</{name}>")


def join(*children: object) -> Html:
    """Return the children one after another, escaped where they are text."""
    return Html(
        "".join(
            child if isinstance(child, Html) else escape(str(child))
            for child in children
        )
    )
