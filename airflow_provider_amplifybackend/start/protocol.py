"""The protocol: one attempt to have a job started once, as a generator of actions, free of I/O.

A driver carries the actions out (``start/driver.py`` on a worker, tests step by step). What a decision depends on lies
in the intent, which is stored or, where Airflow has no store, travels with a deferral: the object itself survives
neither a crash nor a deferral.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_amplifybackend.core.comparison import difference
from airflow_provider_amplifybackend.core.job import Job, Outcome, earlier_durations
from airflow_provider_amplifybackend.core.requests import ServiceError
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import BackendRequestError
from airflow_provider_amplifybackend.start import decisions
from airflow_provider_amplifybackend.start.actions import Obstacle, StartResult, Steps
from airflow_provider_amplifybackend.start.attempt import Attempt
from airflow_provider_amplifybackend.start.intent import Intent, adopted
from airflow_provider_amplifybackend.start.ownership import after_difference
from airflow_provider_amplifybackend.start.rules import decide
from airflow_provider_amplifybackend.start.sending import Sending
from airflow_provider_amplifybackend.start.situation import Situation, doubted


class StartProtocol(Attempt):
    """The way from a request to its one job. See :class:`Attempt` for the parameters."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sending = Sending(self)

    def advance(self) -> Steps[StartResult | Obstacle]:
        """Come as far as possible without waiting for a job.

        :raises BackendStartError: Something is in the way, and the policy says to fail.
        :raises BackendRequestError: The service refused the start.
        """
        last_reason = None
        while True:
            situation = yield from self.observe_patiently()
            decision = decide(situation)
            if decision.reason != last_reason:
                self.log.info("%s: %s [%s]", decision.act, decision.reason, self.label)
                last_reason = decision.reason
            if isinstance(decision, decisions.Send | decisions.CheckAgain) and self.is_over:
                what = (
                    "before the start was sent"
                    if isinstance(decision, decisions.Send)
                    else "before the outcome of the start was known"
                )
                raise self.failure(
                    StartFailure.OUT_OF_TIME,
                    f"time budget exceeded {what}: {decision.reason}{self._sending.lost_as}",
                )
            step = yield from self._follow(decision, situation)
            if isinstance(step, StartResult):
                durations = earlier_durations(situation.jobs, self.operation.name)
                return replace(step, durations=tuple(durations))
            if step:
                return step

    def _follow(self, decision: decisions.Decision, situation: Situation) -> Steps[StartResult | Obstacle | None]:
        match decision:
            case decisions.Done(outcome=outcome):
                if outcome is Outcome.SKIPPED:
                    yield from self._warn_of_unknown_app()
                if outcome is Outcome.ADOPTED:
                    # A success without a job: to clear the task from now on means to do it again.
                    yield from self.change(reported=True)
                return StartResult(outcome)
            case decisions.Adopt(job=job):
                return (yield from self._adopt(job))
            case decisions.WaitFor(job=job):
                self._sending.is_explained()
                return Obstacle(job)
            case decisions.Refuse():
                if decision.is_final:
                    yield from self.change(reported=True)
                raise self.failure(decision.why, decision.reason)
            case decisions.CheckAgain():
                yield from self.pause(self.timing.between_checks)
            case decisions.Send():
                in_doubt = doubted(situation)
                if in_doubt and not (yield from self._difference()):
                    return (yield from self._adopt(in_doubt))
                return (yield from self._sending.send(situation))
        return None

    def _warn_of_unknown_app(self) -> Steps[None]:
        """An app that the service does not know holds nothing to remove; more likely its id or the region is wrong."""
        try:
            is_known = yield from self.observer.app_is_known()
        except BackendRequestError:
            return  # only a hint: the task needs no such permission, and has nothing else to ask
        if not is_known:
            self.log.warning(
                "Unknown app, so there is nothing to remove; check app_id, region_name and the account of the "
                "connection [%s]",
                self.label,
            )

    def _adopt(self, job: Job) -> Steps[StartResult]:
        if self.intent:
            yield from self.remember(adopted(self.intent, job, self.round))
        return StartResult(Outcome.ADOPTED, job)

    def disowns(self, job: Job) -> Steps[bool]:
        """Tell whether an adopted job, now completed, was somebody else's: then ours is still to be started.

        Only a job that was found by looking can be, and only its result shows it.

        :raises BackendStartError: Another job may have changed the result since, so that it is unclear.
        """
        intent = self.intent
        if intent and intent.job_id == job.job_id and not intent.found_by_looking:
            return False
        differs = yield from self._difference()
        if differs:
            # It may show a little later than the job's end.
            yield from self.pause(self.timing.between_checks)
            differs = yield from self._difference()
        if differs is None:
            return False
        with self.saying_what_for():
            listed = yield from self.observer.jobs((yield from self.observer.environments()))
        unknown = Intent(self.operation.name, self.app_id, self.digest, self.round, 0)
        rest, reason = after_difference(
            intent or unknown,
            self.operation,
            job,
            listed,
            differs,
            self.observer.clock.now_ms,
            self.operation.target_environments(self.request),
        )
        if rest is None:
            # A retry comes to the same end; a clear is the order to do it again.
            yield from self.change(reported=True)
            raise self.failure(StartFailure.UNKNOWN_OWNER, reason)
        self.log.warning("%s [%s]", reason, self.label)
        if intent:
            yield from self.remember(rest)
        return True

    def _difference(self) -> Steps[str | None]:
        """Compare the result of the job with the request. It is done: a service that is busy now is asked again."""
        checks = max(1, int(self.policy.patience / self.timing.between_checks))
        while True:
            checks -= 1
            try:
                return (yield from difference(self.operation.name, self.request))
            except ServiceError as error:
                if not (self.may_pass(error) and checks and not self.is_over):
                    raise BackendRequestError(f"{self.label}: cannot check the result of its job: {error}") from error
            yield from self.pause(self.timing.between_checks)

    def note_failure(self) -> Steps[None]:
        """Store that the job failed, before its environment is deleted and the service may know it no more."""
        yield from self.change(job_failed=True)

    def note_cleaned(self) -> Steps[None]:
        """Store that nothing is left of the failed job: what exists from now on is somebody else's."""
        yield from self.change(target_existed=True)
