"""The variables that keep an environment's proxy from requests to a local service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost")
_EVERYTHING = "*"


def no_proxy_variables(environment: Mapping[str, str], endpoint_url: str | None = None) -> dict[str, str]:
    """Return NO_PROXY and no_proxy as this environment has them, with the loopback's hosts and the endpoint's."""
    hosts = [*LOOPBACK, *(_spellings(endpoint_url) if endpoint_url else ())]
    upper, lower = environment.get("NO_PROXY"), environment.get("no_proxy")
    # Where there is only one of them, it counts for programs that know only the other, too.
    return {
        "NO_PROXY": _extended(lower or "" if upper is None else upper, hosts),
        "no_proxy": _extended(upper or "" if lower is None else lower, hosts),
    }


def _spellings(endpoint_url: str) -> tuple[str, ...]:
    host = urlsplit(endpoint_url).hostname or ""
    # Python compares an IPv6 address with its brackets, curl and Go without.
    return (host, f"[{host}]") if ":" in host else (host,)


def _extended(given: str, hosts: Iterable[str]) -> str:
    if given.strip() == _EVERYTHING:  # which it means only if it stands alone
        return given
    names = [name for name in (part.strip() for part in given.split(",")) if name]
    return ",".join(dict.fromkeys([*names, *hosts]))
