"""Starting a job once: the calls and the bookkeeping around the rules of ``jobs.decide``.

``StartProtocol`` is a generator of actions, free of I/O, so that tests can drive it step by step. ``StartOnce`` drives
it on a worker. What a decision depends on lies in the intent, which is stored or, where Airflow has no store, travels
with a deferral: the object itself does not survive one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_amplifybackend.core import comparison as effects
from airflow_provider_amplifybackend.core import meta_config as meta
from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.core import waiting as polling
from airflow_provider_amplifybackend.core.secrets import redact_secrets
from airflow_provider_amplifybackend.core.waiting import FaultKind, ServiceError
from airflow_provider_amplifybackend.exceptions import (
    AmplifyBackendError,
    BackendParameterError,
    BackendRequestError,
    BackendStartError,
    BackendTimeoutError,
    request_error,
)
from airflow_provider_amplifybackend.start import rules as jobs
from airflow_provider_amplifybackend.start.rules import Effect, Intent, Job, JobRef, Outcome, Situation

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

STORE_KEY = "amplifybackend_start"
# An intent older than this is written again before sending: the write must succeed, so it is the fence that keeps
# an orphaned or cleared attempt from sending beside the one that took over. The client refuses to send later, too.
INTENT_FRESH_SECONDS = 5.0
MAX_INTENT_WRITES = 3
LOOK_DELAY = 2.0
RESEND_DELAY = 3.0
MAX_RESEND_DELAY = 30.0
# A refusal for a pending job that no list shows: it ended just now, or the list lags, or it means something else.
MAX_UNEXPLAINED_REFUSALS = 5
DATE_RESOLUTION_MS = 1_000  # of the HTTP Date header


class StateStore(Protocol):
    """Airflow's task state store, as far as it is used here."""

    def get(self, key: str, default: Any = None) -> Any: ...
    def set(self, key: str, value: Any) -> None: ...


class Log(Protocol):
    """A logger, as far as it is used here: Airflow's, or the standard library's."""

    def info(self, msg: str, /, *args: Any) -> Any: ...
    def warning(self, msg: str, /, *args: Any) -> Any: ...


@dataclass(frozen=True)
class SendStart:
    """Send the start once; answered with the job, or with the ServiceError thrown in."""

    operation: str
    request: Mapping[str, Any]
    may_send: Callable[[], bool]


@dataclass(frozen=True)
class Save:
    """Store the intent under a key; must succeed before the protocol continues."""

    intent: Intent
    key: str


@dataclass(frozen=True)
class Prepare:
    """Make the client for starts."""


@dataclass(frozen=True)
class Pause:
    """Let this much time pass."""

    seconds: float


class Whose(StrEnum):
    """Whose job is waited for, and so what comes after it."""

    OWN = "own"
    # Another job holds the environment: the start is decided anew after it.
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


@dataclass(frozen=True)
class Announce:
    """Tell which job it is, before it is waited for; None if there is none."""

    job: Job | None


Action = polling.Call | SendStart | Save | Pause | Prepare | AwaitEnd | Announce
T = TypeVar("T")
Steps = Generator[Action, Any, T]


@dataclass(frozen=True)
class Policy:
    """What the user wants where something is in the way."""

    on_pending_job: str = "wait"
    if_exists: str = "fail"
    if_missing: str = "fail"
    patience: float = 60.0


@dataclass(frozen=True)
class Reached:
    """The job was started, adopted, or is not needed (``job`` is None)."""

    outcome: Outcome
    job: Job | None = None
    # How long earlier jobs of the operation took, in seconds: when it is worth looking.
    durations: tuple[float, ...] = ()


@dataclass(frozen=True)
class Blocked:
    """Another job holds the environment: wait for it, then come again."""

    job: Job


class Fence:
    """A moment at which the task was still this try's.

    Two clocks, because one stands still while a machine sleeps, and the other can be set back.
    """

    def __init__(self) -> None:
        self._monotonic, self._time = time.monotonic(), time.time()

    def is_fresh(self) -> bool:
        """Whether too little time has passed for anybody else to have been given the task and to have looked."""
        passed = max(time.monotonic() - self._monotonic, time.time() - self._time)
        return passed <= INTENT_FRESH_SECONDS


TRAVELLING_VERSION = 1


def travelling(intent: Intent | None) -> dict[str, Any] | None:
    """Return the form in which an intent travels with a deferral, where Airflow has no state store."""
    return {"version": TRAVELLING_VERSION, "intent": intent.to_stored()} if intent else None


def arrived(travelled: object) -> Intent | None:
    """Return the intent that has travelled with a deferral; None if none has.

    :raises BackendStartError: A newer version has written it, so that it cannot be told what was started.
    """
    if not travelled:
        return None
    intent = None
    if isinstance(travelled, Mapping) and travelled.get("version") == TRAVELLING_VERSION:
        intent = Intent.from_stored(travelled.get("intent"))
    if intent is None:
        raise BackendStartError(
            f"nothing was sent, because what this task knew before its deferral cannot be read: {travelled!r}. Another "
            "version of the package has written it: look for the job before you retry the task"
        )
    return intent


def report(store: StateStore | None, job: Job, log: Log) -> None:
    """Note that the task returns with this job: if it is cleared from now on, that means to do it again."""
    try:
        intent = Intent.from_stored(store.get(STORE_KEY)) if store else None
        if store and intent and intent.job_id == job.job_id and not intent.reported:
            store.set(STORE_KEY, replace(intent, reported=True).to_stored())
    except Exception as error:  # noqa: BLE001
        # The job is done all the same.
        log.warning("The end of the job could not be stored (%s): %s", error, job.ref)


class StartProtocol:
    """One attempt to have a job started once, without I/O: it yields actions.

    :param try_number: The try that this attempt is a part of: a deferral does not end it.
    :param arrived: The intent of the same try, where it has travelled with a deferral and not in a store.
    :param presumed: Without a store, what a later try presumes about the earlier ones.
    :param key: Where the intent is stored.
    """

    def __init__(
        self,
        api_operation: str,
        request: Mapping[str, Any],
        *,
        round: jobs.Round,
        policy: Policy,
        deadline: float,
        log: Log,
        store: StateStore | None = None,
        arrived: Intent | None = None,
        presumed: Intent | None = None,
        try_number: int = 0,
        key: str = STORE_KEY,
    ) -> None:
        _check_names(request)
        self.operation = jobs.JOB_OPERATIONS[api_operation]
        self.request = dict(request)
        self.app_id: str = request["AppId"]
        self.round = round
        self.policy = policy
        self.deadline = deadline
        self.log = log
        self.store = store
        self.key = key
        self.try_number = try_number
        self.intent = (arrived or presumed) if store is None else self._stored_intent(store)
        self._presumed = presumed if store is None else None
        self.digest = jobs.digest(api_operation, redact_secrets(request))
        self._service_time_ms: int | None = None
        self._noted_at = 0.0
        self._lost_as = ""
        # Where the job may live, as far as is known when the start is sent.
        self._looked_in: tuple[str, ...] = ()
        self._refusals = 0
        self._refused_since = 0.0
        self._resends = 0

    def _stored_intent(self, store: StateStore) -> Intent | None:
        stored = store.get(self.key)
        intent = Intent.from_stored(stored)
        if stored is not None and intent is None:
            raise BackendStartError(
                f"{self._label}: nothing was sent, because {self.key!r} in the task's state cannot be read by this "
                f"version of the package: {stored!r}. A newer one may have started a job: install that again, or look "
                "for the job, and then delete the key to have another one started"
            )
        return intent

    # ------------------------------------------------------------------------------------------------ the whole

    def run(self, *, wait: bool = True) -> Steps[Reached]:
        """Come to the end of the job: start it, wait for it, and for other jobs before it.

        :param wait: Whether to wait for its end.
        :return: With the job as it was seen last: failed, too.
        """
        while True:
            step = yield from self.advance()
            if isinstance(step, Blocked):
                yield from self._wait_for_other(step.job)
                continue
            yield Announce(step.job)
            if step.job is None or not (wait or step.job.is_finished):
                return step
            ended = yield from self._end_of(step, step.job)
            if (yield from self._counts(ended, step.outcome)):
                return replace(step, job=ended)

    def resume(self, outcome: Outcome, ended: Job) -> Steps[Reached]:
        """Come to the end of the job, once one that was waited for elsewhere has ended."""
        if (yield from self._counts(ended, outcome)):
            return Reached(outcome, ended)
        return (yield from self.run())

    def _counts(self, ended: Job, outcome: Outcome) -> Steps[bool]:
        """Tell whether the end of a job is the end of this try."""
        if ended.is_failed or outcome is not Outcome.ADOPTED:
            return True
        return not (yield from self.disowns(ended))

    def _wait_for_other(self, job: Job) -> Steps[None]:
        try:
            ended = yield AwaitEnd(job.ref, Whose.OTHER)
        except (BackendTimeoutError, BackendRequestError) as error:
            yield from self.after_wait_in_vain(error)
        else:
            self.note_other_ended(ended)

    def note_other_ended(self, ended: Job) -> None:
        """Log what was waited for, and how it ended: the log of the wait itself may be another one."""
        say = self.log.warning if ended.is_failed else self.log.info
        say("No longer in the way, %s", polling.ended_text(ended))

    def _end_of(self, reached: Reached, job: Job) -> Steps[Job]:
        ref = yield from self.place_of(job)
        seen = job if job.is_finished else (yield from self.first_look(ref))
        # A job that has ended needs no trigger, and one trigger that fires at once can fail its task (Airflow 3.3).
        if seen is not None and seen.is_finished:
            return seen
        ended: Job = yield AwaitEnd(ref, Whose.OWN, reached.outcome, reached.durations)
        return ended

    def first_look(self, ref: JobRef) -> Steps[Job | None]:
        """Look at a job once; None if it does not show, for whatever reason."""
        try:
            return (yield from polling.look_at_job(ref))
        except ServiceError as error:
            self.log.info("Waiting after a status check that failed (%s): %s", error, ref)
            return None

    def place_of(self, job: Job) -> Steps[JobRef]:
        """Return where to look for a job of this start: where the answer says, else where the request says."""
        named = dict.fromkeys(filter(None, (job.backend_environment_name, *self.operation.environments(self.request))))
        environments = tuple(named) or (yield from self._readable_environments())
        return JobRef(job.app_id, job.job_id, environments, self.operation.name)

    # ------------------------------------------------------------------------------------------------- deciding

    def advance(self) -> Steps[Reached | Blocked]:
        """Come as far as possible without waiting for a job.

        :raises BackendStartError: Something is in the way, and the policy says to fail.
        :raises BackendRequestError: The service refused the start.
        """
        last_reason = None
        while True:
            situation = yield from self._look_patiently()
            decision = jobs.decide(situation)
            if decision.reason != last_reason:
                self.log.info("%s: %s [%s]", decision.act, decision.reason, self._label)
                last_reason = decision.reason
            if isinstance(decision, jobs.Send | jobs.LookAgain) and time.time() >= self.deadline:
                what = "before a start" if isinstance(decision, jobs.Send) else "before it was known what became of it"
                raise BackendStartError(
                    f"{self._label}: the time budget ended {what}: {decision.reason}{self._lost_as}"
                )
            reached = yield from self._follow(decision, situation)
            if isinstance(reached, Reached):
                durations = jobs.earlier_durations(situation.jobs, self.operation.name)
                return replace(reached, durations=tuple(durations))
            if reached:
                return reached

    @property
    def _label(self) -> str:
        environments = " or ".join(self.operation.environments(self.request))
        where = f", environment {environments}" if environments else ""
        return f"{self.operation.name} (app {self.app_id}{where})"

    def _follow(self, decision: jobs.Decision, situation: Situation) -> Steps[Reached | Blocked | None]:
        match decision:
            case jobs.Done(outcome=outcome):
                if outcome is Outcome.SKIPPED:
                    yield from self._warn_of_unknown_app()
                return Reached(outcome)
            case jobs.Adopt(job=job):
                return (yield from self._adopt(job))
            case jobs.WaitFor(job=job):
                self._refusals = 0
                return Blocked(job)
            case jobs.Refuse():
                if decision.is_final:
                    yield from self._change(reported=True)
                raise BackendStartError(f"{self._label}: {decision.reason}")
            case jobs.LookAgain():
                yield from self._pause(LOOK_DELAY)
            case jobs.Send():
                doubted = jobs.doubted(situation)
                if doubted and not (yield from self._difference()):
                    return (yield from self._adopt(doubted))
                return (yield from self._send(situation))
        return None

    def _warn_of_unknown_app(self) -> Steps[None]:
        """An app that the service does not know holds nothing to remove; more likely its id or the region is wrong."""
        try:
            is_known = bool((yield from self._read("GetBackend", {"AppId": self.app_id})))
        except BackendRequestError:
            return  # only a hint: the task needs no such permission, and has nothing else to ask
        if not is_known:
            self.log.warning(
                "The service does not know the app, so there is nothing to remove; check app_id, region_name and the "
                "account of the connection [%s]",
                self._label,
            )

    def _adopt(self, job: Job) -> Steps[Reached]:
        if self.intent:
            yield from self._remember(jobs.adopted(self.intent, job, self.round))
        return Reached(Outcome.ADOPTED, job)

    def disowns(self, job: Job) -> Steps[bool]:
        """Tell whether an adopted job, now completed, was somebody else's: then ours is still to be started.

        Only a job that was found by looking can be, and only what it left tells.

        :raises BackendStartError: Something else has changed that since, so that it does not tell.
        """
        intent = self.intent
        if intent and intent.job_id == job.job_id and not intent.found_by_looking:
            return False
        difference = yield from self._difference()
        if difference:
            # What it left may show a little later than its end.
            yield from self._pause(LOOK_DELAY)
            difference = yield from self._difference()
        if difference is None:
            return False
        with self._saying_what_for():
            listed = yield from self.list_jobs((yield from self._all_environments()))
        unknown = Intent(self.operation.name, self.app_id, self.digest, self.round, 0)
        rest, reason = jobs.after_difference(
            intent or unknown, self.operation, job, listed, difference, self._service_time()
        )
        if rest is None:
            # A retry comes to the same end; a clear is the order to do it again.
            yield from self._change(reported=True)
            raise BackendStartError(f"{self._label}: {reason}")
        self.log.warning("%s [%s]", reason, self._label)
        if intent:
            yield from self._remember(rest)
        return True

    def after_wait_in_vain(self, error: BackendTimeoutError | BackendRequestError) -> Steps[None]:
        """Go on if the other job, whose end did not show, is not there any more; else say what it was waited for.

        :raises BackendJobTimeoutError: The other job had not ended when the time budget did.
        :raises BackendRequestError: It cannot be looked at, and is listed as pending all the same.
        """
        if isinstance(error, BackendRequestError) and not (yield from self._pending_job((yield from self._look()))):
            self.log.info("No job is pending any more (%s) [%s]", error, self._label)
            return
        error.args = (f"{self._label}: nothing was started: {error}",)
        raise error

    def note_failure(self) -> Steps[None]:
        """Store that the job failed, before its environment is deleted and the service may know it no more."""
        yield from self._change(job_failed=True)

    def note_cleaned(self) -> Steps[None]:
        """Store that nothing is left of the failed job: what exists from now on is somebody else's."""
        yield from self._change(target_existed=True)

    def _change(self, **changes: Any) -> Steps[None]:
        if self.intent:
            yield from self._remember(replace(self.intent, **changes))

    def _difference(self) -> Steps[str | None]:
        """Compare what the job has left with the request. It is done: a service that is busy now is asked again."""
        looks = max(1, int(self.policy.patience / LOOK_DELAY))
        while True:
            looks -= 1
            try:
                return (yield from effects.difference(self.operation.name, self.request))
            except ServiceError as error:
                if not (self._may_pass(error) and looks and time.time() < self.deadline):
                    raise BackendRequestError(f"{self._label}: cannot see what its job has left: {error}") from error
            yield from self._pause(LOOK_DELAY)

    # ------------------------------------------------------------------------------------------------- sending

    def _send(self, situation: Situation) -> Steps[Reached | Blocked | None]:
        intent = jobs.write_intent(
            # The earliest that it can be: whatever the start leads to is younger.
            situation,
            self.app_id,
            self._service_time() - DATE_RESOLUTION_MS,
            self._looked_in,
            try_number=self.try_number,
        )
        # Making a client can take long (credentials, an assumed role): not between the intent and the request.
        yield Prepare()
        fence = yield from self._write_fence(intent)
        try:
            job: Job = yield SendStart(self.operation.name, self.request, fence.is_fresh)
        except ServiceError as error:
            return (yield from self._after_error(error, intent, jobs.turned_down(intent, situation)))
        self.log.info("Accepted as job %s [%s]", job.job_id, self._label)
        yield from self._remember(jobs.answered(intent, job))
        return Reached(Outcome.STARTED, job)

    def _write_fence(self, intent: Intent) -> Steps[Fence]:
        """Store the intent: when that began, nobody else had been given the task."""
        for _ in range(MAX_INTENT_WRITES):
            fence = Fence()
            yield from self._remember(intent)
            if fence.is_fresh():
                return fence
        raise BackendStartError(
            f"{self._label}: nothing was sent, because storing the intent took more than {INTENT_FRESH_SECONDS:.0f} s "
            f"each of {MAX_INTENT_WRITES} times"
        )

    def _remember(self, intent: Intent) -> Steps[None]:
        self.intent = intent
        if self.store is not None:
            yield Save(intent, self.key)

    def _after_error(self, error: ServiceError, intent: Intent, refused: Intent) -> Steps[Reached | Blocked | None]:
        """Decide what an error means.

        :param intent: What was stored before sending.
        :param refused: What to store if it means that this start was not accepted.
        """
        if error.kind is FaultKind.UNCLEAR:
            self.log.warning("The answer to the start was lost (%s); looking for its job [%s]", error, self._label)
            yield from self._remember(replace(intent, lost_time_ms=self._service_time()))
            self._lost_as = f" (the answer to the last start was lost: {error})"
            if not self.policy.patience:
                yield from self._pause(LOOK_DELAY)
            return None
        # Anything else is a plain no: this start was not accepted and never will be.
        yield from self._remember(refused)
        if error.kind in (FaultKind.THROTTLED, FaultKind.UNSENT):
            yield from self._resend_later(error)
            return None
        if error.code == "ValidationException":
            return (yield from self._after_validation_exception(error))
        if (yield from self._is_settled_by_policy(error)):
            return None
        raise request_error(error, self.request) from error

    def _resend_later(self, error: ServiceError) -> Steps[None]:
        delay = min(RESEND_DELAY * 2**self._resends, MAX_RESEND_DELAY)
        self._resends += 1
        if time.time() + delay >= self.deadline:
            raise request_error(error, self.request) from error
        self.log.warning("Retrying in %.0f s: %s [%s]", delay, error, self._label)
        yield from self._pause(delay)

    def _after_validation_exception(self, error: ServiceError) -> Steps[Blocked | None]:
        """The service says ValidationException for a pending job, and for other things."""
        situation = yield from self._look()
        if jobs.has_own_job(situation):
            # What is in the way is the job of our earlier start, whose answer was lost.
            return None
        # Without an environment any job of the app would be taken for what is in the way of anything.
        pending = (yield from self._pending_job(situation)) if situation.targets or _says_pending(error) else None
        if pending:
            decision = jobs.decide_pending(situation, pending)
            if isinstance(decision, jobs.Refuse):
                raise BackendStartError(f"{self._label}: {decision.reason}. The service says: {error.message}")
            self.log.info("%s: %s [%s]", decision.act, decision.reason, self._label)
            self._refusals = 0
            return Blocked(pending)
        self._refusals += 1
        if self._refusals == 1:
            self._refused_since = time.monotonic()
        if self._refusals >= MAX_UNEXPLAINED_REFUSALS and not self._may_be_listed_later(error):
            raise request_error(error, self.request) from error
        yield from self._pause(LOOK_DELAY)
        return None

    def _may_be_listed_later(self, error: ServiceError) -> bool:
        """Whether the service says itself that a job is pending, so that it is the list that lags."""
        is_patient = time.monotonic() - self._refused_since < self.policy.patience and time.time() < self.deadline
        return is_patient and _says_pending(error) and self.policy.on_pending_job == "wait"

    def _is_settled_by_policy(self, error: ServiceError) -> Steps[bool]:
        """Whether what exists, or is missing, by now makes the refused start unnecessary."""
        with self._saying_what_for():
            exists = yield from self._target_exists()
        if self.operation.effect is Effect.CREATES:
            return exists is True and self.policy.if_exists == "skip"
        if self.operation.effect is Effect.REMOVES:
            return exists is False and self.policy.if_missing == "skip"
        return False

    def _pause(self, seconds: float) -> Steps[None]:
        yield Pause(max(0.0, min(seconds, self.deadline - time.time())))

    # ------------------------------------------------------------------------------------------------- looking

    def _look_patiently(self) -> Steps[Situation]:
        """Look; once a start may have been sent, a service that is busy is asked again until the deadline."""
        last_error = ""
        while True:
            try:
                return (yield from self._look())
            except BackendRequestError as error:
                may_have_sent = self.intent is not None and jobs.is_unanswered(self.intent)
                if not (may_have_sent and self._may_pass(_service_error(error)) and time.time() < self.deadline):
                    raise
                if str(error) != last_error:
                    self.log.warning("Retrying: %s", error)
                    last_error = str(error)
            yield from self._pause(LOOK_DELAY)

    def _may_pass(self, error: ServiceError | None) -> bool:
        """Whether a look may succeed a little later: credentials that have just been good are away for a moment."""
        if error is None:
            return False
        return error.is_transient or (error.kind is FaultKind.CREDENTIALS and self._service_time_ms is not None)

    def _look(self) -> Steps[Situation]:
        with self._saying_what_for():
            return (yield from self._situation())

    @contextmanager
    def _saying_what_for(self) -> Iterator[None]:
        """Name the start in the error of a look, which itself may name neither operation nor environment."""
        try:
            yield
        except BackendRequestError as error:
            raise BackendRequestError(f"{self._label}: cannot see whether it was started already: {error}") from error

    def _situation(self) -> Steps[Situation]:
        self._looked_in = yield from self._all_environments()
        listed = yield from self.list_jobs(self._looked_in)
        known = (yield from self._known_job()) or (yield from self._job_elsewhere())
        if known:
            listed = [known, *(job for job in listed if job.job_id != known.job_id)]
        self._recall_earlier_try(listed)
        target_exists = (yield from self._target_exists()) if self.operation.effect is not Effect.CHANGES else None
        return Situation(
            operation=self.operation,
            round=self.round,
            digest=self.digest,
            intent=self.intent,
            jobs=tuple(listed),
            targets=self.operation.target_environments(self.request),
            sent_in_this_try=self.intent is not None and self.intent.sent_in_try == self.try_number,
            target_exists=target_exists,
            target_is_empty=(yield from self._target_is_empty()) if target_exists else None,
            on_pending_job=self.policy.on_pending_job,
            if_exists=self.policy.if_exists,
            if_missing=self.policy.if_missing,
            patience_left=self._patience_left(),
        )

    def _recall_earlier_try(self, listed: Sequence[Job]) -> None:
        """Without a state store: what an earlier try had started may be listed only after our start was refused."""
        if self._presumed and self.intent and self.intent.refused:
            earlier = jobs.own_job(listed, self._presumed)
            if earlier and not earlier.is_finished:
                self.intent = self._presumed

    def _known_job(self) -> Steps[Job | None]:
        """Look at the job whose id is known by itself: the list may lag."""
        if self.intent is None or not self.intent.job_id:
            return None
        environments = dict.fromkeys((self.intent.job_environment or "", *self.intent.environments, *self._looked_in))
        ref = JobRef(self.intent.app_id, self.intent.job_id, tuple(filter(None, environments)), self.operation.name)
        try:
            return (yield from polling.look_at_job(ref))
        except ServiceError as error:
            if polling.says_missing(error):
                return None
            raise request_error(error, self.request) from error

    def _job_elsewhere(self) -> Steps[Job | None]:
        """Look for the job of a lost start where this try's request would not: its parameters may have changed."""
        intent = self.intent
        if intent is None or not jobs.is_unanswered(intent):
            return None
        elsewhere = tuple(name for name in intent.environments if name not in self._looked_in)
        listed = yield from self.list_jobs(elsewhere, intent.app_id)
        return jobs.own_job(listed, intent)

    def _patience_left(self) -> float:
        since = jobs.patience_since(self.intent) if self.intent else None
        return 0.0 if since is None else self.policy.patience - (self._service_time() - since) / 1000

    def _service_time(self) -> int:
        """Return the service's time, in milliseconds since the epoch: the latest that its answers allow."""
        if self._service_time_ms is None:
            return int(time.time() * 1000)
        return self._service_time_ms + int((time.monotonic() - self._noted_at) * 1000)

    def _all_environments(self) -> Steps[tuple[str, ...]]:
        return self.operation.environments(self.request) or (yield from self._readable_environments())

    def _readable_environments(self) -> Steps[tuple[str, ...]]:
        """Return the app's environments, without what the service lists and cannot be asked for."""
        return tuple(filter(names.can_name, (yield from self._environments_of_app())))

    def _environments_of_app(self) -> Steps[tuple[str, ...]]:
        return tuple((yield from self._read("GetBackend", {"AppId": self.app_id})).get("BackendEnvironmentList") or ())

    def list_jobs(self, environments: tuple[str, ...], app_id: str = "") -> Steps[list[Job]]:
        """Return the jobs of environments, of which one that the service does not know has none."""
        listed: list[Job] = []
        for environment in environments:
            try:
                for page in (yield from polling.job_pages(app_id or self.app_id, environment)):
                    self._note_time(page.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
                    listed += (
                        Job.from_response(row, app_id=app_id or self.app_id, backend_environment_name=environment)
                        for row in page.get("Jobs", [])
                    )
            except ServiceError as error:
                self._note_time(error.headers)
                if not polling.says_missing(error):
                    raise request_error(
                        error, {"AppId": app_id or self.app_id, "BackendEnvironmentName": environment}
                    ) from error
        return listed

    def _target_exists(self) -> Steps[bool | None]:
        match self.operation.resource:
            case "environment":
                return self.operation.target_environments(self.request)[0] in (yield from self._environments_of_app())
            case "app":
                return bool((yield from self._environments_of_app()))
            case "auth" | "api" | "storage" as category:
                return (yield from self._resource_exists(category))
        return None

    def _target_is_empty(self) -> Steps[bool | None]:
        """Whether the environment to create, which exists, holds nothing; None for anything but an environment."""
        if self.operation.resource != "environment" or self.operation.effect is not Effect.CREATES:
            return None
        names = {"AppId": self.app_id, "BackendEnvironmentName": self.operation.target_environments(self.request)[0]}
        document = (yield from self._read("GetBackend", names)).get("AmplifyMetaConfig")
        return not any(meta.category(document, name) for name in effects.READS) if document else None

    def _resource_exists(self, category: str) -> Steps[bool | None]:
        """Ask for the resource by name; an import has no name, so there any resource of its category counts."""
        keys = ("AppId", "BackendEnvironmentName", "ResourceName")
        request = {key: self.request[key] for key in keys if key in self.request}
        if "ResourceName" not in request:
            document = (yield from self._read("GetBackend", request)).get("AmplifyMetaConfig")
            return bool(meta.category(document, category)) if document else None
        return bool((yield from self._read(effects.READS[category], request)))

    def _read(self, api_operation: str, request: Mapping[str, Any]) -> Steps[dict[str, Any]]:
        """Read something; what the service does not know is empty."""
        try:
            response = yield polling.Call(api_operation, request)
        except ServiceError as error:
            self._note_time(error.headers)
            if error.kind is FaultKind.NOT_FOUND or error.code == "ValidationException":
                return {}
            raise request_error(error, request) from error
        self._note_time(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
        return {key: value for key, value in response.items() if key != "ResponseMetadata"}

    def _note_time(self, headers: Mapping[str, str]) -> None:
        """Keep the service's own time; the worker's clock is another clock.

        The header has whole seconds. The last moment of the second is taken, so that time never seems to jump ahead,
        which would cut patience short.
        """
        try:
            second = int(parsedate_to_datetime(headers["date"]).timestamp() * 1000)
        except (KeyError, TypeError, ValueError):
            return
        if self._service_time_ms is None or not second <= self._service_time() < second + DATE_RESOLUTION_MS:
            self._service_time_ms, self._noted_at = second + DATE_RESOLUTION_MS - 1, time.monotonic()

    def _pending_job(self, situation: Situation) -> Steps[Job | None]:
        """Return a job that may be in the way.

        Also in another environment: a clone may hold its source, and the removal of all may live in any.
        """
        pending = _newest_pending(situation.jobs)
        if pending:
            return pending
        with self._saying_what_for():
            elsewhere = yield from self.list_jobs((yield from self._readable_environments()))
        return _newest_pending(job for job in elsewhere if job.operation in ("CloneBackend", "RemoveAllBackends"))


class StartOnce:
    """The protocol, driven with a hook, a store and a clock.

    :param wait: How the end of a job is waited for. It may also leave for good, as a deferral does.
    :param announce: Told which job it is, before it is waited for.
    :param sleep: How time is let pass.
    :param options: Of :class:`StartProtocol`.
    """

    def __init__(
        self,
        hook: AmplifyBackendHook,
        api_operation: str,
        request: Mapping[str, Any],
        *,
        wait: Callable[[AwaitEnd], Job] | None = None,
        announce: Callable[[Job | None], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        **options: Any,
    ) -> None:
        self.hook = hook
        self.protocol = StartProtocol(api_operation, request, **options)
        self._wait = wait
        self._announce = announce
        self._sleep = sleep

    @property
    def intent(self) -> Intent | None:
        """What is known of the start."""
        return self.protocol.intent

    @property
    def policy(self) -> Policy:
        """What the user wants where something is in the way."""
        return self.protocol.policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self.protocol.policy = policy

    def run(self, *, wait: bool = True) -> Reached:
        """See :meth:`StartProtocol.run`."""
        return self.drive(self.protocol.run(wait=wait))

    def advance(self) -> Reached | Blocked:
        """See :meth:`StartProtocol.advance`."""
        return self.drive(self.protocol.advance())

    def disowns(self, job: Job) -> bool:
        """See :meth:`StartProtocol.disowns`."""
        return self.drive(self.protocol.disowns(job))

    def drive(self, steps: Steps[T]) -> T:
        """Do what a generator of actions asks for, and return its result."""
        try:
            action = next(steps)
            while True:
                try:
                    answer = self._do(action)
                except (ServiceError, AmplifyBackendError) as error:
                    action = steps.throw(error)
                else:
                    action = steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _do(self, action: Action) -> Any:
        match action:
            case polling.Call(operation, request):
                return self.hook.attempt(operation, request)
            case SendStart(operation, request, may_send):
                return self.hook.attempt_start(operation, request, may_send=may_send)
            case Save(intent, key):
                if self.protocol.store is not None:
                    self.protocol.store.set(key, intent.to_stored())
            case Pause(seconds):
                self._sleep(seconds)
            case Prepare():
                self.hook.prepare_start()
            case Announce(job):
                if self._announce:
                    self._announce(job)
            case AwaitEnd():
                if self._wait is None:
                    raise TypeError(f"nobody waits for the end of {action.ref}")
                return self._wait(action)
        return None


def _check_names(request: Mapping[str, Any]) -> None:
    """Refuse what is no name before an intent is stored; the client would refuse it only when it is sent."""
    for member in ("AppId", "BackendEnvironmentName", "TargetEnvironmentName"):
        problem = names.problem(member, request[member]) if member in request else None
        if problem:
            raise BackendParameterError(problem)


def _says_pending(error: ServiceError) -> bool:
    return "pending job" in error.message


def _service_error(error: BaseException | None) -> ServiceError | None:
    """Return the error of a call that has led to this one."""
    while error is not None and not isinstance(error, ServiceError):
        error = error.__cause__
    return error


def _newest_pending(listed: Iterable[Job]) -> Job | None:
    return jobs.newest(job for job in listed if not job.is_finished)
