"""Reads of the services beside AmplifyBackend: for the guard, and for plans, records and proofs of deletions."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Generator, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, ProxyConnectionError

from airflow_provider_amplifybackend.core.encodable import as_text
from airflow_provider_amplifybackend.core.requests import Call, FaultKind, ServiceError, says_missing
from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError
from airflow_provider_amplifybackend.hooks._botocore_errors import service_error, step_before
from airflow_provider_amplifybackend.hooks._client_log import hide_bodies
from airflow_provider_amplifybackend.parameters import service_model

T = TypeVar("T")

# A guard that hangs is in everybody's way.
CONFIG: dict[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 10,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
}
# Where the local service says what it is.
IDENTITY_PATH = "/_amplifybackend/health"
IDENTITY = "amplifybackend-local"
IDENTITY_TIMEOUT = 3
LONGEST_IDENTITY = 10_000
# The hosts of AWS, over its partitions.
AWS_DOMAINS = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "api.aws",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
)


def is_aws(endpoint: str) -> bool:
    """Tell whether an endpoint is one of AWS itself."""
    host = (urlsplit(endpoint).hostname or "").lower().rstrip(".")
    return any(host == domain or host.endswith(f".{domain}") for domain in AWS_DOMAINS)


class GuardedHook(Protocol):
    """The hook, as far as its guard needs it."""

    aws_conn_id: str | None
    region_name: str | None
    limits: Mapping[str, Any]

    @property
    def conn(self) -> Any: ...
    @property
    def client_session(self) -> Any: ...
    @property
    def conn_config(self) -> Any: ...
    @property
    def config(self) -> Config: ...
    @property
    def verify(self) -> bool | str | None: ...
    @property
    def log(self) -> Any: ...
    def in_region(self, region: str) -> Any: ...
    def attempt(self, api_operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]: ...
    def run(self, look: Generator[Call, Mapping[str, Any], T]) -> T: ...
    def get_connection(self, conn_id: str) -> Any: ...
    def renew_clients(self) -> None: ...


class Neighbours:
    """The clients of the neighbours, of the same identity and in the same region as the hook's own."""

    def __init__(self, hook: GuardedHook) -> None:
        self._hook = hook
        self._clients: dict[str, Any] = {}

    def ask(self, ask: Ask) -> Mapping[str, Any]:
        """Make a read and return its answer.

        :raises UnreadableError: There is no answer, or there is no such thing.
        """
        if ask.service == service_model.SERVICE:
            return self._ask_ours(ask)
        try:
            client = self._client(ask)
            answer: Mapping[str, Any] = getattr(client, xform_name(ask.operation))(**ask.request)
        except UnreadableError:
            raise
        except ClientError as error:
            details = error.response.get("Error", {})
            code, message = as_text(details.get("Code") or ""), as_text(details.get("Message") or "")
            is_missing = _says_missing(ask.operation, code, message)
            raise UnreadableError(
                ask,
                code or "no code",
                is_missing=is_missing,
                hiccup=None if is_missing else _hiccup(ask, error),
                step=step_before(ask.operation, error),
            ) from None
        except Exception as error:  # noqa: BLE001  # whatever it is, there is no answer
            raise UnreadableError(ask, type(error).__name__, hiccup=_hiccup(ask, error)) from None
        return answer

    def _ask_ours(self, ask: Ask) -> Mapping[str, Any]:
        try:
            return self._hook.attempt(ask.operation, ask.request)
        except ServiceError as error:
            hiccup = error if error.may_pass else None
            raise UnreadableError(
                ask, error.code, is_missing=says_missing(error), hiccup=hiccup, step=error.step
            ) from None

    def _client(self, ask: Ask) -> Any:
        if ask.service not in self._clients:
            self._clients[ask.service] = self._make_client(ask)
        return self._clients[ask.service]

    def _make_client(self, ask: Ask) -> Any:
        """Return a client that sends nothing to AWS itself where AmplifyBackend is somewhere else, or the other way.

        Whoever gives only AmplifyBackend an endpoint of its own works with the local service, and has no business
        with the account whose credentials happen to lie about. And what is played elsewhere says nothing of AWS.
        """
        client = self._client_of(ask.service, self._configured_endpoint(ask.service))
        ours, theirs = is_aws(self._own_endpoint), is_aws(client.meta.endpoint_url)
        if ours and not theirs:
            raise UnreadableError(ask, "not asked: AmplifyBackend is that of AWS, this service is somewhere else")
        if ours or not theirs:
            return client
        if not self._is_local:
            raise UnreadableError(ask, "not asked: AmplifyBackend has an endpoint of its own, this service has none")
        return self._client_of(ask.service, self._own_endpoint)

    def _client_of(self, service: str, endpoint: str | None) -> Any:
        hook = self._hook
        config = hook.config.merge(Config(**{**CONFIG, **hook.limits}))
        client = hook.client_session.client(service, endpoint_url=endpoint, config=config, verify=hook.verify)
        hide_bodies(client)
        return client

    def _configured_endpoint(self, service: str) -> str | None:
        endpoint: str | None = self._hook.conn_config.get_service_endpoint_url(service)
        return endpoint

    @cached_property
    def _own_endpoint(self) -> str:
        return str(self._hook.conn.meta.endpoint_url)

    @cached_property
    def _is_local(self) -> bool:
        return is_local_service(self._own_endpoint)


def _hiccup(ask: Ask, error: Exception) -> ServiceError | None:
    """Return the error of a neighbour that could answer a moment later.

    Not where the way does not lead there: many a network lets its workers reach AmplifyBackend and nothing beside it,
    today and tomorrow. Nor where the service is not there, as in an emulator of others.
    """
    if isinstance(error, ProxyConnectionError) or _status(error) == HTTPStatus.NOT_IMPLEMENTED:
        return None
    fault = service_error(ask.operation, error, None)
    return fault if fault.is_transient and fault.kind is not FaultKind.UNSENT and not fault.is_unexplained else None


def _status(error: Exception) -> Any:
    response = getattr(error, "response", None) or {}
    return response.get("ResponseMetadata", {}).get("HTTPStatusCode")


# The codes by which the services say that there is no such thing.
MISSING = frozenset({"NotFoundException", "ResourceNotFoundException", "NoSuchEntity", "NoSuchBucket"})


def _says_missing(operation: str, code: str, message: str) -> bool:
    """Tell whether there is no such thing; of a stack, CloudFormation says so in a message only."""
    if operation == "HeadBucket":  # whose answer has no body, and so no other code
        return code == "404"
    return code in MISSING or (code == "ValidationError" and "does not exist" in message)


def is_local_service(endpoint: str) -> bool:
    """Tell whether an endpoint says of itself that it is the local AmplifyBackend."""
    address = urlsplit(endpoint)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        # No credentials, no names: nothing that somebody else's server could make use of.
        with opener.open(f"{address.scheme}://{address.netloc}{IDENTITY_PATH}", timeout=IDENTITY_TIMEOUT) as answer:
            known = json.loads(answer.read(LONGEST_IDENTITY))
    except (OSError, ValueError):
        return False
    return isinstance(known, dict) and known.get("service") == IDENTITY
