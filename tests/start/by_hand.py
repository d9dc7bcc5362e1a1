"""Answers the actions of a start by hand: a service of a few lines, and clocks that only pauses move.

No HTTP, no Airflow and no sleep: a story takes milliseconds, and each of its actions can be named.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from airflow_provider_amplifybackend.core.job import Job
from airflow_provider_amplifybackend.core.requests import Call, FaultKind, ServiceError, drive
from airflow_provider_amplifybackend.core.timing import Timing
from airflow_provider_amplifybackend.exceptions import AmplifyBackendError
from airflow_provider_amplifybackend.start.actions import (
    Action,
    Announce,
    AwaitEnd,
    Load,
    Pause,
    Prepare,
    Save,
    SendStart,
    StartPolicy,
    Steps,
    T,
)
from airflow_provider_amplifybackend.start.intent import STORE_KEY, Intent, Round
from airflow_provider_amplifybackend.start.protocol import StartProtocol

APP = "d1a2b3c4d5"
FIRST = Round(max_tries=3, clear_number=0)
CLEARED = Round(max_tries=7, clear_number=1)
# A round second, so that a date header loses nothing.
BEGINNING = 1_800_000_000.0
MOST_ACTIONS = 500


def ms(seconds: float = 0.0) -> int:
    """Milliseconds since the epoch, so many seconds after the beginning."""
    return int((BEGINNING + seconds) * 1000)


def missing(operation: str = "GetBackend") -> ServiceError:
    return ServiceError(FaultKind.NOT_FOUND, operation, "NotFoundException", "no such thing")


def refused(message: str = "You have a pending job", operation: str = "CreateBackend") -> ServiceError:
    return ServiceError(FaultKind.REFUSED, operation, "ValidationException", message)


def fault(kind: FaultKind, code: str = "Fault", message: str = "went wrong", **more: Any) -> ServiceError:
    return ServiceError(kind, "AnOperation", code, message, **more)


def row(job_id: str, operation: str, status: str = "RUNNING", *, at: float = 1.0, **more: Any) -> dict[str, Any]:
    """A row of the job list."""
    return {"JobId": job_id, "Operation": operation, "Status": status, "CreateTime": str(ms(at)), **more}


class Hand:
    """The service, the store, the waits and the clocks, as far as a story says what they do."""

    def __init__(self) -> None:
        self.now = BEGINNING
        # By how much the worker's wall clock is wrong.
        self.skew = 0.0
        self.is_dated = True
        # None: the service does not know the app.
        self.environments: list[str] | None = ["staging"]
        self.rows: dict[str, list[dict[str, Any]]] = {}
        # By operation: a response or an error for every call, or a list of them, the last of which stays.
        self.answers: dict[str, Any] = {}
        self.ends: list[Job | Exception] = []
        self.actions: list[Action] = []
        self.content: dict[str, Any] = {}
        self.save_seconds = 0.0
        # What the guard reads and the making of a client take.
        self.prepare_seconds = 0.0
        self.send_seconds = 0.0
        self.timing = Timing(
            now=lambda: self.now + self.skew, monotonic=lambda: self.now - BEGINNING + 77.0, sleep=self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    # The store

    def get(self, key: str, default: Any = None) -> Any:
        return self.content.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.content[key] = value

    @property
    def stored(self) -> Intent:
        intent = Intent.from_stored(self.content[STORE_KEY])
        assert intent is not None
        return intent

    # The protocol

    def start(
        self,
        operation: str = "CreateBackend",
        request: Mapping[str, Any] | None = None,
        *,
        seconds: float = 600.0,
        has_store: bool = True,
        policy: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> StartProtocol:
        """A start that has recalled what is stored."""
        plain = {"AppId": APP, "AppName": "shop", "BackendEnvironmentName": "pr"}
        start = StartProtocol(
            operation,
            plain if request is None else request,
            **{
                "round": FIRST,
                "policy": StartPolicy(**{"patience": 10.0, **(policy or {})}),
                "deadline": self.timing.now() + seconds,
                "log": logging.getLogger("start"),
                "has_store": has_store,
                "timing": self.timing,
                "try_number": 1,
                **options,
            },
        )
        drive(start.load(), self.answer)
        return start

    def run(self, steps: Steps[T]) -> T:
        """Answer actions until the protocol is done."""

        def note_and_answer(action: Action) -> Any:
            self.actions.append(action)
            assert len(self.actions) <= MOST_ACTIONS, "it goes on and on"
            return self.answer(action)

        return drive(steps, note_and_answer, thrown_in=(ServiceError, AmplifyBackendError))

    def answer(self, action: Action) -> Any:
        match action:
            case Call(operation, request):
                return self.dated(self.read(operation, request))
            case SendStart(operation, request):
                self.now += self.send_seconds
                return self.accept(operation, request)
            case Load(key):
                return self.content.get(key)
            case Save(intent, key):
                self.content[key] = intent.to_stored()
                self.now += self.save_seconds
            case Prepare():
                self.now += self.prepare_seconds
            case Pause(seconds):
                self.sleep(seconds)
            case AwaitEnd():
                return self.given(self.ends.pop(0))
        return None

    def dated(self, response: Mapping[str, Any]) -> Mapping[str, Any]:
        headers = {"date": formatdate(self.now, usegmt=True)} if self.is_dated else {}
        return {**response, "ResponseMetadata": {"HTTPHeaders": headers}}

    def accept(self, operation: str, request: Mapping[str, Any]) -> Any:
        if operation in self.answers:
            return self.given(self.next_answer(operation))
        environment = request.get("TargetEnvironmentName") or request.get("BackendEnvironmentName", "")
        self.rows.setdefault(environment, []).append(row("ours", operation, at=self.now - BEGINNING))
        return Job(APP, environment, "ours", operation, "RUNNING", create_time_ms=ms(self.now - BEGINNING))

    def read(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if operation in self.answers:
            answer: Mapping[str, Any] = self.given(self.next_answer(operation))
            return answer
        environment = request.get("BackendEnvironmentName", "")
        if operation == "GetBackend":
            assert request["AppId"] == APP
            if self.environments is None:
                raise missing()
            return {"AppId": APP, "BackendEnvironmentList": self.environments}
        listed = self.rows.get(environment)
        if operation == "ListBackendJobs" and listed is not None:
            return {"Jobs": listed}
        if operation == "GetBackendJob":
            for shown in listed or ():
                if shown["JobId"] == request["JobId"]:
                    return shown
        raise missing(operation)

    def next_answer(self, operation: str) -> Any:
        answer = self.answers[operation]
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    @staticmethod
    def given(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    # What was done

    def calls(self, operation: str) -> list[Mapping[str, Any]]:
        return [action.request for action in self.actions if isinstance(action, Call) and action.operation == operation]

    @property
    def looked(self) -> list[str]:
        """Where jobs were listed, in order."""
        return [request["BackendEnvironmentName"] for request in self.calls("ListBackendJobs")]

    @property
    def pauses(self) -> list[float]:
        return [round(action.seconds, 3) for action in self.actions if isinstance(action, Pause)]

    @property
    def sent(self) -> list[str]:
        return [action.operation for action in self.actions if isinstance(action, SendStart)]

    @property
    def saved(self) -> list[Intent]:
        return [action.intent for action in self.actions if isinstance(action, Save)]

    @property
    def announced(self) -> list[str | None]:
        return [action.job.job_id if action.job else None for action in self.actions if isinstance(action, Announce)]

    @property
    def awaited(self) -> list[AwaitEnd]:
        return [action for action in self.actions if isinstance(action, AwaitEnd)]

    @property
    def kinds(self) -> list[str]:
        """The actions by what they are, a call by its operation."""
        return [action.operation if isinstance(action, Call) else type(action).__name__ for action in self.actions]
