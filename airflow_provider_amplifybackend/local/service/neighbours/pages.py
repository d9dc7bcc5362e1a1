"""Lists in pages, with tokens that say after which row the next page begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import TypeVar

Row = TypeVar("Row")


class UnknownTokenError(Exception):
    """A token that this service has not issued."""


def page_of(
    rows: Iterable[tuple[str, Row]], token: str | None, size: int, *, newest_first: bool = False
) -> tuple[list[Row], str | None]:
    """Return a page of the rows, which are ordered by their keys, and the token of the next one.

    A row that is made or removed between two pages neither repeats nor hides another one.

    :raises UnknownTokenError: The token is not one.
    """
    after = None if token is None else _decoded(token)
    ordered = sorted(rows, key=lambda row: row[0], reverse=newest_first)
    rest = [row for row in ordered if after is None or (row[0] < after if newest_first else row[0] > after)]
    page = rest[:size]
    more = len(rest) > size
    return [row for _, row in page], _encoded(page[-1][0]) if more else None


def _encoded(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode(errors="surrogatepass")).decode()


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode(errors="surrogatepass")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise UnknownTokenError from None
