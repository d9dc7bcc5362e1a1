"""Requests without I/O: what is to be sent, and what an error of it means, whichever library sends it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

JOBS_PER_PAGE = 25  # the most that ListBackendJobs takes
# The code of the error for what cannot name anything. Its message needs no more words.
NOT_A_NAME = "NotAName"
# What is wrong with a parameter is wrong however often it is tried.
PARAMETER_ERRORS = frozenset({"ParamValidationError", "BackendParameterError", NOT_A_NAME})


class FaultKind(StrEnum):
    """The meaning of a failed call for its caller."""

    NOT_FOUND = "not found"
    REFUSED = "refused"
    THROTTLED = "throttled"
    # The request did not leave, or the answer did not come: for a read the two are the same.
    UNSENT = "not sent"
    UNCLEAR = "answer lost"
    EXPIRED = "credentials expired"
    # There are none, or they are refused, or the connection that has them cannot be looked up. A mistake where they
    # were never good; a hiccup where they have just been.
    CREDENTIALS = "credentials"
    SETUP = "set-up"


class ServiceError(Exception):
    """An error of a call to AmplifyBackend, whichever library it came from."""

    def __init__(
        self,
        kind: FaultKind,
        operation: str,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        is_unexplained: bool = False,
        step: str | None = None,
    ) -> None:
        # What was refused on the way to the operation, which was then never called: `sts:AssumeRole`.
        self.step = step
        self.reason = f"{step}: {code}" if step else code
        super().__init__(f"{operation}: {self.reason}: {message}")
        self.kind = kind
        self.operation = operation
        self.code = code
        self.message = message
        self.headers = headers or {}
        # Whether it looks like a fault of the program or a setting, which may be a race in a library all the same.
        self.is_unexplained = is_unexplained

    def saying(self, more: str) -> ServiceError:
        """Return the same error with another sentence."""
        message = f"{self.message.rstrip('.')}. {more}"
        return ServiceError(self.kind, self.operation, self.code, message, headers=self.headers, step=self.step)

    def showing(self, code: str, message: str) -> ServiceError:
        """Return the same error with a text that can be shown."""
        if (code, message) == (self.code, self.message):
            return self
        return type(self)(
            self.kind,
            self.operation,
            code,
            message,
            headers=self.headers,
            is_unexplained=self.is_unexplained,
            step=self.step,
        )

    @property
    def is_transient(self) -> bool:
        """Tell whether the same read may succeed a little later."""
        return self.kind in (FaultKind.THROTTLED, FaultKind.UNSENT, FaultKind.UNCLEAR, FaultKind.EXPIRED)

    @property
    def may_pass(self) -> bool:
        """Tell whether the same read may succeed a little later, by a client whose credentials are as a rule good."""
        return self.is_transient or self.kind is FaultKind.CREDENTIALS

    @property
    def needs_new_client(self) -> bool:
        """Tell whether a new client, with the credentials of that moment, may succeed."""
        return self.kind in (FaultKind.EXPIRED, FaultKind.CREDENTIALS)


@dataclass(frozen=True)
class Call:
    """A call that the driver of a generator is asked to make."""

    operation: str
    request: Mapping[str, Any] = field(repr=False)


def says_missing(error: ServiceError) -> bool:
    """Tell whether the service reports a missing resource; for a deleted one it may send ValidationException."""
    return error.kind is FaultKind.NOT_FOUND or error.code == "ValidationException"


def list_environments(app_id: str) -> Generator[Call, Mapping[str, Any], list[str]]:
    """Return the environments of an app; an app that the service does not know has none."""
    try:
        answer = yield Call("GetBackend", {"AppId": app_id})
    except ServiceError as error:
        if says_missing(error):
            return []
        raise
    return list(answer.get("BackendEnvironmentList") or [])


class Paging:
    """The pages of a listing: the request for the next one, until there is none.

    A token that comes again would be followed for ever: it ends the listing with an error.
    """

    def __init__(self, operation: str, request: Mapping[str, Any]) -> None:
        self.operation = operation
        self.request: dict[str, Any] | None = dict(request)
        self._tokens = {request.get("NextToken")}

    def took(self, page: Mapping[str, Any]) -> None:
        """Take note of a page.

        :raises ServiceError: It leads back to an earlier page.
        """
        token = page.get("NextToken")
        if not token:
            self.request = None
        elif token in self._tokens:
            raise ServiceError(
                FaultKind.REFUSED, self.operation, "RepeatedNextToken", "NextToken leads back to an earlier page"
            )
        else:
            self._tokens.add(token)
            self.request = {**(self.request or {}), "NextToken": token}


def all_pages(
    operation: str, request: Mapping[str, Any], *, is_enough: Callable[[Mapping[str, Any]], bool] = lambda page: False
) -> Generator[Call, Mapping[str, Any], list[Mapping[str, Any]]]:
    """Return the pages of a listing, up to the first that is enough."""
    paging, pages = Paging(operation, request), []
    while paging.request is not None:
        page = yield Call(operation, paging.request)
        pages.append(page)
        if is_enough(page):
            break
        paging.took(page)
    return pages


def jobs_request(app_id: str, environment: str) -> dict[str, Any]:
    """Return the request that lists an environment's jobs."""
    return {"AppId": app_id, "BackendEnvironmentName": environment, "MaxResults": JOBS_PER_PAGE}


T = TypeVar("T")


def drive(
    steps: Generator[Any, Any, T], do: Callable[[Any], Any], *, thrown_in: tuple[type[Exception], ...] = (ServiceError,)
) -> T:
    """Carry out what a generator asks for with a function, and return its result.

    :param thrown_in: The errors that are thrown into the generator; others end it.
    """
    try:
        action = next(steps)
        while True:
            try:
                answer = do(action)
            except thrown_in as error:
                action = steps.throw(error)
            else:
                action = steps.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result
