"""Signature Version 4 of a GET without query and body, where nothing is put together twice.

botocore's signer takes 80 microseconds for what changes once a second at most; this one takes 4. It is only used where
it has made, byte for byte, the signature that botocore made for the same request: see `hooks/_lean_reader.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

ALGORITHM = "AWS4-HMAC-SHA256"
_EMPTY = hashlib.sha256(b"").hexdigest()


class Signer:
    """
    Signs requests to one host with the same credentials.

    :param credentials: Key, secret and, of temporary ones, token.
    :param region: The region that the signature names.
    :param service: The service that it names.
    :param host: The ``Host`` header.
    """

    def __init__(self, credentials: ReadOnlyCredentials, *, region: str, service: str, host: str) -> None:
        self.credentials = credentials
        self._region, self._service, self._host = region, service, host
        self._second, self._day = -1, ""
        self._key = b""
        self._canonical = self._to_sign = self._authorization = ""
        self._headers: dict[str, str] = {}

    def headers(self, path: str, now: float) -> dict[str, str]:
        """Return the headers that sign a GET.

        :param path: The path, with its parts escaped.
        :param now: Seconds since the epoch.
        """
        if int(now) != self._second:
            self._prepare(int(now))
        # Escaped once more, as for every service but S3.
        canonical = f"GET\n{quote(path, safe='/-_.~')}{self._canonical}"
        to_sign = self._to_sign + hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(self._key, to_sign.encode(), "sha256").hex()
        return {**self._headers, "Authorization": self._authorization + signature}

    def _prepare(self, second: int) -> None:
        """Put together what stays the same for a second, and the key, which does for a day."""
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        scope = f"{date[:8]}/{self._region}/{self._service}/aws4_request"
        if date[:8] != self._day:
            self._key = f"AWS4{self.credentials.secret_key}".encode()
            for part in scope.split("/"):
                self._key = hmac.digest(self._key, part.encode(), "sha256")
            self._day = date[:8]
        token = self.credentials.token
        signed = {"host": self._host, "x-amz-date": date} | ({"x-amz-security-token": token} if token else {})
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        self._canonical = f"\n\n{lines}\n{names}\n{_EMPTY}"
        self._to_sign = f"{ALGORITHM}\n{date}\n{scope}\n"
        self._authorization = (
            f"{ALGORITHM} Credential={self.credentials.access_key}/{scope}, SignedHeaders={names}, Signature="
        )
        self._headers = {"X-Amz-Date": date} | ({"X-Amz-Security-Token": token} if token else {})
        self._second = second
