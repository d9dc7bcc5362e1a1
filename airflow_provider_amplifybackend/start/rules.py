"""The rules of a start: the decision for each state of its intent and each observation of its job.

AmplifyBackend has no client token and no cancel, and it refuses a second job while one is pending in the same app and
environment. Everything here is a pure function of what was stored and what the service shows, so that the rules can be
read and tested without Airflow, boto or a network. ``TABLE`` is all of it; docs/architecture.md is drawn from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airflow_provider_amplifybackend.core.job import Job, Outcome, newest
from airflow_provider_amplifybackend.core.operations import Effect
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.start.decisions import Adopt, CheckAgain, Decision, Done, Refuse, WaitFor
from airflow_provider_amplifybackend.start.fresh_start import decide_fresh
from airflow_provider_amplifybackend.start.intent import Intent, State, own_job
from airflow_provider_amplifybackend.start.ownership import unless_in_doubt
from airflow_provider_amplifybackend.start.situation import (
    Order,
    Sight,
    Situation,
    is_in_target,
    order_of,
    reopened,
    sight_of,
)


@dataclass(frozen=True)
class Case:
    """A situation in which something was started, or may have been: its intent, and the intent's job if it shows."""

    situation: Situation
    intent: Intent
    job: Job | None

    @property
    def own(self) -> Job:
        """The intent's job, in the rules for what shows it."""
        if self.job is None:
            raise LookupError("the service shows no job")
        return self.job

    @property
    def is_gone(self) -> bool:
        """Tell whether what was to be removed is gone."""
        return self.situation.operation.effect is Effect.REMOVES and self.situation.target_exists is False

    @property
    def is_patient(self) -> bool:
        """Tell whether a start that left no trace can still come to be listed."""
        return self.situation.patience_left > 0


Rule = Callable[[Case], Decision]


def decide(situation: Situation) -> Decision:
    """Decide how to come to a job that is started once.

    First comes what this task may have started before, then somebody else's pending job, then what exists already.
    """
    intent = situation.intent
    if intent is None:
        return decide_fresh(situation, "no earlier start")
    job = own_job(situation.jobs, intent)
    rule = TABLE[order_of(situation, intent)][intent.state][sight_of(job)]
    return rule(Case(situation, intent, job))


# ---------------------------------------------------------------------------------------- the start's answer was lost


def _find_trace(case: Case) -> Decision:
    """Check again while patience lasts, then start; for a removal, succeed if it is gone."""
    situation, intent = case.situation, case.intent
    if case.is_gone:
        return Done("it is gone, and the answer to an earlier start was lost", outcome=Outcome.ADOPTED)
    if case.is_patient:
        return CheckAgain("a start may have been sent, but its job is not listed yet")
    if situation.operation.effect is Effect.CREATES and situation.target_exists and not intent.target_existed:
        return Refuse(
            f"the {situation.operation.resource} appeared after this task sent a start whose answer was lost, but "
            "no job for it is listed; inspect it, then delete it, or clear the task with if_exists='skip'",
            why=StartFailure.UNKNOWN_OWNER,
            is_final=True,
        )
    no_trace = "an earlier start left no trace within start_patience"
    return unless_in_doubt(situation, intent, decide_fresh(situation, no_trace))


def _adopt_found(case: Case) -> Decision:
    """Adopt it."""
    return Adopt("it appeared after this task sent a start whose answer was lost", job=case.own)


def _after_failure_found(case: Case) -> Decision:
    """Report it, if this try has sent; else it may be somebody else's: check again while patience lasts, then start."""
    if case.situation.sent_in_this_try:
        return _adopt_found(case)
    if case.is_patient:
        return CheckAgain(f"{case.own.ref} failed but may be somebody else's: this task's job may not be listed yet")
    return unless_in_doubt(case.situation, case.intent, decide_fresh(case.situation, _EARLIER_FAILED))


# -------------------------------------------------------------------------------------------- the start's job is known


def _await_listing(case: Case) -> Decision:
    """Check again while patience lasts, then adopt it as it is stored."""
    job_id = case.intent.job_id
    if case.is_patient:
        return CheckAgain(f"job {job_id} of an earlier try is not listed yet")
    return Adopt(
        f"job {job_id} was started by an earlier try of this task, but is no longer listed",
        job=case.intent.job,
    )


def _reattach(case: Case) -> Decision:
    """Adopt it."""
    return Adopt(f"job {case.own.job_id} was started by an earlier try of this task", job=case.own)


def _start_after_failure(case: Case) -> Decision:
    """Start again."""
    return decide_fresh(case.situation, _EARLIER_FAILED)


def _disown_failed(case: Case) -> Decision:
    """Take it for somebody else's, and decide as if the answer were still lost."""
    return _decide_without_it(case) or _start_after_failure(case)


def _decide_without_it(case: Case) -> Decision | None:
    """Decide as if a failed job that was found by looking did not exist; None if nothing else could be found."""
    situation = reopened(case.situation)
    return None if situation is case.situation else decide(situation)


def _start_after_refusal(case: Case) -> Decision:
    """Start again."""
    return decide_fresh(case.situation, "an earlier start was refused")


# ------------------------------------------------------------------------------ nothing is stored, and it may have been


def _start_presumed(case: Case) -> Decision:
    """Start."""
    return unless_in_doubt(case.situation, case.intent, decide_fresh(case.situation, "no earlier start"))


def _refuse_presumed(case: Case) -> Decision:
    """Fail: it is unclear whether it was this task's; for a removal, succeed if it is gone."""
    if case.is_gone:
        return _adopt_found(case)
    return Refuse(
        f"it is unclear whether an earlier try of this task started {case.own.ref}, which ended since this DAG run "
        "began: Airflow before 3.3 has no task state store; inspect the environment, then clear the task or mark it as "
        "success",
        why=StartFailure.UNKNOWN_OWNER,
    )


def _start_after_presumed_failure(case: Case) -> Decision:
    """Start again."""
    if case.situation.sent_in_this_try:
        return _refuse_presumed(case)
    return unless_in_doubt(case.situation, case.intent, decide_fresh(case.situation, _EARLIER_FAILED))


# ------------------------------------------------ the task was cleared, or its parameters have changed, since the start


def _start_anew(case: Case) -> Decision:
    """Start: it is to be done again."""
    return decide_fresh(case.situation, "the task was cleared")


def _disown_failed_earlier(case: Case) -> Decision:
    """Take it for somebody else's, and decide as if the answer were still lost."""
    return _decide_without_it(case) or _start_anew(case)


def _start_anew_once_settled(case: Case) -> Decision:
    """Check again while patience lasts, then start."""
    if case.is_patient:
        return CheckAgain("a start of the task's earlier round may have been sent, but its job is not listed yet")
    return _start_anew(case)


def _start_anew_once_listed(case: Case) -> Decision:
    """Check again while patience lasts, then start."""
    if case.is_patient:
        return CheckAgain(f"job {case.intent.job_id} of the task's earlier round is not listed yet")
    return _start_anew(case)


def _await_earlier(case: Case) -> Decision:
    """Adopt it; if it has other parameters, wait for its end and then start."""
    if case.intent.is_for(case.situation.digest):
        return Adopt("the task was cleared while its job was running; waiting for that job", job=case.own)
    return WaitFor(f"{case.own.ref}, which this task started with other parameters, is still running", job=case.own)


def _report_or_start_anew(case: Case) -> Decision:
    """Start; but adopt it if no try has returned with it yet."""
    if case.intent.is_for(case.situation.digest) and _is_unreported(case.situation, case.own):
        return Adopt("the task was cleared before it could report this job, which has completed since", job=case.own)
    return _start_anew(case)


def _is_unreported(situation: Situation, completed: Job) -> bool:
    """Tell whether no try has returned with this completed job yet, and no later job may have undone it.

    The task was cleared while the job was running, then, however long it took until a worker checked.
    """
    if situation.intent is None or situation.intent.reported or situation.intent.presumed:
        return False
    undone_if = {Effect.CREATES: False, Effect.REMOVES: True}.get(situation.operation.effect)
    if undone_if is not None and situation.target_exists is undone_if:
        return False
    last = newest(job for job in situation.jobs if is_in_target(situation, job) or job.job_id == completed.job_id)
    return last is not None and last.job_id == completed.job_id


_EARLIER_FAILED = "the job of an earlier try failed"


def _row(nothing: Rule, running: Rule, completed: Rule, failed: Rule) -> Mapping[Sight, Rule]:
    return {Sight.NOTHING: nothing, Sight.RUNNING: running, Sight.COMPLETED: completed, Sight.FAILED: failed}


# For the same order, and for one that comes after a clear or with other parameters: by the intent's state, what is done
# if the service shows nothing of its job, or that it runs, has completed or has failed.
TABLE: Mapping[Order, Mapping[State, Mapping[Sight, Rule]]] = {
    Order.SAME: {
        State.SENT: _row(_find_trace, _adopt_found, _adopt_found, _after_failure_found),
        State.ANSWERED: _row(_await_listing, _reattach, _reattach, _start_after_failure),
        State.FOUND: _row(_await_listing, _reattach, _reattach, _disown_failed),
        State.FAILED: _row(_start_after_failure, _start_after_failure, _start_after_failure, _start_after_failure),
        State.REFUSED: _row(_start_after_refusal, _start_after_refusal, _start_after_refusal, _start_after_refusal),
        State.PRESUMED: _row(_start_presumed, _adopt_found, _refuse_presumed, _start_after_presumed_failure),
    },
    Order.NEW: {
        State.SENT: _row(_start_anew_once_settled, _await_earlier, _report_or_start_anew, _start_anew_once_settled),
        State.ANSWERED: _row(_start_anew_once_listed, _await_earlier, _report_or_start_anew, _start_anew),
        State.FOUND: _row(_start_anew_once_listed, _await_earlier, _report_or_start_anew, _disown_failed_earlier),
        State.FAILED: _row(_start_anew, _await_earlier, _report_or_start_anew, _start_anew),
        State.REFUSED: _row(_start_anew, _start_anew, _start_anew, _start_anew),
        State.PRESUMED: _row(_start_anew, _await_earlier, _start_anew, _start_anew),
    },
}
