"""The credential of a SigV4 signature: who asks, for which service and region. Nobody verifies the signature."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from urllib.parse import parse_qs

_ACCOUNT = re.compile(r"[0-9]{12}")
_CREDENTIAL = re.compile(rb"Credential=([^/,\s]+)/[^/,\s]+/([^/,\s]+)/([^/,\s]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Credential:
    """The access key that signed a request, and the scope that it was signed for."""

    access_key_id: str
    region: str
    service: str


@functools.lru_cache(maxsize=4096)
def _parse(credential: bytes) -> Credential | None:
    found = _CREDENTIAL.search(credential)
    return Credential(*(part.decode("latin-1") for part in found.groups())) if found else None


def credential_of(headers: list[tuple[bytes, bytes]], query: bytes) -> Credential | None:
    """Return the credential of a request; None for one without a signature."""
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
    """Return the account that an access key id of 12 digits stands for, as in moto and LocalStack."""
    return access_key_id if _ACCOUNT.fullmatch(access_key_id) else None
