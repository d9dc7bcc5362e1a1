"""One attempt to have a job started: its request, its knowledge, and its observations of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.core.requests import ServiceError
from airflow_provider_amplifybackend.core.secrets import redact_secrets
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.core.status_check import check_job
from airflow_provider_amplifybackend.core.timing import Timing, current
from airflow_provider_amplifybackend.exceptions import BackendParameterError, BackendRequestError, BackendStartError
from airflow_provider_amplifybackend.start.actions import Load, Log, Pause, Save, StartPolicy, Steps
from airflow_provider_amplifybackend.start.intent import (
    STORE_KEY,
    Intent,
    Round,
    is_unanswered,
    own_job,
    patience_since,
    request_digest,
)
from airflow_provider_amplifybackend.start.observation import Observer, newest_pending
from airflow_provider_amplifybackend.start.situation import Situation


class Attempt:
    """One attempt to have a job started: its knowledge, its intent and its messages.

    :param deadline: When to give up, in seconds since the epoch.
    :param has_store: Whether the driver stores what is to be saved, for later tries to load.
    :param try_number: The try that this attempt is a part of: a deferral does not end it.
    :param arrived: The intent of the same try, where it has travelled with a deferral and not in a store.
    :param presumed: Without a store, the intent that a later try presumes of the earlier ones.
    :param key: Where the intent is stored.
    """

    def __init__(
        self,
        api_operation: str,
        request: Mapping[str, Any],
        *,
        round: Round,
        policy: StartPolicy,
        deadline: float,
        log: Log,
        has_store: bool = False,
        arrived: Intent | None = None,
        presumed: Intent | None = None,
        try_number: int = 0,
        key: str = STORE_KEY,
        timing: Timing | None = None,
    ) -> None:
        _check_names(request)
        self.operation = JOB_OPERATIONS[api_operation]
        self.request = dict(request)
        self.app_id: str = request["AppId"]
        self.round = round
        self.policy = policy
        self.deadline = deadline
        self.log = log
        self.has_store = has_store
        self.key = key
        self.try_number = try_number
        self.timing = timing = timing or current()
        self.intent = None if has_store else arrived or presumed
        self.digest = request_digest(api_operation, redact_secrets(request))
        self.observer = Observer(self.operation, self.request, timing)
        self._presumed = None if has_store else presumed
        # Where the job may live, as far as is known when the start is sent.
        self.looked_in: tuple[str, ...] = ()

    def load(self) -> Steps[None]:
        """Recall what an earlier try, or an earlier part of this one, has stored.

        :raises BackendStartError: It cannot be read, so that it is unknown whether something was started.
        """
        if not self.has_store:
            return
        stored = yield Load(self.key)
        self.intent = Intent.from_stored(stored)
        if stored is not None and self.intent is None:
            raise self.failure(
                StartFailure.UNREADABLE_STATE,
                f"nothing was sent: this version of the package cannot read {self.key!r} in the task's state: "
                f"{stored!r}. A newer version may have started a job: install it again, or check for the job and "
                "delete the key to start another one",
            )

    # ------------------------------------------------------------------------------------- what is kept and logged

    def remember(self, intent: Intent) -> Steps[None]:
        """Keep an intent, and store it where Airflow has a store."""
        self.intent = intent
        if self.has_store:
            yield Save(intent, self.key)

    def change(self, **changes: Any) -> Steps[None]:
        """Store a change of the intent, if there is one."""
        if self.intent:
            yield from self.remember(replace(self.intent, **changes))

    @property
    def is_over(self) -> bool:
        """Tell whether the time budget has ended."""
        return self.timing.now() >= self.deadline

    def pause(self, seconds: float) -> Steps[None]:
        """Let time pass, up to the deadline."""
        yield Pause(max(0.0, min(seconds, self.deadline - self.timing.now())))

    def failure(self, reason: StartFailure, message: str) -> BackendStartError:
        """Return the error that says why the job was not started."""
        return BackendStartError(f"{self.label}: {message}", reason=reason)

    @property
    def label(self) -> str:
        """The start, as its log lines and errors name it."""
        environments = " or ".join(self.operation.environments(self.request))
        where = f", environment {environments}" if environments else ""
        return f"{self.operation.name} (app {self.app_id}{where})"

    @contextmanager
    def saying_what_for(self) -> Iterator[None]:
        """Name the start in the error of an observation, which itself may name neither operation nor environment."""
        try:
            yield
        except BackendRequestError as error:
            raise BackendRequestError(f"{self.label}: cannot check whether it was already started: {error}") from error

    # ------------------------------------------------------------------------------------------------- observing

    def observe(self) -> Steps[Situation]:
        """Observe everything that a decision depends on."""
        with self.saying_what_for():
            return (yield from self._situation())

    def observe_patiently(self) -> Steps[Situation]:
        """Observe; once a start may have been sent, a service that is busy is asked again until the deadline."""
        last_error = ""
        while True:
            try:
                return (yield from self.observe())
            except BackendRequestError as error:
                may_have_sent = self.intent is not None and is_unanswered(self.intent)
                if not (may_have_sent and self.may_pass(_service_error(error)) and not self.is_over):
                    raise
                if str(error) != last_error:
                    self.log.warning("Retrying: %s", error)
                    last_error = str(error)
            yield from self.pause(self.timing.between_checks)

    def may_pass(self, error: ServiceError | None) -> bool:
        """Tell whether a request may succeed a little later: credentials that just worked are missing only briefly."""
        if error is None:
            return False
        has_worked = self.observer.clock.has_been_read
        return error.may_pass if has_worked else error.is_transient

    def _situation(self) -> Steps[Situation]:
        seen = yield from self.observer.observe(self.intent)
        self.looked_in = seen.environments
        self._recall_earlier_try(seen.jobs)
        return Situation(
            operation=self.operation,
            round=self.round,
            digest=self.digest,
            intent=self.intent,
            jobs=seen.jobs,
            targets=self.operation.target_environments(self.request),
            sent_in_this_try=self.intent is not None and self.intent.sent_in_try == self.try_number,
            target_exists=seen.target_exists,
            target_is_empty=seen.target_is_empty,
            on_pending_job=self.policy.on_pending_job,
            if_exists=self.policy.if_exists,
            if_missing=self.policy.if_missing,
            patience_left=self._patience_left(),
        )

    def _recall_earlier_try(self, listed: Sequence[Job]) -> None:
        """Without a state store: a job of an earlier try may be listed only after our start was refused."""
        if self._presumed and self.intent and self.intent.refused:
            earlier = own_job(listed, self._presumed)
            if earlier and not earlier.is_finished:
                self.intent = self._presumed

    def _patience_left(self) -> float:
        since = patience_since(self.intent) if self.intent else None
        return 0.0 if since is None else self.policy.patience - (self.observer.clock.now_ms - since) / 1000

    def first_check(self, ref: JobRef) -> Steps[Job | None]:
        """Check a job once; None if its status cannot be had, for whatever reason."""
        try:
            return (yield from check_job(ref))
        except ServiceError as error:
            self.log.info("Still waiting after a failed status check (%s): %s", error, ref)
            return None

    def place_of(self, job: Job) -> Steps[JobRef]:
        """Return where to check for a job of this start: those of the answer, the request, or all there were.

        Not all there are: a job that removes them can have ended by now.
        """
        named = dict.fromkeys(filter(None, (job.backend_environment_name, *self.operation.environments(self.request))))
        environments = tuple(named) or self.looked_in or (yield from self.observer.readable_environments())
        return JobRef(job.app_id, job.job_id, environments, self.operation.name)

    def pending_job(self, situation: Situation) -> Steps[Job | None]:
        """Return a job that may be in the way, in another environment, too."""
        pending = newest_pending(situation.jobs)
        if pending:
            return pending
        with self.saying_what_for():
            return (yield from self.observer.pending_elsewhere())


def _check_names(request: Mapping[str, Any]) -> None:
    """Refuse what is no name before an intent is stored; the client would refuse it only when it is sent."""
    for member in ("AppId", "BackendEnvironmentName", "TargetEnvironmentName"):
        problem = names.problem(member, request[member]) if member in request else None
        if problem:
            raise BackendParameterError(problem)


def _service_error(error: BaseException | None) -> ServiceError | None:
    """Return the error of a call that has led to this one."""
    while error is not None and not isinstance(error, ServiceError):
        error = error.__cause__
    return error
