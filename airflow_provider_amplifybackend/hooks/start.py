"""Starting a job once: the calls and the bookkeeping around the rules of ``jobs.decide``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_amplifybackend import effects, jobs, meta, polling
from airflow_provider_amplifybackend.exceptions import (
    BackendRequestError,
    BackendStartError,
    BackendTimeoutError,
    request_error,
)
from airflow_provider_amplifybackend.jobs import Effect, Intent, Job, JobRef, Outcome, Situation
from airflow_provider_amplifybackend.polling import FaultKind, ServiceError
from airflow_provider_amplifybackend.secrets import redact_secrets

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


class StateStore(Protocol):
    """Airflow's task state store, as far as it is used here."""

    def get(self, key: str, default: Any = None) -> Any: ...
    def set(self, key: str, value: Any) -> None: ...


class Log(Protocol):
    """A logger, as far as it is used here: Airflow's, or the standard library's."""

    def info(self, msg: str, /, *args: Any) -> Any: ...
    def warning(self, msg: str, /, *args: Any) -> Any: ...


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


def report(store: StateStore | None, job: Job, log: Log) -> None:
    """Note that the task returns with this job: if it is cleared from now on, that means to do it again."""
    try:
        intent = Intent.from_stored(store.get(STORE_KEY)) if store else None
        if store and intent and intent.job_id == job.job_id and not intent.reported:
            store.set(STORE_KEY, replace(intent, reported=True).to_stored())
    except Exception as error:  # noqa: BLE001
        # The job is done all the same.
        log.warning("the end of %s could not be noted: %s", job.ref, error)


class StartOnce:
    """One attempt to have a job started once."""

    def __init__(
        self,
        hook: AmplifyBackendHook,
        api_operation: str,
        request: Mapping[str, Any],
        *,
        round: jobs.Round,
        policy: Policy,
        deadline: float,
        log: Log,
        store: StateStore | None = None,
        presumed: Intent | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.hook = hook
        self.operation = jobs.JOB_OPERATIONS[api_operation]
        self.request = dict(request)
        self.app_id: str = request["AppId"]
        self.round = round
        self.policy = policy
        self.deadline = deadline
        self.log = log
        self.store = store
        self.intent = presumed if store is None else self._stored_intent(store)
        self._presumed = self.intent if store is None else None
        self.digest = jobs.digest(api_operation, redact_secrets(request))
        self._sleep = sleep
        self._service_time_ms: int | None = None
        self._lost_at: float | None = None
        self._lost_as = ""
        self._refusals = 0
        self._refused_since = 0.0
        self._resends = 0

    def _stored_intent(self, store: StateStore) -> Intent | None:
        stored = store.get(STORE_KEY)
        intent = Intent.from_stored(stored)
        if stored is not None and intent is None:
            raise BackendStartError(
                f"{self._label}: nothing was sent, because {STORE_KEY!r} in the task's state cannot be read by this "
                f"version of the package: {stored!r}. A newer one may have started a job: install that again, or look "
                "for the job, and then delete the key to have another one started"
            )
        return intent

    def advance(self) -> Reached | Blocked:
        """Come as far as possible without waiting for a job.

        :raises BackendStartError: Something is in the way, and the policy says to fail.
        :raises BackendRequestError: The service refused the start.
        """
        last_reason = None
        while True:
            situation = self._look_patiently()
            decision = jobs.decide(situation)
            if decision.reason != last_reason:
                self.log.info("%s: %s: %s", self._label, type(decision).__name__, decision.reason)
                last_reason = decision.reason
            if isinstance(decision, jobs.Send | jobs.LookAgain) and time.time() >= self.deadline:
                what = "before a start" if isinstance(decision, jobs.Send) else "before it was known what became of it"
                raise BackendStartError(
                    f"{self._label}: the time budget ended {what}: {decision.reason}{self._lost_as}"
                )
            reached = self._follow(decision, situation)
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

    def _follow(self, decision: jobs.Decision, situation: Situation) -> Reached | Blocked | None:
        match decision:
            case jobs.Done(outcome=outcome):
                return Reached(outcome)
            case jobs.Adopt(job=job):
                return self._adopt(job)
            case jobs.WaitFor(job=job):
                return Blocked(job)
            case jobs.Refuse(reason=reason):
                raise BackendStartError(f"{self._label}: {reason}")
            case jobs.LookAgain():
                self._pause(LOOK_DELAY)
            case jobs.Send():
                return self._send(situation)
        return None

    def _adopt(self, job: Job) -> Reached:
        if self.intent:
            self._remember(jobs.adopted(self.intent, job, self.round))
        return Reached(Outcome.ADOPTED, job)

    def disowns(self, job: Job) -> bool:
        """Tell whether an adopted job, now completed, was somebody else's: then ours is still to be started.

        Only a job that was found by looking can be, and only what it left tells.

        :raises BackendStartError: Something else has changed that since, so that it does not tell.
        """
        intent = self.intent
        if intent and intent.job_id == job.job_id and not intent.found_by_looking:
            return False
        difference = self._difference()
        if difference:
            # What it left may show a little later than its end.
            self._pause(LOOK_DELAY)
            difference = self._difference()
        if difference is None:
            return False
        with self._saying_what_for():
            listed = tuple(self._list_jobs(self._all_environments()))
        unknown = Intent(self.operation.name, self.app_id, self.digest, self.round, 0)
        rest, reason = jobs.after_difference(intent or unknown, self.operation, job, listed, difference)
        if rest is None:
            # A retry comes to the same end; a clear is the order to do it again.
            self._change(reported=True)
            raise BackendStartError(f"{self._label}: {reason}")
        self.log.warning("%s: %s", self._label, reason)
        if intent:
            self._remember(rest)
        return True

    def after_wait_in_vain(self, error: BackendTimeoutError | BackendRequestError) -> None:
        """Go on if the other job, whose end did not show, is not there any more; else say what it was waited for.

        :raises BackendJobTimeoutError: The other job had not ended when the time budget did.
        :raises BackendRequestError: It cannot be looked at, and is listed as pending all the same.
        """
        if isinstance(error, BackendRequestError) and not self._pending_job(self._look()):
            self.log.info("%s: no job is pending any more (%s)", self._label, error)
            return
        error.args = (f"{self._label}: nothing was started: {error}",)
        raise error

    def note_failure(self) -> None:
        """Store that the job failed, before its environment is deleted and the service may know it no more."""
        self._change(job_failed=True)

    def note_cleaned(self) -> None:
        """Store that nothing is left of the failed job: what exists from now on is somebody else's."""
        self._change(target_existed=True)

    def _change(self, **changes: Any) -> None:
        if self.intent:
            self._remember(replace(self.intent, **changes))

    def _difference(self) -> str | None:
        """Compare what the job has left with the request. It is done: a service that is busy now is asked again."""
        looks = max(1, int(self.policy.patience / LOOK_DELAY))
        while True:
            looks -= 1
            try:
                return self.hook.run(effects.difference(self.operation.name, self.request))
            except ServiceError as error:
                if not (error.is_transient and looks and time.time() < self.deadline):
                    raise BackendRequestError(f"{self._label}: cannot see what its job has left: {error}") from error
            self._pause(LOOK_DELAY)

    # ------------------------------------------------------------------------------------------------- sending

    def _send(self, situation: Situation) -> Reached | Blocked | None:
        unresolved = jobs.is_unresolved(situation)
        environments = self.operation.environments(self.request)
        intent = jobs.write_intent(situation, self.app_id, self._service_time(), environments)
        # Making a client can take long (credentials, an assumed role): not between the intent and the request.
        self.hook.prepare_start()
        fence = self._write_fence(intent)
        try:
            job = self.hook.attempt_start(self.operation.name, self.request, may_send=fence.is_fresh)
        except ServiceError as error:
            return self._after_error(error, replace(intent, refused=not unresolved))
        self.log.info("%s: sent and accepted as job %s", self._label, job.job_id)
        self._remember(jobs.answered(intent, job))
        return Reached(Outcome.STARTED, job)

    def _write_fence(self, intent: Intent) -> Fence:
        """Store the intent: when that began, nobody else had been given the task."""
        for _ in range(MAX_INTENT_WRITES):
            fence = Fence()
            self._remember(intent)
            if fence.is_fresh():
                return fence
        raise BackendStartError(
            f"{self._label}: nothing was sent, because storing the intent took more than {INTENT_FRESH_SECONDS:.0f} s "
            f"each of {MAX_INTENT_WRITES} times"
        )

    def _remember(self, intent: Intent) -> None:
        self.intent = intent
        if self.store is not None:
            self.store.set(STORE_KEY, intent.to_stored())

    def _after_error(self, error: ServiceError, refused: Intent) -> Reached | Blocked | None:
        """Decide what an error means.

        :param refused: What to store if it means that this start was not accepted.
        """
        if error.kind is FaultKind.UNCLEAR:
            self.log.warning("%s: the answer to the start was lost (%s); looking for its job", self._label, error)
            self._lost_at = time.monotonic()
            self._lost_as = f" (the answer to the last start was lost: {error})"
            if not self.policy.patience:
                self._pause(LOOK_DELAY)
            return None
        # Anything else is a plain no: this start was not accepted and never will be.
        self._remember(refused)
        if error.kind in (FaultKind.THROTTLED, FaultKind.UNSENT):
            self._resend_later(error)
            return None
        if error.code == "ValidationException":
            return self._after_validation_exception(error)
        if self._is_settled_by_policy(error):
            return None
        raise request_error(error, self.request) from error

    def _resend_later(self, error: ServiceError) -> None:
        delay = min(RESEND_DELAY * 2**self._resends, MAX_RESEND_DELAY)
        self._resends += 1
        if time.time() + delay >= self.deadline:
            raise request_error(error, self.request) from error
        self.log.warning("%s: %s; sending again in %.0f s", self._label, error, delay)
        self._pause(delay)

    def _after_validation_exception(self, error: ServiceError) -> Blocked | None:
        """The service says ValidationException for a pending job, and for other things."""
        situation = self._look()
        if jobs.has_own_job(situation):
            # What is in the way is the job of our earlier start, whose answer was lost.
            return None
        # Without an environment any job of the app would be taken for what is in the way of anything.
        pending = self._pending_job(situation) if situation.targets or _says_pending(error) else None
        if pending:
            decision = jobs.decide_pending(situation, pending)
            if isinstance(decision, jobs.Refuse):
                raise BackendStartError(f"{self._label}: {decision.reason}. The service says: {error.message}")
            self.log.info("%s: %s", self._label, decision.reason)
            self._refusals = 0
            return Blocked(pending)
        self._refusals += 1
        if self._refusals == 1:
            self._refused_since = time.monotonic()
        if self._refusals >= MAX_UNEXPLAINED_REFUSALS and not self._may_be_listed_later(error):
            raise request_error(error, self.request) from error
        self._pause(LOOK_DELAY)
        return None

    def _may_be_listed_later(self, error: ServiceError) -> bool:
        """Whether the service says itself that a job is pending, so that it is the list that lags."""
        is_patient = time.monotonic() - self._refused_since < self.policy.patience and time.time() < self.deadline
        return is_patient and _says_pending(error) and self.policy.on_pending_job == "wait"

    def _is_settled_by_policy(self, error: ServiceError) -> bool:
        """Whether what exists, or is missing, by now makes the refused start unnecessary."""
        with self._saying_what_for():
            exists = self._target_exists()
        if self.operation.effect is Effect.CREATES:
            return exists is True and self.policy.if_exists == "skip"
        if self.operation.effect is Effect.REMOVES:
            return exists is False and self.policy.if_missing == "skip"
        return False

    def _pause(self, seconds: float) -> None:
        self._sleep(max(0.0, min(seconds, self.deadline - time.time())))

    # ------------------------------------------------------------------------------------------------- looking

    def _look_patiently(self) -> Situation:
        """Look; once a start may have been sent, a service that is busy is asked again until the deadline."""
        last_error = ""
        while True:
            try:
                return self._look()
            except BackendRequestError as error:
                may_have_sent = self.intent is not None and jobs.is_unanswered(self.intent)
                if not (may_have_sent and _is_transient(error) and time.time() < self.deadline):
                    raise
                if str(error) != last_error:
                    self.log.warning("%s; looking again", error)
                    last_error = str(error)
            self._pause(LOOK_DELAY)

    def _look(self) -> Situation:
        with self._saying_what_for():
            return self._situation()

    @contextmanager
    def _saying_what_for(self) -> Iterator[None]:
        """Name the start in the error of a look, which itself may name neither operation nor environment."""
        try:
            yield
        except BackendRequestError as error:
            raise BackendRequestError(f"{self._label}: cannot see whether it was started already: {error}") from error

    def _situation(self) -> Situation:
        listed = list(self._list_jobs(self._all_environments()))
        known = self._known_job() or self._job_elsewhere()
        if known:
            listed = [known, *(job for job in listed if job.job_id != known.job_id)]
        self._recall_earlier_try(listed)
        target_exists = self._target_exists() if self.operation.effect is not Effect.CHANGES else None
        return Situation(
            operation=self.operation,
            round=self.round,
            digest=self.digest,
            intent=self.intent,
            jobs=tuple(listed),
            targets=self.operation.target_environments(self.request),
            sent_in_this_try=self._lost_at is not None,
            target_exists=target_exists,
            target_is_empty=self._target_is_empty() if target_exists else None,
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

    def _known_job(self) -> Job | None:
        """Look at the job whose id is known by itself: the list may lag."""
        if self.intent is None or not self.intent.job_id:
            return None
        environments = dict.fromkeys(
            (self.intent.job_environment or "", *self.intent.environments, *self._all_environments())
        )
        ref = JobRef(self.intent.app_id, self.intent.job_id, tuple(filter(None, environments)), self.operation.name)
        try:
            return self.hook.run(polling.look_at_job(ref))
        except ServiceError as error:
            if polling.says_missing(error):
                return None
            raise request_error(error, self.request) from error

    def _job_elsewhere(self) -> Job | None:
        """Look for the job of a lost start where this try's request would not: its parameters may have changed."""
        intent = self.intent
        if intent is None or not jobs.is_unanswered(intent):
            return None
        elsewhere = tuple(name for name in intent.environments if name not in self._all_environments())
        listed = tuple(self._list_jobs(elsewhere, intent.app_id))
        return jobs.own_job(listed, intent)

    def _patience_left(self) -> float:
        since_lost = time.monotonic() - self._lost_at if self._lost_at is not None else None
        if since_lost is None and self.intent is not None and not self.intent.presumed:
            latest = max(self.intent.service_time_ms, self.intent.resent_time_ms)
            since_lost = (self._service_time() - latest) / 1000
        return self.policy.patience - since_lost if since_lost is not None else 0.0

    def _service_time(self) -> int:
        return self._service_time_ms or int(time.time() * 1000)

    def _all_environments(self) -> tuple[str, ...]:
        return self.operation.environments(self.request) or self._environments_of_app()

    def _environments_of_app(self) -> tuple[str, ...]:
        return tuple(self._read("GetBackend", {"AppId": self.app_id}).get("BackendEnvironmentList") or ())

    def _list_jobs(self, environments: tuple[str, ...], app_id: str = "") -> Iterator[Job]:
        for environment in environments:
            filters = {"AppId": app_id or self.app_id, "BackendEnvironmentName": environment}
            try:
                for page in self.hook.job_pages(filters):
                    self._note_time(page.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
                    for row in page.get("Jobs", []):
                        yield Job.from_response(row, app_id=app_id or self.app_id, backend_environment_name=environment)
            except BackendRequestError as error:
                self._ignore_missing(error)

    def _target_exists(self) -> bool | None:
        match self.operation.resource:
            case "environment":
                return self.operation.target_environments(self.request)[0] in self._environments_of_app()
            case "app":
                return bool(self._environments_of_app())
            case "auth" | "api" | "storage" as category:
                return self._resource_exists(category)
        return None

    def _target_is_empty(self) -> bool | None:
        """Whether the environment to create, which exists, holds nothing; None for anything but an environment."""
        if self.operation.resource != "environment" or self.operation.effect is not Effect.CREATES:
            return None
        names = {"AppId": self.app_id, "BackendEnvironmentName": self.operation.target_environments(self.request)[0]}
        document = self._read("GetBackend", names).get("AmplifyMetaConfig")
        return not any(meta.category(document, name) for name in effects.READS) if document else None

    def _resource_exists(self, category: str) -> bool | None:
        """Ask for the resource by name; an import has no name, so there any resource of its category counts."""
        keys = ("AppId", "BackendEnvironmentName", "ResourceName")
        request = {key: self.request[key] for key in keys if key in self.request}
        if "ResourceName" not in request:
            document = self._read("GetBackend", request).get("AmplifyMetaConfig")
            return bool(meta.category(document, category)) if document else None
        return bool(self._read(effects.READS[category], request))

    def _read(self, api_operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Read something; what the service does not know is empty."""
        try:
            response = self.hook.attempt(api_operation, request)
        except ServiceError as error:
            self._note_time(error.headers)
            if error.kind is FaultKind.NOT_FOUND or error.code == "ValidationException":
                return {}
            raise request_error(error, request) from error
        self._note_time(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
        return {key: value for key, value in response.items() if key != "ResponseMetadata"}

    def _ignore_missing(self, error: BackendRequestError) -> None:
        cause = error.__cause__
        if not isinstance(cause, ServiceError):
            raise error
        self._note_time(cause.headers)
        if cause.kind is not FaultKind.NOT_FOUND and cause.code != "ValidationException":
            raise error

    def _note_time(self, headers: Mapping[str, str]) -> None:
        """Keep the service's own time; the worker's clock is another clock."""
        try:
            self._service_time_ms = int(parsedate_to_datetime(headers["date"]).timestamp() * 1000)
        except (KeyError, TypeError, ValueError):
            return

    def _pending_job(self, situation: Situation) -> Job | None:
        """Return a job that may be in the way.

        Also in another environment: a clone may hold its source, and the removal of all may live in any.
        """
        pending = _newest_pending(situation.jobs)
        if pending:
            return pending
        with self._saying_what_for():
            elsewhere = list(self._list_jobs(self._environments_of_app()))
        return _newest_pending(job for job in elsewhere if job.operation in ("CloneBackend", "RemoveAllBackends"))


def _says_pending(error: ServiceError) -> bool:
    return "pending job" in error.message


def _is_transient(error: BaseException | None) -> bool:
    """Whether an error of a look comes from a service, or a way to it, that may be better a little later."""
    while error is not None and not isinstance(error, ServiceError):
        error = error.__cause__
    return error is not None and error.is_transient


def _newest_pending(listed: Iterable[Job]) -> Job | None:
    return jobs.newest(job for job in listed if not job.is_finished)
