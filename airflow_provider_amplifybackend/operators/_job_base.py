"""The base of the operators that start a job: once, and wait for its end here or in the triggerer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow_provider_amplifybackend._compat import XCOM_MAY_BE_NONE, conf, task_state_store
from airflow_provider_amplifybackend.core.budget import Budget
from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.job import (
    STILL_RUNNING,
    Job,
    JobRef,
    JobResult,
    Outcome,
    iso_time,
    left_behind,
)
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.core.secrets import redact_text, secret_values
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.exceptions import (
    BackendGuardError,
    BackendJobFailedError,
    BackendRequestError,
    BackendStartError,
    BackendTimeoutError,
)
from airflow_provider_amplifybackend.operators._asset_events import EmittingOperator
from airflow_provider_amplifybackend.parameters.limits import as_waiter_delay, as_waiter_max_attempts, budget_problems
from airflow_provider_amplifybackend.parameters.reading import as_choice, as_flag
from airflow_provider_amplifybackend.tasks.defaults import DEFAULT_DEFERRABLE
from airflow_provider_amplifybackend.tasks.failed_job import with_error_text
from airflow_provider_amplifybackend.tasks.notes import note_wait
from airflow_provider_amplifybackend.triggers._events import job_of_event

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
    from airflow_provider_amplifybackend.start.actions import AwaitEnd, StartPolicy, StartResult
    from airflow_provider_amplifybackend.start.driver import StartOnce
    from airflow_provider_amplifybackend.start.intent import Intent, Round

DEFAULT_START_PATIENCE = 60.0
FAIL_OR_SKIP = partial(as_choice, accepted=("fail", "skip"))


class AmplifyBackendJobOperator(EmittingOperator):
    """Start a job once, and wait until it has ended.

    :param wait_for_completion: Whether to wait for the job. If not, the task succeeds once the job has started.
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param waiter_delay: Maximum seconds between status checks; the first ones come sooner.
    :param waiter_max_attempts: ``waiter_delay * waiter_max_attempts`` is the time budget in seconds. It starts
        with the first ``execute`` of a try and includes waiting for other jobs.
    :param on_pending_job: What to do if another job holds the environment: ``"wait"`` for it, or ``"fail"``.

    :return: The job in the API's spelling (``AppId``, ``BackendEnvironmentName``, ``JobId``, ``Operation``,
        ``Status``, ``Error``, ``CreateTime``, ``UpdateTime``), the two times also as ISO 8601 (``created_at``,
        ``updated_at``), and ``outcome``: ``started``, ``adopted`` (an earlier try had started it), ``found`` or
        ``skipped`` (there was nothing to do). The job's id is also an XCom of its own, from the start on:
        ``clone.output["JobId"]``.
    :raises BackendStartError: The job was not started; ``reason`` says what is in the way.
    :raises BackendJobFailedError: The job ended as FAILED.
    :raises BackendJobTimeoutError: The wait timed out before the job had ended.
    """

    template_fields: Sequence[str] = (
        *EmittingOperator.template_fields,
        "wait_for_completion",
        "deferrable",
        "waiter_delay",
        "waiter_max_attempts",
        "on_pending_job",
    )
    # The defaults of what some operators have as parameters of the same names.
    if_exists: str = "fail"
    if_missing: str = "fail"
    on_failure: str = "keep"
    # The parameter that names the environment which the job creates, if it does.
    new_environment: ClassVar[str | None] = None
    readers = EmittingOperator.readers | {
        "wait_for_completion": as_flag,
        "deferrable": as_flag,
        "waiter_delay": as_waiter_delay,
        "waiter_max_attempts": as_waiter_max_attempts,
        "on_pending_job": partial(as_choice, accepted=("wait", "fail")),
    }

    def __init__(
        self,
        *,
        wait_for_completion: bool = True,
        deferrable: bool = DEFAULT_DEFERRABLE,
        waiter_delay: float = 30,
        waiter_max_attempts: int = 120,
        on_pending_job: str = "wait",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # `clone.output["JobId"]` asks for an XCom of that name.
        self.multiple_outputs = XCOM_MAY_BE_NONE
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts
        self.on_pending_job = on_pending_job
        self._awaited: JobRef | None = None

    @classmethod
    def problems(cls, values: Mapping[str, Any], *, templates: bool = False) -> list[str]:
        """Return a sentence for each parameter that cannot be sent or used."""
        return super().problems(values, templates=templates) + budget_problems(values)

    def execute(self, context: Context) -> JobResult:
        """Start the job once, and wait for it if requested."""
        self.store_links(context)
        self.validate()
        # Before anything is looked at: what is protected is neither waited for nor handed on. The whole guard is asked
        # just before an intent is stored.
        self.hook.guard.check_names(self.api_operation, self.build_request())
        return self._run(context, self._starter(context, self._budget(current().now())))

    def policy(self) -> StartPolicy:
        """Return the user's choices for obstacles and failures."""
        from airflow_provider_amplifybackend.start.actions import StartPolicy

        return StartPolicy(
            on_pending_job="fail" if self.read("only_if").no_pending_job else self.on_pending_job,
            if_exists=self.if_exists,
            if_missing=self.if_missing,
            delete_leftover=self._new_name if self.on_failure == "delete_target" else None,
            patience=conf.getfloat("amplifybackend", "start_patience", fallback=DEFAULT_START_PATIENCE),
        )

    @property
    def _new_name(self) -> str | None:
        return str(getattr(self, self.new_environment)) if self.new_environment else None

    def _run(self, context: Context, starter: StartOnce) -> JobResult:
        try:
            result = starter.run(wait=self.read("wait_for_completion"))
        except BackendStartError as error:
            raise self._unmet(error) or error from None
        return self._finish(context, starter, result)

    def _unmet(self, error: BackendStartError) -> BackendGuardError | None:
        """Return the error of a condition, where that is what the start has failed on."""
        if error.reason is not StartFailure.PENDING_JOB or not self.read("only_if").no_pending_job:
            return None
        return BackendGuardError(
            f"{error}. A condition of only_if does not hold: no_pending_job", reason=GuardRefusal.CONDITION
        )

    def _finish(self, context: Context, starter: StartOnce, result: StartResult) -> JobResult:
        if result.job is None:
            return self._without_job(context, result.outcome)
        if result.job.is_failed:
            raise self._job_failed(result.job, result.outcome, lambda: starter)
        return self._result(context, result.job, result.outcome)

    def _failed_elsewhere(
        self, job: Job, outcome: Outcome, event: object, make_starter: Callable[[], StartOnce]
    ) -> Job:
        """Return a job that failed while the triggerer waited for it, with its error text if that can be shown."""

        def knowing_hook() -> AmplifyBackendHook:
            hook = self.hook_after(event)
            if outcome is Outcome.STARTED:
                hook.texts.own(job.job_id)
            elif JOB_OPERATIONS[self.api_operation].takes_secrets:
                make_starter()  # it knows from the intent whose job it is
            return hook

        return with_error_text(job, knowing_hook)

    def _job_failed(self, job: Job, outcome: Outcome, make_starter: Callable[[], StartOnce]) -> BackendJobFailedError:
        """Return the error for a job that ended as FAILED, after its clean-up if there is one."""
        self.remember(job, outcome)
        if self.on_failure == "delete_target":
            return BackendJobFailedError(job, make_starter().delete_leftover(job, outcome))
        return BackendJobFailedError(job, left_behind(self.api_operation, self._new_name))

    def _result(self, context: Context, job: Job, outcome: Outcome) -> JobResult:
        from airflow_provider_amplifybackend.start.report import report

        report(task_state_store(context), job, self.log)
        self.emit_change(context, job, outcome)
        return self._with_members(context, job.to_xcom(outcome))

    def _without_job(self, context: Context, outcome: Outcome) -> JobResult:
        request = self.build_request()
        environments = JOB_OPERATIONS[self.api_operation].environments(request)
        nothing = Job(
            app_id=request["AppId"],
            backend_environment_name=environments[0] if environments else "",
            job_id="",
            operation=self.api_operation,
        )
        self.emit_change(context, None, outcome)
        return self._with_members(context, nothing.to_xcom(outcome))

    def _push_job_id(self, context: Context, job: Job | None) -> None:
        """Push the job's id before waiting: for ``output["JobId"]``, and for whoever inspects the waiting task."""
        self.push_members(context, {"JobId": job.job_id if job else None})

    def _with_members(self, context: Context, result: JobResult) -> JobResult:
        """Push the members of the result, where Airflow cannot because some of them are None."""
        if not XCOM_MAY_BE_NONE:
            self.push_members(context, result)
        return result

    def _starter(self, context: Context, budget: Budget, event: object = None) -> StartOnce:
        """Return an attempt to start the job.

        :param event: Of the deferral after which the try continues; without a store it carries what is known.
        """
        from airflow_provider_amplifybackend.start.driver import StartOnce
        from airflow_provider_amplifybackend.start.intent import arrived

        def wait(action: AwaitEnd) -> Job:
            note_wait(context, action.ref, budget, action)
            return self._wait(action, starter, budget)

        hook = self.hook_after(event)
        store = task_state_store(context)
        carried = _content(event).get("start")
        starter = StartOnce(
            hook,
            self.api_operation,
            self.build_request(),
            round=_round(context),
            policy=self.policy(),
            deadline=budget.deadline,
            log=self.log,
            store=store,
            arrived=arrived(carried) if store is None else None,
            presumed=None if store is not None else self._presumed_intent(context),
            try_number=context["ti"].try_number,
            wait=wait,
            announce=partial(self._push_job_id, context),
        )
        if starter.answered_job:
            hook.texts.own(starter.answered_job)
        return starter

    def _presumed_intent(self, context: Context) -> Intent | None:
        """Before Airflow 3.3 nothing is stored: a later try knows only that an earlier one may have started a job."""
        from airflow_provider_amplifybackend.start.intent import Intent

        try_number, round = context["ti"].try_number, _round(context)
        if try_number <= 1:
            return None
        # A clear grants the task all its retries once more, on top of the tries that it has had.
        is_first_since_clear = try_number == round.max_tries - (self.retries or 0) + 1
        # Airflow sets the start of a run anew when it is cleared, and what it had started may still be running.
        run_start = None if is_first_since_clear else context["dag_run"].start_date
        return Intent(
            operation=self.api_operation,
            app_id=str(getattr(self, "app_id", "")),
            digest="",
            round=round.earlier if is_first_since_clear else round,
            service_time_ms=int(run_start.timestamp() * 1000) if run_start else 0,
            presumed=True,
        )

    # ------------------------------------------------------------------------------------------------------ waiting

    def _wait(self, action: AwaitEnd, starter: StartOnce, budget: Budget) -> Job:
        """Wait until a job has ended, here or in the triggerer."""
        from airflow_provider_amplifybackend.start.actions import Whose

        if self.read("deferrable") and action.whose is not Whose.CLEANUP:
            self._defer(action, starter, budget)
        self._awaited = action.ref
        try:
            return self.hook.await_end(
                action.ref,
                deadline=budget.deadline,
                waiter_delay=self.read("waiter_delay"),
                durations=action.durations,
            )
        finally:
            self._awaited = None

    def on_kill(self) -> None:
        """Log that the job is still running when the task is killed while it waits."""
        if self._awaited:
            self.log.warning("%s Check it with: %s", STILL_RUNNING, self._awaited.check_command)

    def _defer(self, action: AwaitEnd, starter: StartOnce, budget: Budget) -> NoReturn:
        from airflow_provider_amplifybackend.start.actions import Whose
        from airflow_provider_amplifybackend.start.intent import travelling
        from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger

        trigger = BackendJobTrigger.waiting_for(
            action.ref,
            started=budget.started,
            deadline=budget.deadline,
            waiter_delay=self.read("waiter_delay"),
            outcome=str(action.outcome) if action.outcome else None,
            durations=list(action.durations),
            start=travelling(starter.intent) if starter.store is None else None,
            **self.wait_parameters,
        )
        until = iso_time(int(budget.deadline * 1000))
        self.log.info("Waiting in the triggerer until %s at the latest: %s", until, action.ref)
        self.defer(
            trigger=trigger,
            method_name="execute_complete" if action.whose is Whose.OWN else "resume_start",
            timeout=budget.deferral_timeout,
        )
        raise AssertionError("defer does not return")

    def resume_start(self, context: Context, event: object = None) -> JobResult:
        """Continue with the start after another job has ended, well or badly."""
        ended: Job | BackendTimeoutError | BackendRequestError
        try:
            ended = job_of_event(event, self._redacted)
        except (BackendTimeoutError, BackendRequestError) as failure:
            ended = failure
        starter = self._starter(context, self._carried_budget(event), event)
        result = starter.resume_after_other(ended, wait=self.read("wait_for_completion"))
        return self._finish(context, starter, result)

    def execute_complete(self, context: Context, event: object = None) -> JobResult:
        """Return the job that has ended, or raise its error."""
        job = job_of_event(event, self._redacted)
        outcome = Outcome(_content(event).get("outcome") or Outcome.STARTED)

        def make_starter() -> StartOnce:
            return self._starter(context, self._carried_budget(event), event)

        if job.is_failed:
            raise self._job_failed(self._failed_elsewhere(job, outcome, event, make_starter), outcome, make_starter)
        if outcome is not Outcome.ADOPTED:
            # Nothing is left to ask, so boto is not even loaded.
            return self._result(context, job, outcome)
        starter = make_starter()
        return self._finish(context, starter, starter.resume(outcome, job))

    def _redacted(self, text: str) -> str:
        return redact_text(text, secret_values(self.parameter_values()))

    def _budget(self, started: float) -> Budget:
        seconds = self.read("waiter_delay") * self.read("waiter_max_attempts")
        return Budget.of(seconds, self.execution_timeout, started=started)

    def _carried_budget(self, event: object) -> Budget:
        """Return the time budget of the try, as the event has carried it."""
        carried = _content(event)
        started = carried.get("started") or current().now()
        deadline = carried.get("deadline")
        return Budget(started, deadline) if deadline else self._budget(started)


def _content(event: object) -> Mapping[str, Any]:
    """Return what an event carries, nothing if it is none."""
    return event if isinstance(event, Mapping) else {}


class CreatingOperator(AmplifyBackendJobOperator):
    """Start a job that creates something.

    :param if_exists: What to do if it already exists: ``"fail"``, or ``"skip"``: succeed with what exists. What a
        failed job left behind does not count as existing.
    """

    template_fields: Sequence[str] = (*AmplifyBackendJobOperator.template_fields, "if_exists")
    readers = AmplifyBackendJobOperator.readers | {"if_exists": FAIL_OR_SKIP}

    def __init__(self, *, if_exists: str = "fail", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.if_exists = if_exists


class RemovingOperator(AmplifyBackendJobOperator):
    """Start a job that removes something.

    :param if_missing: What to do if there is nothing to remove: ``"fail"``, or ``"skip"``: succeed.
    """

    template_fields: Sequence[str] = (*AmplifyBackendJobOperator.template_fields, "if_missing")
    readers = AmplifyBackendJobOperator.readers | {"if_missing": FAIL_OR_SKIP}

    def __init__(self, *, if_missing: str = "fail", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.if_missing = if_missing


def _round(context: Context) -> Round:
    from airflow_provider_amplifybackend.start.intent import Round

    clear_number = getattr(context["dag_run"], "clear_number", None)
    return Round(max_tries=context["ti"].max_tries or 0, clear_number=clear_number or 0)
