"""The answers that fault scripts give instead of the service's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend.local.service.errors import AnsweredError, pending_job
from airflow_provider_amplifybackend.local.testing.faults import Fault

CONNECTION_RESET = "ConnectionReset"
"""The error code in the journal where no answer was sent."""


def error_of(fault: Fault, parameters: Mapping[str, Any]) -> AnsweredError | None:
    """Return the error that a fault answers; None where it resets the connection."""
    options = fault.options
    match fault.kind:
        case "throttle":
            return AnsweredError(
                "TooManyRequestsException", options["message"], status=429, LimitType=options["limit_type"]
            )
        case "timeout_before" | "timeout_after":
            return AnsweredError("GatewayTimeoutException", options["message"], status=504)
        case "pending":
            return pending_job(parameters.get("AppId", ""), parameters.get("BackendEnvironmentName", ""))
        case "error":
            return AnsweredError(options["code"], options["message"], status=options["status"])
    return None


def sent_part(fault: Fault | None, body: bytes) -> bytes | None:
    """Return the beginning of an answer that is cut off; None for one that is sent whole."""
    if fault is None or fault.kind != "truncate":
        return None
    keep = fault.options["keep_bytes"]
    return body[: len(body) // 2 if keep is None else keep]
