"""Identifiers that look like AWS's and follow from what they belong to, so that runs can be compared."""

from __future__ import annotations

import hashlib
import string
import uuid

_LOWER = string.ascii_lowercase + string.digits
_MIXED = string.ascii_letters + string.digits
_DIGITS = string.digits


class Ids:
    """A family of identifiers: the same seed gives the same ones."""

    def __init__(self, *seed: str) -> None:
        self.seed = "\x1f".join(seed)

    def child(self, *more: str) -> Ids:
        return Ids(self.seed, *more)

    def lower(self, what: str, length: int) -> str:
        return self._text(what, length, _LOWER)

    def mixed(self, what: str, length: int) -> str:
        return self._text(what, length, _MIXED)

    def digits(self, what: str, length: int) -> str:
        return self._text(what, length, _DIGITS)

    def uuid(self, what: str) -> str:
        """Return a UUID as uuid5 makes it, which takes no lone surrogates (nor bytes, on Python 3.11)."""
        digest = hashlib.sha1(uuid.NAMESPACE_OID.bytes + self._bytes(what), usedforsecurity=False).digest()
        return str(uuid.UUID(bytes=digest[:16], version=5))

    def _bytes(self, what: str) -> bytes:
        return f"{self.seed}\x1f{what}".encode(errors="surrogatepass")

    def _text(self, what: str, length: int, alphabet: str) -> str:
        number = int.from_bytes(hashlib.sha512(self._bytes(what)).digest(), "big")
        letters = []
        for _ in range(length):
            number, rest = divmod(number, len(alphabet))
            letters.append(alphabet[rest])
        return "".join(letters)
