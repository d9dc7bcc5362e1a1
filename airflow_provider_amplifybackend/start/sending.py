"""Sending a start: the intent before it, the fence that keeps a late one back, and the meaning of its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from airflow_provider_amplifybackend._errors import request_error
from airflow_provider_amplifybackend.core.job import Job, Outcome
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.core.timing import Timing
from airflow_provider_amplifybackend.exceptions import BackendRequestError
from airflow_provider_amplifybackend.start.actions import Obstacle, Prepare, SendStart, StartResult, Steps
from airflow_provider_amplifybackend.start.attempt import Attempt
from airflow_provider_amplifybackend.start.decisions import Refuse
from airflow_provider_amplifybackend.start.fresh_start import accepted_instead, decide_pending
from airflow_provider_amplifybackend.start.intent import Intent, answered
from airflow_provider_amplifybackend.start.situation import Situation, has_own_job, turned_down, write_intent

MAX_INTENT_WRITES = 3
# A refusal for a pending job that no list shows: it ended just now, or the list lags, or it means something else.
MAX_UNEXPLAINED_REFUSALS = 5


class Fence:
    """A moment at which the task was still this try's.

    Two clocks, because one stands still while a machine sleeps, and the other can be set back.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._monotonic, self._now = timing.monotonic(), timing.now()

    def is_fresh(self) -> bool:
        """Tell whether too little time has passed for anybody else to have got the task and checked for its job."""
        passed = max(self._timing.monotonic() - self._monotonic, self._timing.now() - self._now)
        return passed <= self._timing.intent_fresh


class Sending:
    """The requests of one attempt, and their outcomes so far."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        # About the last start whose answer was lost, for an error that comes later.
        self.lost_as = ""
        self._refusals = 0
        self._refused_since = 0.0
        self._resends = 0

    def is_explained(self) -> None:
        """Forget earlier refusals: the job that was in the way has shown up."""
        self._refusals = 0

    def send(self, situation: Situation) -> Steps[StartResult | Obstacle | None]:
        """Store the intent and send the start; None if a new decision is needed."""
        attempt = self._attempt
        intent = write_intent(
            situation,
            attempt.app_id,
            attempt.observer.clock.earliest_now_ms,
            attempt.looked_in,
            try_number=attempt.try_number,
        )
        # Before the intent is stored: a start that is refused leaves none, and what the guard reads and the making of a
        # client (credentials, an assumed role) can take long.
        yield Prepare(attempt.operation.name, attempt.request)
        intent, fence = yield from self._write_fence(intent)
        try:
            job: Job = yield SendStart(attempt.operation.name, attempt.request, fence.is_fresh)
        except ServiceError as error:
            return (yield from self._after_error(error, intent, turned_down(intent, situation)))
        attempt.log.info("Accepted as job %s [%s]", job.job_id, attempt.label)
        yield from attempt.remember(answered(intent, job))
        return StartResult(Outcome.STARTED, job)

    def _write_fence(self, intent: Intent) -> Steps[tuple[Intent, Fence]]:
        """Store the intent: when that began, nobody else had been given the task."""
        timing = self._attempt.timing
        for _ in range(MAX_INTENT_WRITES):
            fence = Fence(timing)
            # Its job is younger than the decision to start; patience counts from now, however long ago that was.
            intent = replace(intent, resent_time_ms=self._attempt.observer.clock.earliest_now_ms)
            yield from self._attempt.remember(intent)
            if fence.is_fresh():
                return intent, fence
        raise self._attempt.failure(
            StartFailure.SLOW_STORE,
            f"nothing was sent: storing the intent took more than {timing.intent_fresh:.0f} s, "
            f"{MAX_INTENT_WRITES} times in a row",
        )

    # -------------------------------------------------------------------------------------------------- errors

    def _after_error(self, error: ServiceError, intent: Intent, refused: Intent) -> Steps[Obstacle | None]:
        """Decide what an error means.

        :param intent: What was stored before sending.
        :param refused: What to store if it means that this start was not accepted.
        """
        attempt = self._attempt
        if error.kind is FaultKind.UNCLEAR:
            yield from self._after_lost_answer(error, intent)
            return None
        # Anything else is a plain refusal: this start was not accepted and never will be.
        yield from attempt.remember(refused)
        if error.kind in (FaultKind.THROTTLED, FaultKind.UNSENT):
            yield from self._resend_later(error)
            return None
        if error.code == "ValidationException":
            return (yield from self._after_validation_exception(error))
        if (yield from self._is_settled_by_policy(error)):
            return None
        raise request_error(error, attempt.request) from error

    def _after_lost_answer(self, error: ServiceError, intent: Intent) -> Steps[None]:
        """The service may have accepted the start: check for its job before anything is sent again."""
        attempt = self._attempt
        attempt.log.warning("Lost the answer to the start (%s); checking for its job [%s]", error, attempt.label)
        yield from attempt.remember(replace(intent, lost_time_ms=attempt.observer.clock.now_ms))
        self.lost_as = f" (the answer to the last start was lost: {error})"
        if not attempt.policy.patience:
            yield from attempt.pause(attempt.timing.between_checks)

    def _resend_later(self, error: ServiceError) -> Steps[None]:
        attempt, timing = self._attempt, self._attempt.timing
        delay = min(timing.before_resend * 2**self._resends, timing.longest_before_resend)
        self._resends += 1
        if timing.now() + delay >= attempt.deadline:
            raise request_error(error, attempt.request) from error
        attempt.log.warning("Retrying in %.0f s: %s [%s]", delay, error, attempt.label)
        yield from attempt.pause(delay)

    def _after_validation_exception(self, error: ServiceError) -> Steps[Obstacle | None]:
        """The service says ValidationException for a pending job, and for other things."""
        attempt = self._attempt
        with self._reporting_first(error):
            situation = yield from attempt.observe()
        if has_own_job(situation):
            # What is in the way is the job of our earlier start, whose answer was lost.
            return None
        # Without an environment any job of the app would be taken for what is in the way of anything.
        may_be_listed = situation.targets or _says_pending(error)
        with self._reporting_first(error):
            pending = (yield from attempt.pending_job(situation)) if may_be_listed else None
        if pending:
            return self._obstacle(situation, pending, error)
        self._refusals += 1
        if self._refusals == 1:
            self._refused_since = attempt.timing.monotonic()
        if self._refusals >= MAX_UNEXPLAINED_REFUSALS and not self._may_be_listed_later(error):
            raise request_error(error, attempt.request) from error
        yield from attempt.pause(attempt.timing.between_checks)
        return None

    def _obstacle(self, situation: Situation, pending: Job, error: ServiceError) -> Obstacle:
        attempt = self._attempt
        decision = decide_pending(situation, pending)
        if isinstance(decision, Refuse):
            raise attempt.failure(decision.why, f"{decision.reason}. AmplifyBackend reported: {error.message}")
        attempt.log.info("%s: %s [%s]", decision.act, decision.reason, attempt.label)
        self.is_explained()
        return Obstacle(pending)

    def _may_be_listed_later(self, error: ServiceError) -> bool:
        """Tell whether the service itself reports a pending job, so that only the list lags."""
        attempt = self._attempt
        passed = attempt.timing.monotonic() - self._refused_since
        is_patient = passed < attempt.policy.patience and not attempt.is_over
        return is_patient and _says_pending(error) and attempt.policy.on_pending_job == "wait"

    def _is_settled_by_policy(self, error: ServiceError) -> Steps[bool]:
        """Tell whether the refused start is unnecessary by now, because the resource exists or is gone."""
        accepted = accepted_instead(self._attempt.operation.effect, self._attempt.policy)
        if accepted is None:
            # Whatever a look showed: it would be one more request to be refused.
            return False
        with self._reporting_first(error):
            exists = yield from self._attempt.observer.target_exists()
        return exists is accepted

    @contextmanager
    def _reporting_first(self, refusal: ServiceError) -> Iterator[None]:
        """Report a refusal before a look that fails after it: the refusal is what the start ended with.

        The cause stays the failed look, which decides whether another try may do better.
        """
        try:
            yield
        except BackendRequestError as error:
            raise request_error(refusal.saying(f"After that: {error}"), self._attempt.request) from error


def _says_pending(error: ServiceError) -> bool:
    return "pending job" in error.message
