"""Errors as the service answers them."""

from __future__ import annotations

from typing import Any


class AnsweredError(Exception):
    """An error that the service answers: its code, its message, and the status and members that its model names."""

    def __init__(self, code: str, message: str, *, status: int = 400, **members: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members: dict[str, Any] = {"Message": message, **members}


def not_built(service: str, operation: str) -> AnsweredError:
    """Return the answer to an operation that AWS has and this service has not: no stub that looks like an answer."""
    more = "; with moto (--with-moto) moto answers it" if service == "cloudformation" else ""
    return AnsweredError(
        "NotImplementedException",
        f"The local AmplifyBackend answers {service} requests, but {operation} is not built{more}",
        # 501 is the one 5xx that no AWS SDK repeats.
        status=501,
    )


def broken_elsewhere(operation: str) -> AnsweredError:
    """Return the answer where moto has failed instead of answering."""
    message = f"moto could not answer {operation}: what this request asks for is not built there"
    return AnsweredError("NotImplementedException", message, status=501)


def validation_error(message: str) -> AnsweredError:
    """Return CloudFormation's error for whatever it does not take, and for a stack that is not there."""
    return AnsweredError("ValidationError", message)


def bad_request(message: str) -> AnsweredError:
    return AnsweredError("BadRequestException", message, status=400)


def already_exists(what: str) -> AnsweredError:
    return bad_request(f"{what} already exists")


def not_found(resource_type: str, what: str) -> AnsweredError:
    return AnsweredError("NotFoundException", f"{what} was not found", status=404, ResourceType=resource_type)


def pending_job(app_id: str, environment: str) -> AnsweredError:
    """Return the error in the real service's words and code (amplify-cli#9295); boto3 models no such exception."""
    return AnsweredError(
        "ValidationException",
        f"There is already a pending job for the requested appId: {app_id} and "
        f"backendEnvironmentName: {environment}, wait for it to complete before creating a new job.",
        status=400,
    )
