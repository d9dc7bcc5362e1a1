"""The answers that fault scripts give instead of the service's own."""

from __future__ import annotations

from airflow_provider_amplifybackend.local.http.protocol import Asked
from airflow_provider_amplifybackend.local.service.api_model import CLOUDFORMATION, SERVICE_NAME
from airflow_provider_amplifybackend.local.service.errors import AnsweredError, pending_job
from airflow_provider_amplifybackend.local.testing.faults import Fault

CONNECTION_RESET = "ConnectionReset"
"""The error code in the journal where no answer was sent."""


def error_of(fault: Fault, service: str, asked: Asked, account: str) -> AnsweredError | None:
    """Return the error that a fault answers; None where it resets the connection."""
    options, parameters = fault.options, asked.parameters
    match fault.kind:
        case "throttle":
            return _throttled(service, options["message"], options["limit_type"])
        case "denied":
            return _denied(service, asked.operation or "", account)
        case "timeout_before" | "timeout_after":
            return AnsweredError("GatewayTimeoutException", options["message"], status=504)
        case "pending":
            return pending_job(parameters.get("AppId", ""), parameters.get("BackendEnvironmentName", ""))
        case "error":
            return AnsweredError(options["code"], options["message"], status=options["status"])
    return None


def _throttled(service: str, message: str, limit_type: str) -> AnsweredError:
    if service == CLOUDFORMATION:
        return AnsweredError("Throttling", message)
    more = {"LimitType": limit_type} if service == SERVICE_NAME else {}
    return AnsweredError("TooManyRequestsException", message, status=429, **more)


def _denied(service: str, operation: str, account: str) -> AnsweredError:
    """Return IAM's refusal, which has another code in the Query protocol."""
    action = f"{service}:{operation}"
    message = (
        f"User: arn:aws:iam::{account}:user/airflow is not authorized to perform: {action} "
        f"because no identity-based policy allows the {action} action"
    )
    code = "AccessDenied" if service == CLOUDFORMATION else "AccessDeniedException"
    return AnsweredError(code, message, status=403)


def sent_part(fault: Fault | None, body: bytes) -> bytes | None:
    """Return the beginning of an answer that is cut off; None for one that is sent whole."""
    if fault is None or fault.kind != "truncate":
        return None
    keep = fault.options["keep_bytes"]
    return body[: len(body) // 2 if keep is None else keep]
