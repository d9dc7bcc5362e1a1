"""The intent: the record stored before a start is sent, from which a later try can find its job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from airflow_provider_amplifybackend.core.job import Job
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, Effect
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import BackendStartError

INTENT_VERSION = 1
# In the task state store.
STORE_KEY = "amplifybackend_start"
# Airflow shows the state store to everyone who may read the run and limits its size: newest ids are enough,
# because a job must also be younger than the intent to be taken for ours.
MAX_KNOWN_JOB_IDS = 200
# The HTTP Date header counts whole seconds, and the service has more than one clock.
SERVICE_CLOCK_MARGIN_MS = 2_000


@dataclass(frozen=True)
class Round:
    """A round of the task: a retry keeps it, clearing the task begins a new one.

    Airflow counts neither alone: editing ``retries`` can change ``max_tries`` and clearing another task changes
    ``clear_number``, so a new round needs both to differ. What does not show here is ``Intent.is_of``.
    """

    max_tries: int
    clear_number: int

    def is_same(self, other: Round) -> bool:
        """Tell whether ``other`` is the same round, observed at another time."""
        return self.max_tries == other.max_tries or self.clear_number == other.clear_number

    @property
    def earlier(self) -> Round:
        """Return a round that this one comes after."""
        return Round(self.max_tries - 1, self.clear_number - 1)


@dataclass(frozen=True)
class Disowned:
    """A job that was taken for somebody else's, because its result was observed to differ from the request.

    Whatever changed that in between may be listed later only, and then the job may have been this task's after all.
    """

    job_id: str
    create_time_ms: int
    seen_time_ms: int


class State(StrEnum):
    """The state of the start that an intent stands for."""

    # A request was sent, or may have been, and nobody knows what became of it.
    SENT = "sent"
    # The service answered with the job.
    ANSWERED = "answered"
    # The job was found by looking: it may be somebody else's.
    FOUND = "found"
    # The job was seen to have failed; once its environment is deleted, the service may know it no more.
    FAILED = "failed"
    # The service refused it: this start was not accepted and never will be.
    REFUSED = "refused"
    # Nothing is stored (Airflow before 3.3): an earlier try may have sent something since the DAG run began.
    PRESUMED = "presumed"


@dataclass(frozen=True)
class Intent:
    """The record stored before a start is sent, from which a later try can find its job."""

    operation: str
    app_id: str
    digest: str
    round: Round
    service_time_ms: int
    known_job_ids: tuple[str, ...] = ()
    # Where its job may live: a later try may name other environments.
    environments: tuple[str, ...] = ()
    target_existed: bool | None = None
    # When the latest start was about to be sent: patience counts from here. An earlier version stored it only where the
    # start before it had left no trace.
    resent_time_ms: int = 0
    # Raised by one with each request sent for this task instance; a failed clone is only cleaned up if it is ours.
    starts: int = 0
    refused: bool = False
    # Without a state store a retry knows only that an earlier try may have sent something since the run began.
    presumed: bool = False
    job_id: str | None = None
    job_environment: str | None = None
    # Whether the job was found by looking and not answered: then it may be somebody else's.
    found_by_looking: bool = False
    # Whether the job was seen to have failed: once its environment is deleted, the service may know it no more.
    job_failed: bool = False
    # Whether an earlier job was found that may have been ours, and left nothing to tell it by.
    passed_over: bool = False
    # Whether a try has returned with the job: a clear before that is no order for another one.
    reported: bool = False
    # The try that sent the latest start: the end of its job is that try's end, whether it has been deferred or not.
    sent_in_try: int = 0
    # When the answer to the latest start was lost, in the service's time.
    lost_time_ms: int = 0
    # Jobs that were taken for its own, completed, and then for somebody else's because of what they left.
    disowned: tuple[Disowned, ...] = ()
    version: int = INTENT_VERSION

    @property
    def state(self) -> State:
        """Return the state of the latest start."""
        if self.job_id:
            if self.job_failed:
                return State.FAILED
            return State.FOUND if self.found_by_looking else State.ANSWERED
        if self.refused:
            return State.REFUSED
        return State.PRESUMED if self.presumed else State.SENT

    @property
    def job(self) -> Job:
        """Return its job, as far as it is stored."""
        return Job(self.app_id, self.job_environment or "", self.job_id or "", self.operation)

    def is_of(self, round: Round) -> bool:
        """Tell whether it belongs to this round.

        Where a try has returned with the job, ``max_tries`` alone tells: a clear that resets no DAG run (Airflow's
        ``reset_dag_runs=False``) is not counted in ``clear_number``, and whoever clears what has succeeded wants
        another job.
        """
        if self.reported:
            return self.round.max_tries == round.max_tries
        return self.round.is_same(round)

    def is_for(self, digest: str) -> bool:
        """Tell whether it was written for the same request; digests of other versions cannot be compared."""
        return self.digest == digest or self.version != INTENT_VERSION or self.presumed

    def to_stored(self) -> dict[str, Any]:
        """Return the form for the state store, which takes no None."""
        stored = {key: value for key, value in asdict(self).items() if value is not None}
        return stored | {
            "known_job_ids": list(self.known_job_ids[-MAX_KNOWN_JOB_IDS:]),
            "environments": list(self.environments),
            "disowned": [asdict(job) for job in self.disowned],
        }

    @classmethod
    def from_stored(cls, stored: object) -> Intent | None:
        """Read what this or another version of the package stored; None where it is not ours to understand."""
        if not isinstance(stored, Mapping) or not isinstance(stored.get("round"), Mapping):
            return None
        known = {key: stored[key] for key in cls.__dataclass_fields__ if key in stored}
        try:
            known["round"] = Round(**{key: int(stored["round"][key]) for key in Round.__dataclass_fields__})
            known["known_job_ids"] = tuple(known.get("known_job_ids", ()))
            known["environments"] = tuple(known.get("environments", ()))
            known["service_time_ms"] = int(known["service_time_ms"])
            for name in ("resent_time_ms", "lost_time_ms", "sent_in_try"):
                known[name] = int(known.get(name, 0))
            known["disowned"] = tuple(_disowned_from_stored(job) for job in known.get("disowned", ()))
            return cls(**known)
        except (KeyError, TypeError, ValueError):
            return None


def _disowned_from_stored(stored: Mapping[str, Any]) -> Disowned:
    return Disowned(str(stored["job_id"]), int(stored["create_time_ms"]), int(stored["seen_time_ms"]))


def own_job(listed: Iterable[Job], intent: Intent) -> Job | None:
    """Return the job that the intent led to: the one it names, else the first new one of its kind after it."""
    if intent.job_id:
        return next((job for job in listed if job.job_id == intent.job_id), None)
    if intent.refused:
        return None
    since = intent.service_time_ms - SERVICE_CLOCK_MARGIN_MS
    candidates = [
        job
        for job in listed
        if may_be_named(job, intent.operation)
        and job.job_id not in intent.known_job_ids
        and (job.create_time_ms is None or job.create_time_ms >= since)
    ]
    # A failed one is ours only if there is no other: our start may have been accepted after somebody else's failed.
    # A presumed intent looks back over the whole DAG run, where only what is still running can be taken for ours.
    return min(
        candidates,
        key=lambda job: (
            intent.presumed and job.is_finished,
            job.is_failed,
            job.operation != intent.operation,
            job.create_time_ms or since,
        ),
        default=None,
    )


def may_be_named(job: Job, operation: str) -> bool:
    """Tell whether a row may be of this operation; a word that is no operation's name may stand for any."""
    return job.operation == operation or job.operation not in JOB_OPERATIONS


def is_unanswered(intent: Intent) -> bool:
    """Tell whether a start was, or may have been, sent for it, with an unknown outcome."""
    return intent.state is State.SENT


def patience_since(intent: Intent) -> int | None:
    """Return when, in the service's time, the last thing happened whose consequences may be listed late.

    A presumed start is long past, so there only a job that was disowned counts; None if nothing does.
    """
    seen = max((job.seen_time_ms for job in intent.disowned), default=0)
    if intent.presumed:
        return seen or None
    return max(intent.service_time_ms, intent.resent_time_ms, intent.lost_time_ms, seen)


def answered(intent: Intent, job: Job) -> Intent:
    """Return the intent with the job that the service answered."""
    return replace(intent, job_id=job.job_id, job_environment=job.backend_environment_name, job_failed=False)


def adopted(intent: Intent, job: Job, round: Round) -> Intent:
    """Return the intent with the job that was found for it, as that of this round."""
    by_looking = intent.job_id != job.job_id or intent.found_by_looking
    return replace(answered(intent, job), round=round, refused=False, found_by_looking=by_looking, reported=False)


def disowned(intent: Intent, job: Job) -> Intent:
    """Return the intent after a job that was found for it has turned out to be somebody else's.

    Its own start has still left no trace. What the other job created existed before ours, and is not ours to delete.
    """
    is_creation = JOB_OPERATIONS[intent.operation].effect is Effect.CREATES
    return replace(
        intent,
        known_job_ids=(*intent.known_job_ids, job.job_id),
        target_existed=True if is_creation else intent.target_existed,
        job_id=None,
        job_environment=None,
        found_by_looking=False,
    )


def request_digest(operation: str, request: Mapping[str, Any]) -> str:
    """Return a short digest of a request from which secrets have been taken out."""
    canonical = json.dumps([operation, request], sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


TRAVELLING_VERSION = 1


def travelling(intent: Intent | None) -> dict[str, Any] | None:
    """Return the form in which an intent travels with a deferral, where Airflow has no state store."""
    return {"version": TRAVELLING_VERSION, "intent": intent.to_stored()} if intent else None


def arrived(travelled: object) -> Intent | None:
    """Return the intent that has travelled with a deferral; None if none has.

    :raises BackendStartError: A newer version has written it, so that it is unknown whether something was started.
    """
    if not travelled:
        return None
    intent = None
    if isinstance(travelled, Mapping) and travelled.get("version") == TRAVELLING_VERSION:
        intent = Intent.from_stored(travelled.get("intent"))
    if intent is None:
        raise BackendStartError(
            f"nothing was sent: this version of the package cannot read what the task stored before its deferral: "
            f"{travelled!r}. Another version wrote it: check for the job before you retry the task",
            reason=StartFailure.UNREADABLE_STATE,
        )
    return intent
