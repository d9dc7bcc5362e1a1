"""Errors as the service answers them."""

from __future__ import annotations

from typing import Any


class ServiceError(Exception):
    """An error answer: its code, HTTP status, message and the members that its model names."""

    def __init__(self, code: str, message: str, *, status: int = 400, **members: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members: dict[str, Any] = {"Message": message, **members}


def bad_request(message: str) -> ServiceError:
    return ServiceError("BadRequestException", message, status=400)


def already_exists(what: str) -> ServiceError:
    return bad_request(f"{what} already exists")


def not_found(resource_type: str, what: str) -> ServiceError:
    return ServiceError("NotFoundException", f"{what} was not found", status=404, ResourceType=resource_type)


def too_many_requests(limit_type: str, message: str = "Rate exceeded") -> ServiceError:
    return ServiceError("TooManyRequestsException", message, status=429, LimitType=limit_type)


def gateway_timeout(message: str = "Endpoint request timed out") -> ServiceError:
    return ServiceError("GatewayTimeoutException", message, status=504)


def pending_job(app_id: str, environment: str) -> ServiceError:
    """The real service's words and code (amplify-cli#9295); boto3 models no such exception."""
    return ServiceError(
        "ValidationException",
        f"There is already a pending job for the requested appId: {app_id} and "
        f"backendEnvironmentName: {environment}, wait for it to complete before creating a new job.",
        status=400,
    )
