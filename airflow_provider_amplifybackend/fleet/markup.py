"""HTML and SVG in which nothing that was read can be anything but text."""

from __future__ import annotations

from html import escape


class Markup(str):
    """A text that is markup already; any other text is escaped."""

    __slots__ = ()


def tag(name: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """Return an element; a trailing underscore and underscores within a name are for Python's sake."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{shown}>{join(children)}</{name}>")


def join(children: object) -> Markup:
    """Return the children of an element one after the other, those that are no markup escaped."""
    parts = children if isinstance(children, list | tuple) else [children]
    return Markup("".join(part if isinstance(part, Markup) else escape(str(part)) for part in parts))
