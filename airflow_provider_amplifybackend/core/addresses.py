"""Addresses that carry a user and a password: found, told apart from others, and shown without them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

PROXIES = "proxies"  # the option of botocore's Config
# Up to the last @ before the path; and, because people write passwords as they are, up to any @ if what follows the
# first colon is no port.
_USERINFO = re.compile(
    r"""(?P<scheme>(?<![\w+.-])[a-z][a-z0-9+.-]*:)?//(?P<userinfo>"""
    r"""[^\s'"<>/?\#\\@:]*:(?!\d*[/?\#\s'"])[^\s'"<>]*|[^\s'"<>/?\#\\]*)@""",
    re.IGNORECASE,
)
# An address of a proxy may lack its scheme.
_BARE_USERINFO = re.compile(r"(?P<userinfo>[^\s/@]+)@[^\s/@]+(?:/.*)?", re.DOTALL)


def without_userinfo(text: str) -> str:
    """Return a text whose addresses have neither user nor password."""
    if "@" not in text:
        return text
    return _USERINFO.sub(lambda match: f"{match['scheme'] or ''}//", text)


def has_userinfo(address: str) -> bool:
    """Tell whether a text is, or holds, an address with a user or a password."""
    return _USERINFO.search(address) is not None


def has_password(address: str) -> bool:
    """Tell whether a text is, or holds, an address with a password; a user alone can be the id of a connection."""
    return any(":" in match["userinfo"] for match in _USERINFO.finditer(address))


def names_user(proxy: str) -> bool:
    """Tell whether the address of a proxy, which may lack its scheme, has a user or a password."""
    return has_userinfo(proxy) or _BARE_USERINFO.fullmatch(proxy.strip()) is not None


def passwords(value: Any, *, are_proxies: bool = False, levels: int = 10) -> Iterator[str]:
    """Yield what is secret in the addresses of a value, for the log's masker: as written, and as it is sent.

    :param are_proxies: Whether the value holds addresses of proxies, which may lack their scheme.
    """
    if isinstance(value, str):
        yield from _passwords_of_text(value, are_proxies=are_proxies, levels=levels)
    elif levels and isinstance(value, Mapping):
        for key, member in value.items():
            yield from passwords(member, are_proxies=are_proxies or key == PROXIES, levels=levels - 1)
    elif levels and isinstance(value, list | tuple):
        for item in value:
            yield from passwords(item, are_proxies=are_proxies, levels=levels - 1)


def _passwords_of_text(text: str, *, are_proxies: bool, levels: int) -> Iterator[str]:
    if levels and text.lstrip().startswith(("{", "[")):
        with suppress(ValueError, RecursionError):  # it is searched as a text
            yield from passwords(json.loads(text), levels=levels - 1)
    bare = _BARE_USERINFO.fullmatch(text.strip()) if are_proxies else None
    for match in (*_USERINFO.finditer(text), *([bare] if bare else ())):
        user, colon, password = match["userinfo"].partition(":")
        secret = password if colon else user
        yield from dict.fromkeys(form for form in (secret, unquote(secret)) if form)
