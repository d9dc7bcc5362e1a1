"""Reads of a job without botocore on their way: a status check that finds nothing new costs a third.

What an answer needs beyond that (retries, errors, fallbacks) stays with aiobotocore: whatever is not a plain success or
a plain "too many requests" is asked again with the client.

How to ask is learned from a request of the client itself, just before it leaves: address, headers, region and the name
of the service in the signature, whatever they came from (endpoint rules, FIPS, dual-stack, a connection's endpoint).
Nothing is read in this way until our own signature of that request was the same as botocore's.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

import aiohttp
from botocore import parsers
from botocore.exceptions import ClientError
from botocore.httpsession import create_urllib3_context, get_cert_path
from botocore.utils import get_environ_proxies
from yarl import URL

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.hooks._botocore_errors import service_error
from airflow_provider_amplifybackend.hooks._client_log import log_read
from airflow_provider_amplifybackend.hooks._signature import ALGORITHM, Signer

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

    from airflow_provider_amplifybackend.core.requests import Call

OPERATION = "GetBackendJob"
# A job's row has a few hundred characters, and an error text in it may have some thousands.
LARGEST_ANSWER = 1 << 20
KEEP_ALIVE = 30.0
_SIGNED = {"host", "x-amz-date", "x-amz-security-token"}
# Made anew for each request, or by aiohttp.
_NOT_KEPT = _SIGNED | {"authorization", "amz-sdk-invocation-id", "amz-sdk-request", "accept-encoding", "connection"}
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=(?P<key>[^/]+)/\d{{8}}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<signed>[^,]+), Signature=[0-9a-f]{64}"
)
_EVENTS = (
    "provide-client-params",
    "before-parameter-build",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "needs-retry",
    "before-parse",
    "after-call",
    "after-call-error",
)
_KNOWN_MODULES = ("botocore.", "aiobotocore.", f"{__package__.partition('.')[0]}.")


class Credentials(Protocol):
    """Credentials whose refresh does not block the loop."""

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the current ones."""


@dataclass(frozen=True)
class Row:
    """A job's row as it came, and the date of the answer."""

    members: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def status(self) -> str:
        """The job's status."""
        status: str = self.members["status"]
        return status


@dataclass(frozen=True)
class _Sample:
    """A request of the client, as it left."""

    address: str
    path: str
    headers: dict[str, str]
    region: str
    service: str
    key: str


class LeanReader:
    """
    Reads jobs for one client of aiobotocore.

    :param client: The client, whose requests show how to ask.
    :param credentials: Its credentials.
    :param verify: Whether to verify TLS certificates, or the path of a CA bundle.
    """

    def __init__(self, client: Any, credentials: Credentials, verify: bool | str) -> None:
        self._model = client.meta.service_model.operation_model(OPERATION)
        self._config = client.meta.config
        self._credentials = credentials
        self._verify = verify
        self._sample: _Sample | None = None
        self._signer: Signer | None = None
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()
        self._kept: dict[str, str] = {}
        self._is_refused = _asks_for_more(client)
        self._is_closed = False
        client.meta.events.register_last(f"before-send.amplifybackend.{OPERATION}", self._learn)

    async def close(self) -> None:
        """Close its connections."""
        self._is_closed = True
        if self._session is not None:
            await self._session.close()

    @property
    def is_ready(self) -> bool:
        """Tell whether it can be asked."""
        return self._sample is not None and not self._is_refused

    def _learn(self, request: Any, **_: Any) -> None:
        """Note how the client asks. The request leaves as it is: returning nothing lets botocore send it."""
        if self._is_refused or self._session is not None:
            return
        self._sample = _read_sample(request)
        self._is_refused = self._sample is None or _has_proxy(request.url)

    async def get(self, call: Call) -> Row | None:
        """Ask for a job's row.

        :return: The row; None if that says nothing, and the client has to ask.
        :raises ServiceError: The service answers that there are too many requests, or names a quota.
        """
        path = job_path(call.request)
        if path is None or not self.is_ready or not await self._has_signer():
            return None
        assert self._session is not None
        assert self._signer is not None
        headers = self._kept | self._signer.headers(self._prefix + path, time.time())
        begun = time.monotonic()
        try:
            async with self._session.get(
                URL(f"{self._address}{path}", encoded=True), headers=headers, allow_redirects=False
            ) as response:
                if response.status not in (200, 429):
                    return None
                body = await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None
        log_read(OPERATION, call.request, response.status, response.headers, time.monotonic() - begun)
        if response.status == 429:
            raise self._too_many(response, body or b"")
        return _row(body, response.headers)

    async def _has_signer(self) -> bool:
        """Tell whether there are credentials at hand with which our signature is botocore's."""
        try:
            credentials = await self._credentials.get_frozen_credentials()
        except Exception:  # noqa: BLE001  # the client meets the same one, and knows what it means
            return False
        if self._signer is not None and self._signer.credentials == credentials:
            return True
        sample = self._sample
        if sample is None:
            return False
        host = urlsplit(sample.address).netloc.rpartition("@")[2]
        signer = Signer(credentials, region=sample.region, service=sample.service, host=host)
        async with self._opening:
            try:
                if self._session is None and not await self._open(signer, sample):
                    return False
            except (OSError, ValueError):
                return False  # a file of certificates that was replaced: the client says what is wrong with it
        self._signer = signer
        return True

    async def _open(self, signer: Signer, sample: _Sample) -> bool:
        """Open a session, if our signature of the client's request is the one that it had."""
        if signer.credentials.access_key != sample.key:
            self._sample = None  # they have changed since; the next request of the client shows how they sign
            return False
        prefix = urlsplit(sample.address).path
        signed = signer.headers(prefix + sample.path, _seconds(sample.headers["x-amz-date"]))
        if signed["Authorization"] != sample.headers["authorization"]:
            self._is_refused = True
            return False
        self._address, self._prefix = sample.address, prefix
        self._kept = {name: value for name, value in sample.headers.items() if name not in _NOT_KEPT}
        self._kept["Accept-Encoding"] = "identity"
        tls = await asyncio.to_thread(_tls_context, self._verify) if sample.address.startswith("https") else True
        connect, read = self._config.connect_timeout, self._config.read_timeout
        total = None if connect is None or read is None else connect + read
        if self._is_closed:
            return False
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._config.max_pool_connections, ssl=tls, keepalive_timeout=KEEP_ALIVE
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # One limit, as each is a timer: an answer that takes longer in any part of it takes longer in all.
            timeout=aiohttp.ClientTimeout(total=total, sock_connect=connect),
        )
        return True

    def _too_many(self, response: aiohttp.ClientResponse, body: bytes) -> Exception:
        """Return the error as the client would have raised it."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        answer = {"status_code": response.status, "headers": headers, "body": body}
        try:
            parsed = parsers.create_parser("rest-json").parse(answer, self._model.output_shape)
        except parsers.ResponseParserError:
            parsed = {"Error": {}, "ResponseMetadata": {"HTTPStatusCode": response.status, "HTTPHeaders": headers}}
        return service_error(OPERATION, ClientError(parsed, OPERATION), texts=None)


def job_path(request: Mapping[str, Any]) -> str | None:
    """Return the path of a job; None where something in it is no name: the client says so."""
    parts = [request.get(member, "") for member in ("AppId", "BackendEnvironmentName", "JobId")]
    return _path(*parts) if all(isinstance(part, str) for part in parts) else None


@lru_cache(maxsize=2048)  # the same few jobs again and again
def _path(*parts: str) -> str | None:
    if not all(map(names.can_name, parts)):
        return None
    app_id, environment, job_id = (quote(part, safe="-._~") for part in parts)
    return f"/backend/{app_id}/job/{environment}/{job_id}"


def _asks_for_more(client: Any) -> bool:
    """Tell whether a connection asks for what only botocore does."""
    config = client.meta.config
    if config.proxies or config.proxies_config or config.client_cert:
        return True
    return config.signature_version not in (None, "v4") or _has_foreign_handlers(client.meta.events)


def _has_proxy(address: str) -> bool:
    """Tell whether the environment names a proxy for an address. NO_PROXY alone stands there, too, and is none."""
    return bool(get_environ_proxies(address).keys() & {"http", "https", "all"})


def _has_foreign_handlers(events: Any) -> bool:
    """Tell whether somebody else has a hand in the client's requests.

    botocore tells nobody which handlers there are. Should it keep them elsewhere one day, there may be any.
    """
    try:
        handlers = getattr(events, "_emitter", events)._handlers
        found = [each for event in _EVENTS for each in handlers.prefix_search(f"{event}.amplifybackend.{OPERATION}")]
    except AttributeError:
        return True
    return not all((getattr(each, "__module__", None) or "").startswith(_KNOWN_MODULES) for each in found)


def _read_sample(request: Any) -> _Sample | None:
    """Return what a request shows of how to ask; None if it is not as simple as ours."""
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    authorization = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if authorization is None or not set(authorization["signed"].split(";")) <= _SIGNED:
        return None
    parts = request.url.rsplit("/", 5)
    is_ours = len(parts) == 6 and (parts[1], parts[3]) == ("backend", "job") and "?" not in request.url
    if request.method != "GET" or request.body or not is_ours:
        return None
    address = parts[0]
    return _Sample(
        address=address,
        path=request.url.removeprefix(address),
        headers=headers,
        region=authorization["region"],
        service=authorization["service"],
        key=authorization["key"],
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _seconds(date: str) -> float:
    return timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))


def _tls_context(verify: bool | str) -> ssl.SSLContext:
    """Return TLS settings as aiobotocore makes them; they are read from files."""
    context: ssl.SSLContext = create_urllib3_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.check_hostname = True
    bundle = get_cert_path(verify)  # type: ignore[arg-type]  # its annotation forgets the path
    if bundle:
        context.load_verify_locations(bundle)
    return context


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body; None if it is larger than any that says something."""
    if response.content_length is not None and "Content-Encoding" not in response.headers:
        return await response.read() if response.content_length <= LARGEST_ANSWER else None
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            return None
    return bytes(body)


def _row(body: bytes | None, headers: Mapping[str, str]) -> Row | None:
    try:
        members = json.loads(body or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict) or not isinstance(members.get("status"), str) or not members["status"]:
        return None
    return Row(members, headers)
