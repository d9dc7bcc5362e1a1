"""The decisions about a start: the next step and its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from airflow_provider_amplifybackend.core.job import Job, Outcome
from airflow_provider_amplifybackend.core.start_failure import StartFailure


@dataclass(frozen=True)
class Decision:
    """The next step and its reason: together they are the log line."""

    reason: str
    act: ClassVar[str]


@dataclass(frozen=True)
class Send(Decision):
    """Store the intent, then send the start."""

    act = "Starting"


@dataclass(frozen=True)
class Adopt(Decision):
    """Take this job as the one that this task started."""

    act = "Adopting an existing job"

    job: Job = field(kw_only=True)


@dataclass(frozen=True)
class WaitFor(Decision):
    """Wait until somebody else's job has ended, then decide again."""

    act = "Waiting for another job"

    job: Job = field(kw_only=True)


@dataclass(frozen=True)
class CheckAgain(Decision):
    """Check again a little later."""

    act = "Checking for the job"


@dataclass(frozen=True)
class Done(Decision):
    """Succeed without starting anything."""

    act = "Skipping the start"

    outcome: Outcome = field(kw_only=True)


@dataclass(frozen=True)
class Refuse(Decision):
    """Fail, with the reason."""

    act = "Failing"

    why: StartFailure = field(kw_only=True)
    # Whether every retry comes to the same end, so that whoever clears the task wants it done again.
    is_final: bool = field(default=False, kw_only=True)
