"""Who asks, for which service and region: the scope of the SigV4 signature, which nobody verifies."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from urllib.parse import parse_qs

_ACCOUNT = re.compile(r"[0-9]{12}")
_CREDENTIAL = re.compile(rb"Credential=([^/,\s]+)/[^/,\s]+/([^/,\s]+)/([^/,\s]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose credentials signed a request, and for what."""

    access_key_id: str
    region: str
    service: str


@functools.lru_cache(maxsize=4096)
def _parse(credential: bytes) -> Scope | None:
    found = _CREDENTIAL.search(credential)
    return Scope(*(part.decode("latin-1") for part in found.groups())) if found else None


def scope_of(headers: list[tuple[bytes, bytes]], query: bytes) -> Scope | None:
    """None for a request without a signature."""
    for name, value in headers:
        if name == b"authorization":
            # The signature differs in each request, the credential does not: cache by the latter.
            return _parse(value.partition(b", SignedHeaders")[0])
    if b"X-Amz-Credential" in query:
        # The name may be only a part of another one, or have no value.
        # Texts, because parse_qs cannot take bytes that are encoded and not ASCII.
        credentials = parse_qs(query.decode("latin-1")).get("X-Amz-Credential", [])
        return _parse(f"Credential={credentials[0]}".encode()) if credentials else None
    return None


def account_of(access_key_id: str) -> str | None:
    """An access key id of 12 digits is an account, as moto and LocalStack have it."""
    return access_key_id if _ACCOUNT.fullmatch(access_key_id) else None
