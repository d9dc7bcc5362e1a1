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
# first colon is no port, also behind blanks and quotes, but for a template, which has both.
_USERINFO = re.compile(
    r"""(?P<scheme>(?<![\w+.-])[a-z][a-z0-9+.-]*:)?(?P<slashes>\\{0,8}/\\{0,8}/)(?P<userinfo>"""
    r"""[^\s'"<>/?\#\\@:]*:(?!\d*[/?\#\s'"])[^\s'"<>]{0,1000}|[^\s'"<>/?\#\\]*"""
    r"""|[^\s'"<>/?\#\\@:]*:(?!\d*[/?\#\s'"])[^\r\n@{]{1,100})@""",
    re.IGNORECASE,
)
# In a connection's URI, an address is percent-encoded.
_ENCODED = re.compile(r"""(?P<scheme>(?<![\w+.-])[a-z][a-z0-9+.-]*%3A%2F%2F)[^\s'"<>&;]{0,1000}%40""", re.IGNORECASE)
# An address of a proxy may lack its scheme.
_BARE_USERINFO = re.compile(r"(?P<userinfo>[^\s/@]+)@[^\s/@]+(?:/.*)?", re.DOTALL)


def without_userinfo(text: str) -> str:
    """Return a text whose addresses have neither user nor password."""
    if "%40" in text:
        text = _ENCODED.sub(lambda match: match["scheme"], text)
    if "@" not in text:
        return text
    return _USERINFO.sub(lambda match: f"{match['scheme'] or ''}{match['slashes']}", text)


def without_passwords(text: str, mark: str) -> str:
    """Return a text in which a mark stands in place of user and password of each address that has a password."""
    if "%40" in text:
        text = _ENCODED.sub(lambda match: f"{match['scheme']}{mark}%40", text)
    if "@" not in text:
        return text
    return _USERINFO.sub(
        lambda match: f"{match['scheme'] or ''}{match['slashes']}{mark}@" if ":" in match["userinfo"] else match[0],
        text,
    )


def has_userinfo(address: str) -> bool:
    """Tell whether a text is, or holds, an address with a user or a password."""
    return _USERINFO.search(address) is not None


def has_password(address: str) -> bool:
    """Tell whether a text is, or holds, an address with a password; a user alone can be the id of a connection."""
    return "@" in address and any(":" in match["userinfo"] for match in _USERINFO.finditer(address))


def names_user(proxy: str) -> bool:
    """Tell whether the address of a proxy, which may lack its scheme, has a user or a password."""
    return has_userinfo(proxy) or _BARE_USERINFO.fullmatch(proxy.strip()) is not None


def passwords_only(text: str) -> Iterator[str]:
    """Yield the passwords in a text's addresses, and no user: that of a place of files is the id of a connection."""
    for match in _USERINFO.finditer(text) if "@" in text else ():
        _, _, password = match["userinfo"].partition(":")
        yield from dict.fromkeys(form for form in (password, unquote(password)) if form)


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
    if "@" not in text:
        return
    bare = _BARE_USERINFO.fullmatch(text.strip()) if are_proxies else None
    for match in (*_USERINFO.finditer(text), *([bare] if bare else ())):
        user, colon, password = match["userinfo"].partition(":")
        secret = password if colon else user
        yield from dict.fromkeys(form for form in (secret, unquote(secret)) if form)
