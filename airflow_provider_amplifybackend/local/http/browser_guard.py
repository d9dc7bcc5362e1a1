"""Protection against browsers: programs on this machine may ask, web pages that are open on it may not.

A page can send requests to a port of the loopback address, and with DNS rebinding it can even read the answers:
its own host name then leads here. Its requests give themselves away by their `Host`, which names that host, and by
`Origin` and `Sec-Fetch-Site`, which a browser sets and a page cannot change. A GET for an image has no `Origin`, and
outside of the loopback no `Sec-Fetch-Site` either; so no GET changes anything.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs

from airflow_provider_amplifybackend.local.http.asgi import Scope
from airflow_provider_amplifybackend.local.service.checks import host_without_userinfo, without_userinfo

# Of longer labels the system finds no address, and Python says so in words of its own.
_LABELS = r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*"
_HOST = re.compile(rf"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>{_LABELS})\.?)(?::[0-9]{{1,5}})?")
_ALLOWED = re.compile(rf"(?:\*\.)?{_LABELS}")
_LONGEST_SHOWN = 100
_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared with, not listened on
# `none`: a person typed the address.
_OWN_SITES = frozenset({b"same-origin", b"none"})
_READING_METHODS = frozenset({"GET", "HEAD"})
_READING_ACTIONS = ("Describe", "Get", "List")


@dataclass(frozen=True)
class Refusal:
    """An answer that stands before both interfaces and moto."""

    status: int
    code: str
    message: str


class BrowserGuard:
    """The hosts that requests may name, and what else gives a web page away.

    :param hosts: names and addresses beside the loopback's; `*.NAME` stands for all names below NAME.
    """

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = frozenset(allowed_host(host) for host in hosts)
        self._is_ours = functools.lru_cache(maxsize=1024)(self._knows)

    def refusal(self, scope: Scope) -> Refusal | None:
        """Return the answer to a request that must not pass, or None."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value for name, value in headers if name == b"host"]
        # Absolute-form (`GET http://host/path`) names a host beside the header's; only proxies are asked like that.
        if not target_of(scope).startswith(b"/"):
            return _bad("The request target must be a path")
        if len(hosts) != 1:
            return _bad(f"A request needs one Host header, and this one has {len(hosts)}")
        if not self._is_ours(hosts[0]):
            return _unknown_host(hosts[0])
        return self._unwanted(headers, hosts[0]) or _changing_by_get(scope)

    def _unwanted(self, headers: list[tuple[bytes, bytes]], host: bytes) -> Refusal | None:
        for name, value in headers:
            if name == b"origin" and not _same_origin(value, host):
                return _denied(f"The request comes from a web page of another origin, {_shown(value)}")
            if name == b"referer" and not _same_origin(_origin_of(value), host):
                return _denied(f"The request comes from a web page of another origin, {_shown(_origin_of(value))}")
            if name == b"sec-fetch-site" and value.strip().lower() not in _OWN_SITES:
                return _denied(f"The request comes from a web page: Sec-Fetch-Site is {_shown(value)}")
            if name == b"upgrade":
                return _bad(f"The connection cannot be upgraded to {_shown(value)}: this is plain HTTP/1.1")
        return None

    def _knows(self, header: bytes) -> bool:
        found = _HOST.fullmatch(header.decode("latin-1").strip(" \t").lower())
        if found is None:
            return False
        name = _canonical(found["address"] or found["name"])
        if _is_loopback(name) or name in self._hosts:
            return True
        # Each `*.` pattern is kept with its star.
        parents = name.split(".")[1:]
        return any(f"*.{'.'.join(parents[start:])}" in self._hosts for start in range(len(parents)))


def allowed_host(text: str) -> str:
    """Return a host as `--allow-host` takes it, in the form that it is compared in."""
    host = text.strip().lower().removesuffix(".").removeprefix("[").removesuffix("]")
    if not _ALLOWED.fullmatch(host) and not _is_address(host):
        shown = host_without_userinfo(text)
        raise ValueError(f"{shown!r} is not a host: give a name or an address without scheme and port")
    return _canonical(host)


def is_wildcard(host: str) -> bool:
    """Return true for a host that stands for every interface."""
    return host in _WILDCARDS


def target_of(scope: Scope) -> bytes:
    """Return the request target as it was sent; `raw_path` is what the HTTP parser made of it."""
    target: bytes = scope.get("amplifybackend.target") or scope["raw_path"]
    return target


def _canonical(host: str) -> str:
    return str(ipaddress.ip_address(host)) if _is_address(host) else host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    if not _is_address(name):
        return name == "localhost" or name.endswith(".localhost")
    address = ipaddress.ip_address(name)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _same_origin(origin: bytes, host: bytes) -> bool:
    scheme, separator, authority = origin.strip().lower().partition(b"://")
    return bool(separator) and scheme in (b"http", b"https") and authority == host.strip().lower()


def _origin_of(address: bytes) -> bytes:
    """Return what of a page's address is its origin."""
    return b"/".join(address.strip().split(b"/")[:3])


def _changing_by_get(scope: Scope) -> Refusal | None:
    """Refuse an action in the query of a GET that does more than read: AWS' query protocol would take it."""
    if scope["method"] not in _READING_METHODS:
        return None
    actions = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=None).get("Action", [])
    changing = next((action for action in actions if not action.startswith(_READING_ACTIONS)), None)
    if changing is None:
        return None
    return _bad(f"{changing[:_LONGEST_SHOWN]!r} is no action for a GET request: use POST")


def _unknown_host(header: bytes) -> Refusal:
    return _denied(
        f"The host {host_without_userinfo(_text(header))!r} is not one of this service's. If it is yours, start the "
        "service with --allow-host NAME (LocalAmplifyBackend(allow_hosts=[NAME]))"
    )


def _denied(message: str) -> Refusal:
    return Refusal(403, "AccessDeniedException", message)


def _bad(message: str) -> Refusal:
    return Refusal(400, "BadRequestException", message)


def _shown(value: bytes) -> str:
    return repr(without_userinfo(_text(value)))


def _text(value: bytes) -> str:
    return value[:_LONGEST_SHOWN].decode("latin-1")
