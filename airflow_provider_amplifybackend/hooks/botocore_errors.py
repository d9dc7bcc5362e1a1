"""What went wrong in a call, read from botocore's exceptions, for boto3 and aiobotocore alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import botocore.exceptions as boto
from botocore.parsers import ResponseParserError

from airflow_provider_amplifybackend import service_model
from airflow_provider_amplifybackend.encodable import (
    MAX_ERROR_TEXT,
    MAX_WORD,
    as_text,
    fit_to_log,
    shortened,
    usable_headers,
)
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.polling import NOT_A_NAME, FaultKind, ServiceError

THROTTLING_CODES = frozenset(
    {
        "TooManyRequestsException",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "LimitExceededException",
    }
)
NOT_FOUND_CODES = frozenset({"NotFoundException", "ResourceNotFoundException"})
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
SETUP_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
    }
)


class LateStartError(Exception):
    """A start was not sent, because it came too late after what gave the right to send it."""


# The connection was never made, so the request cannot have arrived. SSLError and ProxyConnectionError are not here:
# a TLS record can break while the answer is read, and urllib3 1.26 calls any reset behind a proxy a ProxyError.
UNSENT = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    LateStartError,
)
SETUP = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.NoRegionError,
    boto.InvalidRegionError,
    boto.ProfileNotFound,
    boto.ConfigNotFound,
    boto.UnknownEndpointError,
    boto.EndpointProviderError,
    boto.ParamValidationError,
    boto.TokenRetrievalError,
    boto.SSOError,
)


class UnreadableAnswerError(ServiceError):
    """An answer came, but it says nothing."""


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


def service_error(operation: str, error: Exception) -> ServiceError:
    """Return what an exception of a call means."""
    if isinstance(error, boto.ClientError):
        details = error.response.get("Error", {})
        code = as_text(details.get("Code") or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        code = shortened(code, MAX_WORD)
        message = shortened(as_text(details.get("Message") or "no message"), MAX_ERROR_TEXT)
        headers = usable_headers(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
        return ServiceError(_client_error_kind(error, code), operation, code, message, headers=headers)
    if isinstance(error, BackendParameterError):
        return ServiceError(FaultKind.SETUP, operation, NOT_A_NAME, str(error))
    code, message = type(error).__name__, shortened(as_text(str(error)), MAX_ERROR_TEXT)
    if isinstance(error, SETUP):
        said = message.rstrip(".")
        return ServiceError(FaultKind.SETUP, operation, code, f"{said}. {_SETUP_ADVICE.get(code, '')}".strip())
    if isinstance(error, UNSENT):
        return ServiceError(FaultKind.UNSENT, operation, code, message)
    if isinstance(error, ResponseParserError):
        return UnreadableAnswerError(FaultKind.UNCLEAR, operation, code, message)
    return ServiceError(FaultKind.UNCLEAR, operation, code, message)


def cause(error: Exception) -> Exception | None:
    """Return an exception as the cause of its ServiceError, which Airflow logs with it.

    None if it cannot be logged as it is, because it repeats the service's own text: the ServiceError has all of it
    that can be written.
    """
    return error if fit_to_log(error) else None


def _client_error_kind(error: boto.ClientError, code: str) -> FaultKind:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in THROTTLING_CODES or status == 429:
        return FaultKind.THROTTLED
    if code in EXPIRED_CODES:
        return FaultKind.EXPIRED
    if code in SETUP_CODES:
        return FaultKind.SETUP
    # Not just any 404: a wrong endpoint answers that to everything, and "gone" can be a success.
    if code in NOT_FOUND_CODES:
        return FaultKind.NOT_FOUND
    return FaultKind.REFUSED if 400 <= status < 500 else FaultKind.UNCLEAR


_SETUP_ADVICE = {
    "NoCredentialsError": (
        "Give the Airflow connection (aws_conn_id) a login and password, a role_arn or a profile_name, or give the "
        "worker and the triggerer credentials of their own."
    ),
    "NoRegionError": "Set the operator's region_name, or region_name in the extra of the connection (aws_conn_id).",
    "ProfileNotFound": "Check profile_name in the extra of the connection (aws_conn_id).",
}
