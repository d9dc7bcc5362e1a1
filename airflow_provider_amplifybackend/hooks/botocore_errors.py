"""What went wrong in a call, read from botocore's exceptions, for boto3 and aiobotocore alike."""

from __future__ import annotations

import botocore.exceptions as boto

from airflow_provider_amplifybackend.polling import FaultKind, ServiceError

THROTTLING_CODES = frozenset(
    {
        "TooManyRequestsException",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "LimitExceededException",
    }
)
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
# The connection was never made, so the request cannot have arrived.
UNSENT = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ProxyConnectionError,
    boto.SSLError,
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


def service_error(operation: str, error: Exception) -> ServiceError:
    """Return what an exception of a call means."""
    if isinstance(error, boto.ClientError):
        details = error.response.get("Error", {})
        code = str(details.get("Code") or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        message = str(details.get("Message") or "no message")
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return ServiceError(_client_error_kind(error, code), operation, code, message, headers=headers)
    code = type(error).__name__
    if isinstance(error, SETUP):
        return ServiceError(FaultKind.SETUP, operation, code, f"{error}. {_SETUP_ADVICE.get(code, '')}".strip())
    if isinstance(error, UNSENT):
        return ServiceError(FaultKind.UNSENT, operation, code, str(error))
    return ServiceError(FaultKind.UNCLEAR, operation, code, str(error))


def _client_error_kind(error: boto.ClientError, code: str) -> FaultKind:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in THROTTLING_CODES or status == 429:
        return FaultKind.THROTTLED
    if code in EXPIRED_CODES:
        return FaultKind.EXPIRED
    if code in SETUP_CODES:
        return FaultKind.SETUP
    if code == "NotFoundException" or status == 404:
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
