"""The job model: what a job is, where it lives, and when a start is sent, adopted, awaited or refused.

AmplifyBackend has no client token and no cancel, and it refuses a second job while one is pending in the same
app and environment. Everything here is a pure function of what was stored and what the service shows, so that
the rules can be read and tested without Airflow, boto or a network.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, TypedDict

COMPLETED = "COMPLETED"
FAILED = "FAILED"
KNOWN_STATUSES = frozenset({"PENDING", "RUNNING", COMPLETED, FAILED})

INTENT_VERSION = 1
# Airflow shows the state store to everyone who may read the run and limits its size: newest ids are enough,
# because a job must also be younger than the intent to be taken for ours.
MAX_KNOWN_JOB_IDS = 200
# The HTTP Date header counts whole seconds, and the service has more than one clock.
SERVICE_CLOCK_MARGIN_MS = 2_000


class Effect(StrEnum):
    """What a job operation does to its target."""

    CREATES = "creates"
    CHANGES = "changes"
    REMOVES = "removes"


class Outcome(StrEnum):
    """How a job operator came to its result."""

    STARTED = "started"
    ADOPTED = "adopted"
    FOUND = "found"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class JobOperation:
    """One of the operations that start a job: its effect, and the kind of resource it has it on."""

    name: str
    effect: Effect
    resource: str

    def environments(self, request: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the environments the job may live in, as far as the request tells, the likeliest first."""
        names = (request.get("TargetEnvironmentName"), request.get("BackendEnvironmentName"))
        return tuple(name for name in names if name)

    def target_environments(self, request: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the environments that the job will hold, so that a pending job there is in its way.

        A clone reads its source; whether the service lets two clones read at once is for the service to say.
        """
        return self.environments(request)[:1]


JOB_OPERATIONS: dict[str, JobOperation] = {
    operation.name: operation
    for operation in (
        JobOperation("CloneBackend", Effect.CREATES, "environment"),
        JobOperation("CreateBackend", Effect.CREATES, "environment"),
        JobOperation("DeleteBackend", Effect.REMOVES, "environment"),
        JobOperation("RemoveAllBackends", Effect.REMOVES, "app"),
        JobOperation("CreateBackendAuth", Effect.CREATES, "auth"),
        JobOperation("UpdateBackendAuth", Effect.CHANGES, "auth"),
        JobOperation("ImportBackendAuth", Effect.CREATES, "auth"),
        JobOperation("DeleteBackendAuth", Effect.REMOVES, "auth"),
        JobOperation("CreateBackendAPI", Effect.CREATES, "api"),
        JobOperation("UpdateBackendAPI", Effect.CHANGES, "api"),
        JobOperation("DeleteBackendAPI", Effect.REMOVES, "api"),
        JobOperation("GenerateBackendAPIModels", Effect.CHANGES, "models"),
        JobOperation("CreateBackendStorage", Effect.CREATES, "storage"),
        JobOperation("UpdateBackendStorage", Effect.CHANGES, "storage"),
        JobOperation("ImportBackendStorage", Effect.CREATES, "storage"),
        JobOperation("DeleteBackendStorage", Effect.REMOVES, "storage"),
        JobOperation("CreateBackendConfig", Effect.CREATES, "config"),
    )
}


@dataclass(frozen=True)
class JobRef:
    """Which job to look at. ``environments`` are tried in order: some answers leave open where a job lives."""

    app_id: str
    job_id: str
    environments: tuple[str, ...]
    operation: str | None = None

    @property
    def request(self) -> dict[str, str]:
        """Return the members that identify the job in a request, with the likeliest environment."""
        names = {"AppId": self.app_id, "JobId": self.job_id}
        return names | ({"BackendEnvironmentName": self.environments[0]} if self.environments else {})

    @property
    def look_command(self) -> str:
        """Return the command that looks at the job by hand."""
        environment = self.environments[0] if self.environments else "ENVIRONMENT"
        return (
            f"aws amplifybackend get-backend-job --app-id {shlex.quote(self.app_id)} "
            f"--backend-environment-name {shlex.quote(environment)} --job-id {shlex.quote(self.job_id)}"
        )

    def __str__(self) -> str:
        where = " or ".join(self.environments) or "unknown"
        return f"job {self.job_id} ({self.operation or 'operation unknown'}, app {self.app_id}, environment {where})"


class JobResult(TypedDict):
    """What every job operator returns: the job in the API's spelling, readable times, and how it came to it."""

    AppId: str
    BackendEnvironmentName: str | None
    JobId: str | None
    Operation: str | None
    Status: str | None
    Error: str | None
    CreateTime: str | None
    UpdateTime: str | None
    created_at: str | None
    updated_at: str | None
    outcome: str


@dataclass(frozen=True)
class Job:
    """A job as the service showed it."""

    app_id: str
    backend_environment_name: str
    job_id: str
    operation: str | None = None
    status: str | None = None
    error: str | None = None
    create_time_ms: int | None = None
    update_time_ms: int | None = None

    @classmethod
    def from_response(cls, row: Mapping[str, Any], **defaults: Any) -> Job:
        """Read a job row or the answer to a start; ``defaults`` fill the members that it leaves out."""
        known = {key: value for key, value in row.items() if value not in (None, "")}
        return cls(
            app_id=known.get("AppId") or defaults.get("app_id", ""),
            backend_environment_name=known.get("BackendEnvironmentName")
            or defaults.get("backend_environment_name", ""),
            job_id=known.get("JobId") or defaults.get("job_id", ""),
            operation=known.get("Operation") or defaults.get("operation"),
            status=known.get("Status"),
            error=known.get("Error"),
            create_time_ms=epoch_ms(known.get("CreateTime")),
            update_time_ms=epoch_ms(known.get("UpdateTime")),
        )

    @property
    def is_completed(self) -> bool:
        """Whether the job ended well."""
        return self.status == COMPLETED

    @property
    def is_failed(self) -> bool:
        """Whether the job ended badly."""
        return self.status == FAILED

    @property
    def is_finished(self) -> bool:
        """Whether the job ended. The model's status is a free string: any unknown one is taken as not ended."""
        return self.is_completed or self.is_failed

    @property
    def seconds(self) -> float | None:
        """Return how long the job took, if it has ended well."""
        if not self.is_completed or self.create_time_ms is None or self.update_time_ms is None:
            return None
        return (self.update_time_ms - self.create_time_ms) / 1000

    @property
    def ref(self) -> JobRef:
        """Return what identifies this job."""
        return JobRef(self.app_id, self.job_id, (self.backend_environment_name,), self.operation)

    def to_xcom(self, outcome: Outcome) -> JobResult:
        """Return the dictionary that every job operator returns, in the API's spelling, the same in every mode."""
        return {
            "AppId": self.app_id,
            "BackendEnvironmentName": self.backend_environment_name or None,
            "JobId": self.job_id or None,
            "Operation": self.operation,
            "Status": self.status,
            "Error": self.error,
            "CreateTime": _text(self.create_time_ms),
            "UpdateTime": _text(self.update_time_ms),
            "created_at": iso_time(self.create_time_ms),
            "updated_at": iso_time(self.update_time_ms),
            "outcome": str(outcome),
        }


def epoch_ms(value: object) -> int | None:
    """Read a time of the service, a string of epoch milliseconds; None where it is missing or something else."""
    text = str(value).strip() if value is not None else ""
    return int(text) if text.isdecimal() else None


def iso_time(milliseconds: int | None) -> str | None:
    """Return epoch milliseconds as ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).isoformat(timespec="milliseconds")


def readable_times(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job row with its times also as ISO 8601."""
    return dict(row) | {
        "created_at": iso_time(epoch_ms(row.get("CreateTime"))),
        "updated_at": iso_time(epoch_ms(row.get("UpdateTime"))),
    }


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


# --------------------------------------------------------------------------------------------------------------
# Starting a job once
# --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """Which run of the task this is: a retry keeps the round, clearing the task begins a new one.

    Airflow counts neither alone: editing ``retries`` can change ``max_tries`` and clearing another task changes
    ``clear_number``, so a new round needs both to differ. What does not show here is ``Intent.is_of``.
    """

    max_tries: int
    clear_number: int

    def is_same(self, other: Round) -> bool:
        """Whether ``other`` is the same round, seen at another time."""
        return self.max_tries == other.max_tries or self.clear_number == other.clear_number

    @property
    def earlier(self) -> Round:
        """Return a round that this one comes after."""
        return Round(self.max_tries - 1, self.clear_number - 1)


@dataclass(frozen=True)
class Disowned:
    """A job that was taken for somebody else's, because what it left was seen to differ from the request.

    Whatever changed that in between may be listed later only, and then the job may have been this task's after all.
    """

    job_id: str
    create_time_ms: int
    seen_time_ms: int


@dataclass(frozen=True)
class Intent:
    """What is stored before a start is sent, so that whoever comes later can find the job it led to."""

    operation: str
    app_id: str
    digest: str
    round: Round
    service_time_ms: int
    known_job_ids: tuple[str, ...] = ()
    # Where its job may live: a later try may name other environments.
    environments: tuple[str, ...] = ()
    target_existed: bool | None = None
    # When the latest start was sent, if that was after one that left no trace: patience counts from here.
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
    def job(self) -> Job:
        """Return what is stored of its job."""
        return Job(self.app_id, self.job_environment or "", self.job_id or "", self.operation)

    def is_of(self, round: Round) -> bool:
        """Whether it belongs to this round.

        Where a try has returned with the job, ``max_tries`` alone tells: a clear that resets no DAG run (Airflow's
        ``reset_dag_runs=False``) is not counted in ``clear_number``, and whoever clears what has succeeded wants
        another job.
        """
        if self.reported:
            return self.round.max_tries == round.max_tries
        return self.round.is_same(round)

    def is_for(self, digest: str) -> bool:
        """Whether it was written for the same request; digests of other versions cannot be compared."""
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


@dataclass(frozen=True)
class Situation:
    """All that a decision depends on."""

    operation: JobOperation
    round: Round
    digest: str
    intent: Intent | None
    # The rows of the environments that the job may live in.
    jobs: tuple[Job, ...] = ()
    # The environments that the job will hold: a pending job elsewhere is not in the way, unless the whole app is
    # removed.
    targets: tuple[str, ...] = ()
    # Whether this try has sent the start that the intent stands for: then its job's end is this try's end.
    sent_in_this_try: bool = False
    # Whether what the operation creates or removes exists now; None where the service cannot tell.
    target_exists: bool | None = None
    # Whether an environment that exists holds neither auth nor API nor storage, as what a failed job leaves behind.
    target_is_empty: bool | None = None
    on_pending_job: str = "wait"
    if_exists: str = "fail"
    if_missing: str = "fail"
    # Seconds for which a start that left no trace can still show up: it may be under way, and the list may lag.
    patience_left: float = 0.0


@dataclass(frozen=True)
class Decision:
    """What to do next, and why: the two are the log line."""

    reason: str
    act: ClassVar[str]


@dataclass(frozen=True)
class Send(Decision):
    """Store the intent, then send the start."""

    act = "Starting"


@dataclass(frozen=True)
class Adopt(Decision):
    """Take this job as the one that this task started."""

    act = "Taking an existing job"

    job: Job = field(kw_only=True)


@dataclass(frozen=True)
class WaitFor(Decision):
    """Wait until somebody else's job has ended, then decide again."""

    act = "Waiting for another job"

    job: Job = field(kw_only=True)


@dataclass(frozen=True)
class LookAgain(Decision):
    """Look again a little later."""

    act = "Looking for the job"


@dataclass(frozen=True)
class Done(Decision):
    """Succeed without starting anything."""

    act = "Nothing to start"

    outcome: Outcome = field(kw_only=True)


@dataclass(frozen=True)
class Refuse(Decision):
    """Fail, with the reason."""

    act = "Failing"
    # Whether every retry comes to the same end, so that whoever clears the task wants it done again.
    is_final: bool = field(default=False, kw_only=True)


_EARLIER_FAILED = "the job of an earlier try failed"


def decide(situation: Situation) -> Decision:
    """Decide how to come to a job that is started once.

    The order matters: first what this task may have started before, then somebody else's pending job, then
    what exists already.
    """
    situation = _reopened(situation)
    intent = situation.intent
    if intent is None:
        return _decide_fresh(situation)
    if not (intent.is_of(situation.round) and intent.is_for(situation.digest)):
        return _decide_after_clear(situation, intent)
    if intent.job_id:
        return _decide_with_job_id(situation, intent)
    if intent.refused:
        return _decide_fresh(situation, "an earlier start was refused")
    return _decide_without_job_id(situation, intent)


def _reopened(situation: Situation) -> Situation:
    """Return the situation as it is once a job that was found by looking has failed.

    It may have been somebody else's, and our own start may still show up: it is looked for as before.
    """
    intent = situation.intent
    if intent is None or intent.presumed or not intent.found_by_looking:
        return situation
    found = own_job(situation.jobs, intent)
    if found is None or not found.is_failed:
        return situation
    return replace(situation, intent=disowned(intent, found))


def _decide_fresh(situation: Situation, before: str = "nothing was started before") -> Decision:
    pending = newest(job for job in situation.jobs if not job.is_finished and _is_in_target(situation, job))
    if pending:
        return decide_pending(situation, pending)
    if situation.operation.effect is Effect.CREATES and situation.target_exists:
        return _decide_existing(situation)
    if situation.operation.effect is Effect.REMOVES and situation.target_exists is False:
        if situation.if_missing == "skip":
            return Done("there is nothing to remove (if_missing='skip')", outcome=Outcome.SKIPPED)
        return Refuse(
            f"the {situation.operation.resource} to remove does not exist; check the name, or set "
            "if_missing='skip' if that is as good as removed"
        )
    return Send(f"{before}, and nothing is in the way")


def _is_in_target(situation: Situation, job: Job) -> bool:
    return situation.operation.resource == "app" or job.backend_environment_name in situation.targets


def decide_pending(situation: Situation, pending: Job) -> Decision:
    """Decide what to do about another job that holds the environment."""
    if situation.on_pending_job == "wait":
        return WaitFor(f"{pending.ref} is {pending.status}; the start comes after it", job=pending)
    return Refuse(
        f"{pending.ref} is still {pending.status} and blocks its environment; set on_pending_job='wait' to start "
        "after it"
    )


def _decide_existing(situation: Situation) -> Decision:
    resource = situation.operation.resource
    if situation.if_exists == "skip" and resource == "environment":
        # It may show before it is whole, and the row of a clone may live in its source.
        cloning = newest(job for job in situation.jobs if job.operation == "CloneBackend" and not job.is_finished)
        if cloning:
            return decide_pending(situation, cloning)
    leftover = _leftover(situation)
    intent = situation.intent
    is_own = leftover is not None and intent is not None and leftover.job_id == intent.job_id
    if leftover and not (is_own or _is_in_target(situation, leftover)):
        return Refuse(
            f"the {resource} exists and shows nothing in it: it may be only the leftover of {leftover.ref}, which "
            "failed and whose row does not name its target; look at it, then delete it or mark the task as success"
        )
    if leftover:
        advice = (
            "delete it first (DeleteBackendOperator with if_missing='skip'); on_failure='delete_target' does that "
            "where the failed job is certainly this task's own"
            if resource == "environment"
            else "look at it, and delete it first or mark the task as success"
        )
        return Refuse(f"the {resource} exists, but only as the leftover of {leftover.ref}, which failed; {advice}")
    if situation.if_exists == "skip":
        return Done("it exists already (if_exists='skip')", outcome=Outcome.FOUND)
    return Refuse(
        f"the {situation.operation.resource} to create exists already; choose another name, or set if_exists='skip' "
        "if what exists is as good as created"
    )


def _leftover(situation: Situation) -> Job | None:
    """Return the failed job that left behind what exists, if the newest creation of it failed.

    The places to look, of which the first that lists a creation counts: the target, then the source, where the row of a
    clone may live and does not say which environment it was to create, so that it counts for an empty one only. Of
    auth, an API or storage a row does not tell the name, so there only our own job counts.
    """
    intent, resource = situation.intent, situation.operation.resource
    own = own_job(situation.jobs, intent) if intent and intent.job_id and intent.is_for(situation.digest) else None
    ours = own if own and own.is_failed and intent and intent.target_existed is False else None
    # The job of an earlier start with other parameters created another environment.
    others = intent.job_id if intent and not intent.is_for(situation.digest) else None
    listed = [job for job in situation.jobs if job.job_id != others]
    here = newest_creation(resource, (job for job in listed if _is_in_target(situation, job)))
    if resource != "environment":
        return ours if here is None or (ours and here.job_id == ours.job_id) else None
    last = here or ours
    if last is None and situation.target_is_empty is not False:
        last = newest_creation(resource, listed)
    return last if last and last.is_failed else None


def _decide_after_clear(situation: Situation, intent: Intent) -> Decision:
    earlier = own_job(situation.jobs, intent)
    if _may_show_up(situation, intent, earlier):
        return LookAgain("a start of the task's earlier round may have been sent and its job is not listed yet")
    if earlier is None and intent.job_id and not intent.job_failed and situation.patience_left > 0:
        return LookAgain(f"job {intent.job_id} of the task's earlier round is not listed yet")
    if earlier and earlier.is_completed and intent.is_for(situation.digest) and _is_unreported(situation, earlier):
        return Adopt("the task was cleared before it could report this job, which has completed since", job=earlier)
    if earlier is None or earlier.is_finished:
        return _decide_fresh(situation, "the task was cleared, so it is done again")
    if intent.is_for(situation.digest):
        return Adopt("the task was cleared while its job was running: it is awaited, not started twice", job=earlier)
    return WaitFor(f"{earlier.ref}, which this task started with other parameters, is still running", job=earlier)


def _is_unreported(situation: Situation, completed: Job) -> bool:
    """Whether no try has returned with this completed job yet, and nothing has come after it that may undo it.

    The task was cleared while the job was running, then, however long it took until a worker looked.
    """
    if situation.intent is None or situation.intent.reported or situation.intent.presumed:
        return False
    undone_if = {Effect.CREATES: False, Effect.REMOVES: True}.get(situation.operation.effect)
    if undone_if is not None and situation.target_exists is undone_if:
        return False
    last = newest(job for job in situation.jobs if _is_in_target(situation, job) or job.job_id == completed.job_id)
    return last is not None and last.job_id == completed.job_id


def _decide_with_job_id(situation: Situation, intent: Intent) -> Decision:
    if intent.job_failed:
        return _decide_fresh(situation, _EARLIER_FAILED)
    job = own_job(situation.jobs, intent)
    if job is None:
        if situation.patience_left > 0:
            return LookAgain(f"job {intent.job_id} of an earlier try is not listed yet")
        return Adopt(
            f"job {intent.job_id} was started by an earlier try of this task, though the list no longer shows it",
            job=intent.job,
        )
    if job.is_failed:
        return _decide_fresh(situation, _EARLIER_FAILED)
    return Adopt(f"job {job.job_id} was started by an earlier try of this task", job=job)


def _decide_without_job_id(situation: Situation, intent: Intent) -> Decision:
    job = own_job(situation.jobs, intent)
    if job and job.is_failed and not situation.sent_in_this_try:
        if _may_show_up(situation, intent, job):
            return LookAgain(f"{job.ref} failed, and may be somebody else's: ours may not be listed yet")
        return _unless_in_doubt(situation, intent, _decide_fresh(situation, _EARLIER_FAILED))
    is_gone = situation.operation.effect is Effect.REMOVES and situation.target_exists is False
    if job and intent.presumed and job.is_finished and not is_gone:
        return Refuse(
            f"{job.ref} ended since this DAG run began, and without Airflow's task state store (3.3+) it cannot be "
            "told whether an earlier try of this task started it; look at the environment, then clear the task or "
            "mark it as success"
        )
    if job:
        return Adopt("it appeared after this task's start was sent, whose answer was lost", job=job)
    if intent.presumed:
        return _unless_in_doubt(situation, intent, _decide_fresh(situation))
    if is_gone:
        return Done("it is gone, after a start whose answer was lost", outcome=Outcome.ADOPTED)
    if _may_show_up(situation, intent, job):
        return LookAgain("a start may have been sent and its job is not listed yet")
    if situation.operation.effect is Effect.CREATES and situation.target_exists and not intent.target_existed:
        return Refuse(
            f"the {situation.operation.resource} appeared after this task's start was sent, whose answer was lost, "
            "but no job for it is listed; look at it, then clear the task with if_exists='skip' or delete it"
        )
    no_trace = "an earlier start has left no trace for as long as it may take to show"
    return _unless_in_doubt(situation, intent, _decide_fresh(situation, no_trace))


def _unless_in_doubt(situation: Situation, intent: Intent, decision: Decision) -> Decision:
    """Hold a start back while it cannot be told whether a job that was disowned was this task's own.

    What has changed what it left may be listed as late as any other job, so the question is asked anew before the start
    is sent, and not before patience has passed since the difference was seen.
    """
    if not isinstance(decision, Send):
        return decision
    for earlier in intent.disowned:
        later = newest(job for job in situation.jobs if _may_explain(situation.operation, earlier, job))
        if later:
            return Refuse(
                f"it cannot be told whether job {earlier.job_id} was started by this task and changed by {later.ref} "
                "since; look at it, then clear the task to do it again, or mark it as success",
                is_final=True,
            )
    if intent.disowned and situation.patience_left > 0:
        return LookAgain(
            f"job {intent.disowned[-1].job_id} seems to be somebody else's, but what has changed what it left may not "
            "be listed yet"
        )
    return decision


def doubted(situation: Situation) -> Job | None:
    """Return the job that was disowned last, if what it left is to be compared once more before a start is sent."""
    intent = situation.intent
    if intent is None or not intent.disowned or intent.job_id or intent.refused:
        return None
    if not (intent.is_of(situation.round) and intent.is_for(situation.digest)):
        return None
    last = intent.disowned[-1].job_id
    return next((job for job in situation.jobs if job.job_id == last and job.is_completed), None)


def _may_explain(operation: JobOperation, earlier: Disowned, job: Job) -> bool:
    """Whether a job may have changed what the disowned one left, before that was looked at."""
    created = job.create_time_ms or 0
    is_between = earlier.create_time_ms <= created <= earlier.seen_time_ms + SERVICE_CLOCK_MARGIN_MS
    return is_between and job.job_id != earlier.job_id and _changes(operation, job)


def _may_show_up(situation: Situation, intent: Intent, found: Job | None) -> bool:
    """Whether a job of ours can still come to be listed; one that failed may be somebody else's."""
    is_open = found is None or found.is_failed
    return is_open and is_unanswered(intent) and situation.patience_left > 0


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
        if _may_be_named(job, intent.operation)
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


def _may_be_named(job: Job, operation: str) -> bool:
    """Whether a row may be of this operation; a word that is no operation's name may stand for any."""
    return job.operation == operation or job.operation not in JOB_OPERATIONS


def earlier_durations(jobs: Iterable[Job], operation: str, *, most: int = 10) -> list[float]:
    """Return how long the youngest completed jobs of an operation took, in seconds."""
    done = sorted((job for job in jobs if job.operation == operation), key=lambda job: job.create_time_ms or 0)
    return [job.seconds for job in done if job.seconds is not None][-most:]


def newest(jobs: Iterable[Job]) -> Job | None:
    """Return the youngest of some jobs; the service lists them in no time order."""
    return max(jobs, key=lambda job: job.create_time_ms or 0, default=None)


def newest_creation(resource: str, jobs: Iterable[Job]) -> Job | None:
    """Return the youngest of the jobs that create this kind of resource."""
    kinds = {
        name for name, known in JOB_OPERATIONS.items() if (known.resource, known.effect) == (resource, Effect.CREATES)
    }
    return newest(job for job in jobs if job.operation in kinds)


def is_unanswered(intent: Intent) -> bool:
    """Whether a start was, or may have been, sent for it, and nobody knows what became of that."""
    return not (intent.job_id or intent.refused or intent.presumed)


def write_intent(
    situation: Situation,
    app_id: str,
    service_time_ms: int,
    environments: tuple[str, ...] = (),
    *,
    try_number: int = 0,
) -> Intent:
    """Return the intent to store just before sending.

    :param environments: Where its job may live, as far as the request tells.
    :param try_number: The try that is about to send.
    """
    situation = _reopened(situation)
    earlier = situation.intent
    same_round = earlier is not None and earlier.is_of(situation.round)
    if earlier and same_round and earlier.is_for(situation.digest) and is_unresolved(situation):
        # The lost start may still show up: whoever looks for the job must look from before it.
        return replace(
            earlier,
            round=situation.round,
            digest=situation.digest,
            resent_time_ms=service_time_ms,
            target_existed=earlier.target_existed and situation.target_exists is not False,
            starts=earlier.starts + 1,
            sent_in_try=try_number,
            version=INTENT_VERSION,
        )
    return Intent(
        operation=situation.operation.name,
        app_id=app_id,
        digest=situation.digest,
        round=situation.round,
        service_time_ms=service_time_ms,
        known_job_ids=_known_job_ids(situation),
        environments=environments,
        target_existed=situation.target_exists,
        starts=(earlier.starts if earlier and same_round else 0) + 1,
        sent_in_try=try_number,
    )


def _known_job_ids(situation: Situation) -> tuple[str, ...]:
    """Return the jobs that cannot come of a start that is sent now, the newest last.

    What an earlier intent knew counts too: its jobs may not be listed just now.
    """
    earlier = situation.intent
    listed = sorted(situation.jobs, key=lambda job: job.create_time_ms or 0)
    known = dict.fromkeys(
        (
            *(earlier.known_job_ids if earlier else ()),
            *([earlier.job_id] if earlier and earlier.job_id else ()),
            *(job.job_id for job in listed if _may_be_named(job, situation.operation.name)),
        )
    )
    return tuple(known)[-MAX_KNOWN_JOB_IDS:]


def turned_down(intent: Intent, situation: Situation) -> Intent:
    """Return the intent after a plain no: this start was not accepted and never will be.

    :param intent: As it was stored before sending.
    :param situation: In which that was decided. An earlier start that left no trace is then looked for as before.
    """
    earlier = _reopened(situation).intent
    if earlier is None or not is_unresolved(situation):
        return replace(intent, refused=True)
    return replace(intent, resent_time_ms=earlier.resent_time_ms, sent_in_try=earlier.sent_in_try)


def patience_since(intent: Intent) -> int | None:
    """Return when, in the service's time, the last thing happened whose consequences may be listed late.

    A presumed start is long past, so there only a job that was disowned counts; None if nothing does.
    """
    seen = max((job.seen_time_ms for job in intent.disowned), default=0)
    if intent.presumed:
        return seen or None
    return max(intent.service_time_ms, intent.resent_time_ms, intent.lost_time_ms, seen)


def is_unresolved(situation: Situation) -> bool:
    """Whether an earlier start of this request left no trace: neither an answer nor a job."""
    situation = _reopened(situation)
    intent = situation.intent
    return intent is not None and is_unanswered(intent) and not has_own_job(situation)


def has_own_job(situation: Situation) -> bool:
    """Whether the service shows the job of an earlier start."""
    return situation.intent is not None and own_job(situation.jobs, situation.intent) is not None


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


def after_difference(
    intent: Intent, operation: JobOperation, job: Job, listed: Iterable[Job], difference: str, now_ms: int
) -> tuple[Intent | None, str]:
    """Return how to go on after an adopted job has left something else than was asked for, and why.

    What is seen was left by the youngest job, so an older one may have been ours all the same. Where that cannot be
    told, None: neither is a second start right, nor a success.

    :param now_ms: The service's time when the difference was seen.
    """
    later = newest(other for other in listed if _may_have_changed(operation, job, other))
    remembered = Disowned(job.job_id, job.create_time_ms or 0, now_ms)
    rest = replace(disowned(intent, job), disowned=(*intent.disowned, remembered))
    if later is None and not intent.passed_over:
        return rest, f"{job.ref} seems to be somebody else's: {difference}"
    if later and later.operation == operation.name and later.job_id not in intent.known_job_ids:
        return replace(rest, passed_over=True), f"{difference}, but {later.ref} may be this task's"
    whose = "an earlier job" if later is None else f"{job.ref}"
    return None, (
        f"{difference}, and it cannot be told whether {whose} was started by this task and changed by "
        f"{(later or job).ref} since; look at it, then clear the task to do it again, or mark it as success"
    )


def _may_have_changed(operation: JobOperation, job: Job, other: Job) -> bool:
    is_later = (other.create_time_ms or 0) >= (job.create_time_ms or 0)
    return is_later and other.job_id != job.job_id and _changes(operation, other)


def _changes(operation: JobOperation, job: Job) -> bool:
    """Whether a job may change what a job of the operation leaves."""
    known = JOB_OPERATIONS.get(job.operation or "")
    return known is not None and known.resource in (operation.resource, "environment", "app") and not job.is_failed


def digest(operation: str, request: Mapping[str, Any]) -> str:
    """Return a short digest of a request from which secrets have been taken out."""
    canonical = json.dumps([operation, request], sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
