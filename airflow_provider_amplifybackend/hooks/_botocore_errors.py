"""The ServiceError for an exception of botocore, for boto3 and aiobotocore alike."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.exceptions as boto
from botocore.parsers import ResponseParserError

from airflow_provider_amplifybackend._compat import AirflowNotFoundException
from airflow_provider_amplifybackend.core.addresses import without_userinfo
from airflow_provider_amplifybackend.core.encodable import (
    MAX_ERROR_TEXT,
    MAX_WORD,
    as_text,
    fit_to_log,
    shortened,
    usable_headers,
)
from airflow_provider_amplifybackend.core.requests import NOT_A_NAME, FaultKind, ServiceError
from airflow_provider_amplifybackend.core.service_text import NOT_SHOWN, ServiceTexts
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters import service_model

THROTTLING_CODES = frozenset(
    {
        "TooManyRequestsException",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
    }
)
# Not throttling: what is used up stays used up, however often the request is sent.
QUOTA_CODES = frozenset({"LimitExceededException", "ServiceQuotaExceededException"})
NOT_FOUND_CODES = frozenset({"NotFoundException", "ResourceNotFoundException"})
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
# A key that was rotated, a clock that jumped, an identity provider that cannot be reached, or simply a wrong secret.
CREDENTIAL_CODES = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "RequestTimeTooSkewed",
        "InvalidIdentityToken",
        "IDPCommunicationError",
    }
)
SETUP_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
    }
)


class ConnectionLookupError(Exception):
    """Airflow could not look up a connection, whether it exists or not."""


class LateStartError(Exception):
    """A start was not sent, because it came too late after what gave the right to send it."""


# The connection was never made, so the request cannot have arrived. SSLError and ProxyConnectionError are not here:
# a TLS record can break while the answer is read, and urllib3 1.26 calls any reset behind a proxy a ProxyError.
UNSENT = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    LateStartError,
)
CREDENTIALS = (
    AirflowNotFoundException,
    ConnectionLookupError,
    boto.NoCredentialsError,
    boto.CredentialRetrievalError,
    boto.MetadataRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
)
SETUP = (
    BackendParameterError,
    boto.PartialCredentialsError,
    boto.NoRegionError,
    boto.InvalidRegionError,
    boto.ProfileNotFound,
    boto.ConfigNotFound,
    boto.UnknownEndpointError,
    boto.EndpointProviderError,
    boto.ParamValidationError,
    boto.InvalidProxiesConfigError,
    boto.UnknownSignatureVersionError,
)
# What the way to AWS may do while a client is made and asks for its credentials.
NETWORK_ERRORS = (boto.ClientError, boto.HTTPClientError, boto.ConnectionError, OSError)
# Files that a client reads before it connects, and cannot.
UNREADABLE_FILES = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
# Errors whose texts are their own, and quote nothing that came over the wire.
OWN_WORDS = (
    BackendParameterError,
    AirflowNotFoundException,
    ConnectionLookupError,
    LateStartError,
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.NoRegionError,
    boto.InvalidRegionError,
    boto.ProfileNotFound,
    boto.ConfigNotFound,
    boto.UnknownEndpointError,
    boto.InvalidProxiesConfigError,
    boto.UnknownSignatureVersionError,
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ReadTimeoutError,
    boto.ConnectionClosedError,
    boto.ProxyConnectionError,
    boto.SSLError,
    OSError,
    TypeError,
)
_CODE = re.compile(r"[A-Za-z]{1,80}|\d{3}")
# OpenSSL's codes for a certificate whose time is not now: rather a clock that is wrong than a wrong certificate.
CERTIFICATE_TIME_CODES = frozenset({9, 10})


class UnreadableAnswerError(ServiceError):
    """An answer arrived without content."""


def check_answer(operation: str, response: Mapping[str, Any]) -> None:
    """Refuse an answer that was lost on its way: botocore takes an empty body for a success without members.

    :raises UnreadableAnswerError: An empty list, or a resource that does not exist, would look different.
    """
    if any(member != "ResponseMetadata" for member in response):
        return
    shape = service_model.service_model().operation_model(operation).output_shape
    members = shape.members if shape else {}
    length = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("content-length")
    if "AppId" in members or (length == "0" and set(members) - {"Error"}):
        raise UnreadableAnswerError(FaultKind.UNCLEAR, operation, "EmptyAnswer", "the answer is empty")


def stop_at_quota(client: Any) -> None:
    """Let a client send once what a quota refuses: botocore takes that for throttling and would repeat it."""
    client.meta.events.register("needs-retry.amplifybackend.*", _raise_quota_error)


def _raise_quota_error(response: tuple[Any, Mapping[str, Any]] | None, operation: Any, **_: Any) -> None:
    # A member of a job is called like that, too, and is a text.
    error = response[1].get("Error") if response is not None else None
    if response is not None and isinstance(error, Mapping) and error.get("Code") in QUOTA_CODES:
        raise boto.ClientError(response[1], operation.name)  # type: ignore[arg-type]


def service_error(operation: str, error: Exception, texts: ServiceTexts | None) -> ServiceError:
    """Return the ServiceError for an exception of a call, with a text that can be shown.

    :param texts: The secrets that the caller knows. None: it knows none, and so shows no text of a service.
    """
    if isinstance(error, ServiceError):
        return error
    return _fit_to_show(_service_error(operation, error), error, texts)


def _fit_to_show(meaning: ServiceError, error: Exception, texts: ServiceTexts | None) -> ServiceError:
    if meaning.code == NOT_A_NAME:
        return meaning  # our own words
    if texts is not None:
        return meaning.showing(texts.redacted(meaning.code), texts.redacted(meaning.message))
    if isinstance(error, OWN_WORDS):
        return meaning.showing(meaning.code, without_userinfo(meaning.message))
    code = meaning.code if _CODE.fullmatch(meaning.code) else "UnknownError"
    return meaning.showing(code, f"{NOT_SHOWN}. {_QUOTA_ADVICE}" if code in QUOTA_CODES else NOT_SHOWN)


def _service_error(operation: str, error: Exception) -> ServiceError:
    if isinstance(error, boto.ClientError):
        details = error.response.get("Error", {})
        code = as_text(details.get("Code") or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        code = shortened(code, MAX_WORD)
        message = shortened(as_text(details.get("Message") or "no message"), MAX_ERROR_TEXT)
        if code in QUOTA_CODES:
            message = f"{message.rstrip('.')}. {_QUOTA_ADVICE}"
        headers = usable_headers(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
        kind = _client_error_kind(error, code)
        return ServiceError(kind, operation, code, message, headers=headers, step=step_before(operation, error))
    if isinstance(error, BackendParameterError):
        return ServiceError(FaultKind.SETUP, operation, NOT_A_NAME, str(error))
    code, message = type(error).__name__, shortened(as_text(str(error)), MAX_ERROR_TEXT)
    text = f"{message.rstrip('.')}. {_ADVICE.get(code, '')}".strip()
    if isinstance(error, CREDENTIALS):
        return ServiceError(FaultKind.CREDENTIALS, operation, code, text)
    if isinstance(error, SETUP):
        return ServiceError(FaultKind.SETUP, operation, code, text)
    if unusable := _unusable_setting(error):
        return ServiceError(FaultKind.SETUP, operation, code, f"{text} ({type(unusable).__name__}: {unusable})")
    if isinstance(error, UNSENT):
        return ServiceError(FaultKind.UNSENT, operation, code, message)
    if isinstance(error, ResponseParserError):
        return UnreadableAnswerError(FaultKind.UNCLEAR, operation, code, message)
    return ServiceError(FaultKind.UNCLEAR, operation, code, message, is_unexplained=_is_unexplained(error))


def step_before(operation: str, error: boto.ClientError) -> str | None:
    """Return the action that was refused, if it is not the operation itself but what leads to its credentials."""
    name = error.operation_name
    if name == operation:
        return None
    return f"sts:{name}" if name.startswith("AssumeRole") else name


def cause(error: Exception, texts: ServiceTexts) -> Exception | None:
    """Return an exception as the cause of its ServiceError, which Airflow logs with it.

    None if it cannot be logged as it is, because it repeats a secret or the service's own text: the ServiceError has
    all of it that can be written.
    """
    return error if fit_to_log(error, texts.redacted) else None


def _is_unexplained(error: Exception) -> bool:
    """Tell whether an error comes from the program or its settings, and not from the way to the service."""
    cause = error.kwargs.get("error") if isinstance(error, boto.HTTPClientError) else error
    return isinstance(cause, (TypeError, ValueError, AttributeError, LookupError, AssertionError))


def client_error(operation: str, error: Exception, texts: ServiceTexts | None) -> ServiceError:
    """Return the error for a client that could not be made: a mistake in its settings, unless it may pass."""
    meaning = service_error(operation, error, texts)
    if texts is None and not isinstance(error, (boto.ClientError, boto.BotoCoreError, ResponseParserError)):
        # What Python itself says about a setting.
        meaning = service_error(operation, error, ServiceTexts())
    if meaning.kind is not FaultKind.UNCLEAR or isinstance(error, NETWORK_ERRORS):
        return meaning
    return ServiceError(FaultKind.SETUP, operation, meaning.code, meaning.message, step=meaning.step)


def _unusable_setting(error: BaseException) -> BaseException | None:
    """Return what in an error of the transport comes from a setting, so that nothing was sent and nothing will be."""
    for cause in _causes(error):
        if isinstance(cause, (boto.InvalidProxiesConfigError, *UNREADABLE_FILES)):
            return cause
        certificate = getattr(cause, "certificate_error", cause)  # aiohttp's error is of that type, but wraps it
        if isinstance(certificate, ssl.SSLCertVerificationError):
            return None if certificate.verify_code in CERTIFICATE_TIME_CODES else certificate
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Iterate over an error and what has led to it; botocore wraps what the HTTP library wraps."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _client_error_kind(error: boto.ClientError, code: str) -> FaultKind:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in QUOTA_CODES:
        return FaultKind.REFUSED
    if code in THROTTLING_CODES or status == 429:
        return FaultKind.THROTTLED
    if code in EXPIRED_CODES:
        return FaultKind.EXPIRED
    if code in CREDENTIAL_CODES:
        return FaultKind.CREDENTIALS
    if code in SETUP_CODES:
        return FaultKind.SETUP
    # Not just any 404: a wrong endpoint answers that to everything, and "gone" can be a success.
    if code in NOT_FOUND_CODES:
        return FaultKind.NOT_FOUND
    return FaultKind.REFUSED if 400 <= status < 500 else FaultKind.UNCLEAR


_QUOTA_ADVICE = (
    "This is a quota of the account, not throttling, so the request is not repeated: delete what is no longer needed, "
    "or ask AWS for a higher quota."
)
_ADVICE = {
    "NoCredentialsError": (
        "Give the Airflow connection (aws_conn_id) a login and password, a role_arn or a profile_name, or give the "
        "worker and the triggerer credentials of their own."
    ),
    "NoRegionError": (
        "Set region_name (a command's --region-name), or region_name in the extra of the connection (aws_conn_id)."
    ),
    "ProfileNotFound": "Check profile_name in the extra of the connection (aws_conn_id).",
}
