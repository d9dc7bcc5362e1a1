"""The actions that the protocol asks its driver for, and their results."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from airflow_provider_amplifybackend.core.job import Job, JobRef, Outcome
from airflow_provider_amplifybackend.core.requests import Call
from airflow_provider_amplifybackend.start.intent import Intent


class Log(Protocol):
    """A logger, as far as it is used here: Airflow's, or the standard library's."""

    def info(self, msg: str, /, *args: Any) -> Any: ...
    def warning(self, msg: str, /, *args: Any) -> Any: ...


@dataclass(frozen=True)
class SendStart:
    """Send the start once; answered with the job, or with the ServiceError thrown in."""

    operation: str
    request: Mapping[str, Any] = field(repr=False)  # with its secrets
    may_send: Callable[[], bool]


@dataclass(frozen=True)
class Load:
    """Return what is stored under a key; None if nothing is."""

    key: str


@dataclass(frozen=True)
class Save:
    """Store the intent under a key; must succeed before the protocol continues."""

    intent: Intent
    key: str


@dataclass(frozen=True)
class Prepare:
    """Ask the guard, and make the client for starts."""

    operation: str
    request: Mapping[str, Any] = field(repr=False)  # with its secrets


@dataclass(frozen=True)
class Pause:
    """Let this much time pass."""

    seconds: float


class Whose(StrEnum):
    """The owner of a job that is waited for, and so what follows its end."""

    OWN = "own"
    # Another job holds the environment: the start is decided anew when it has ended.
    OTHER = "other"
    # It deletes what a failed job left behind.
    CLEANUP = "cleanup"


@dataclass(frozen=True)
class AwaitEnd:
    """Wait until a job has ended; answered with the job, or with the error of the wait thrown in."""

    ref: JobRef
    whose: Whose
    outcome: Outcome | None = None
    durations: tuple[float, ...] = ()
    # When the job was created, for whoever is shown the wait. Nothing is decided by it.
    created_ms: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Announce:
    """Make known which job it is, before it is waited for; None if there is none."""

    job: Job | None


Action = Call | SendStart | Load | Save | Pause | Prepare | AwaitEnd | Announce
T = TypeVar("T")
Steps = Generator[Action, Any, T]


@dataclass(frozen=True)
class StartResult:
    """The job that was started or adopted; ``job`` is None where none is needed."""

    outcome: Outcome
    job: Job | None = None
    # How long earlier jobs of the operation took, in seconds: when a status check is worthwhile.
    durations: tuple[float, ...] = ()


@dataclass(frozen=True)
class Obstacle:
    """Another job that holds the environment: wait for its end, then decide again."""

    job: Job


@dataclass(frozen=True)
class StartPolicy:
    """The user's choices for obstacles and failures."""

    on_pending_job: str = "wait"
    if_exists: str = "fail"
    if_missing: str = "fail"
    # The environment that a failed job of this start leaves behind, if it is to be deleted.
    delete_leftover: str | None = None
    # Seconds for which a start that left no trace can still show up.
    patience: float = 60.0
