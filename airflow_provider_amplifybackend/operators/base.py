"""What all operators share. An operator class itself is a name, a typed signature and a docstring."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow_provider_amplifybackend._compat import (
    XCOM_MAY_BE_NONE,
    AirflowNotFoundException,
    conf,
    mask_secret,
    task_state_store,
)
from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.core.secrets import MASKED_MEMBERS, redact_secrets, secret_values, written_forms
from airflow_provider_amplifybackend.exceptions import (
    STILL_RUNNING,
    BackendJobFailedError,
    BackendParameterError,
    BackendRequestError,
    BackendTimeoutError,
)
from airflow_provider_amplifybackend.links import AmplifyConsoleLink, AmplifyStudioLink, link_addresses
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.parameters.limits import (
    as_waiter_delay,
    as_waiter_max_attempts,
    budget_problems,
    deferral_timeout,
    earliest_deadline,
)
from airflow_provider_amplifybackend.parameters.reading import EMPTY_RENDERINGS, as_choice, as_flag, is_template
from airflow_provider_amplifybackend.start import rules as jobs
from airflow_provider_amplifybackend.start.rules import Intent, Job, JobRef, JobResult, Outcome
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters
from airflow_provider_amplifybackend.triggers._events import job_of_event

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.start.protocol import AwaitEnd, Reached, StartOnce, StartProtocol, Steps

DEFAULT_DEFERRABLE = conf.getboolean("operators", "default_deferrable", fallback=False)
DEFAULT_START_PATIENCE = 60.0


class AmplifyBackendOperator(AwsParameters):
    """Call one operation of AmplifyBackend and return its response.

    Parameters that name a member of the API are templated, and coerced by the API's model after rendering. They are
    checked in ``execute``, because before that they may be templates.

    :raises BackendParameterError: A parameter cannot be sent. Nothing was sent, and a retry cannot help.
    :raises BackendRequestError: The service refused the call, or it could not be made.
    """

    api_operation: ClassVar[str]
    operator_extra_links = (AmplifyConsoleLink(), AmplifyStudioLink())
    ui_color = "#fff3e0"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "api_operation" in cls.__dict__:
            named = inspect.signature(cls.__init__).parameters.values()
            own = [parameter.name for parameter in named if parameter.kind is parameter.KEYWORD_ONLY]
            cls.template_fields = tuple(dict.fromkeys((*own, *cls.template_fields)))

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        # Airflow stores rendered fields before `execute`, and for mapped tasks it bypasses an overridden
        # `render_template_fields`: the assignment is what both ways have in common.
        if name in type(self).template_fields:
            _mask_secrets(name, value)

    def set_rendered(self, name: str, value: Any) -> None:
        """Set a parameter to what was rendered, where what still looks like a template is the text of a secret."""
        super().set_rendered(name, value)
        _mask_secrets(name, value, is_rendered=True)

    def execute(self, context: Context) -> Any:
        """Call the operation."""
        self.store_links(context)
        return self.publish(context, self.hook.call(self.api_operation, self.build_request()))

    @classmethod
    def problems(cls, values: Mapping[str, Any], *, templates: bool = False) -> list[str]:
        """Return a sentence for each parameter that cannot be sent or used."""
        return service_model.problems(cls.api_operation, values, templates=templates) + super().problems(
            values, templates=templates
        )

    def store_links(self, context: Context) -> None:
        """Store the addresses of the links: only the task knows the region and the rendered names.

        Before anything else, and empty where there is nothing to link to, because Airflow logs an error for a link
        that it does not find. What else is wrong with the connection is for the call to say.
        """
        environment = getattr(self, "target_environment_name", None) or getattr(self, "backend_environment_name", None)
        app_id = getattr(self, "app_id", None)
        addresses = dict.fromkeys((AmplifyConsoleLink.key, AmplifyStudioLink.key), "")
        if all(names.can_name(name) and name not in EMPTY_RENDERINGS for name in (app_id, environment)):
            try:
                addresses = link_addresses(self.hook.conn_region_name, str(app_id), str(environment))
            except AirflowNotFoundException:
                raise
            except Exception as error:  # noqa: BLE001
                self.log.debug("no links: %s", error)
        for key, address in addresses.items():
            context["ti"].xcom_push(key=key, value=address)

    def publish(self, context: Context, response: Mapping[str, Any]) -> dict[str, Any]:
        """Return a response as it goes into XCom, and push its members: ``get.output["ResourceConfig"]``."""
        result = self.present(response)
        self.push_members(context, result)
        return result

    def push_members(self, context: Context, members: Mapping[str, Any]) -> None:
        """Push each member that there is as an XCom of its own."""
        if self.do_xcom_push:
            for name, value in members.items():
                if value is not None:  # Airflow does not tell such an XCom from none at all
                    context["ti"].xcom_push(key=name, value=value)

    def build_request(self) -> dict[str, Any]:
        """Return the request in the API's spelling.

        :raises BackendParameterError: names every parameter that cannot be sent.
        """
        parameters = service_model.members(self.api_operation)
        values = {name: getattr(self, name, None) for name in parameters}
        try:
            return service_model.build_request(self.api_operation, values)
        except service_model.ParameterError as error:
            raise BackendParameterError(f"{self.task_id}: {error}") from error

    def present(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of a response goes into XCom: no transport details, no secrets."""
        members = {key: value for key, value in response.items() if key != "ResponseMetadata"}
        redacted: dict[str, Any] = redact_secrets(members)
        return redacted


class AmplifyBackendJobOperator(AmplifyBackendOperator):
    """Start a job once, and wait until it has ended.

    :param wait_for_completion: Whether to wait for the job. If not, the task succeeds once the job has started.
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param waiter_delay: Longest seconds between two looks at the job; the first ones come sooner.
    :param waiter_max_attempts: ``waiter_delay * waiter_max_attempts`` is the time budget in seconds. It starts
        with the first ``execute`` of a try and includes waiting for other jobs.
    :param on_pending_job: What to do if another job holds the environment: ``"wait"`` for it, or ``"fail"``.

    :return: The job in the API's spelling (``AppId``, ``BackendEnvironmentName``, ``JobId``, ``Operation``,
        ``Status``, ``Error``, ``CreateTime``, ``UpdateTime``), the two times also as ISO 8601 (``created_at``,
        ``updated_at``), and ``outcome``: ``started``, ``adopted`` (an earlier try had started it), ``found`` or
        ``skipped`` (there was nothing to do). The job's id is also an XCom of its own, from the start on:
        ``clone.output["JobId"]``.
    :raises BackendStartError: The job could not be started once; says what is in the way.
    :raises BackendJobFailedError: The job ended as FAILED.
    :raises BackendJobTimeoutError: The job had not ended when the time budget did.
    """

    template_fields: Sequence[str] = (
        *AmplifyBackendOperator.template_fields,
        "wait_for_completion",
        "deferrable",
        "waiter_delay",
        "waiter_max_attempts",
        "on_pending_job",
    )
    readers = AmplifyBackendOperator.readers | {
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
        """Start the job once, and wait for it as told."""
        self.store_links(context)
        self.validate()
        started = time.time()
        return self._proceed(context, self._starter(context, started, self._deadline(started)))

    def _proceed(self, context: Context, starter: StartOnce) -> JobResult:
        """Start the job and wait. Also how a task continues after it has waited for another job."""
        return self._finish(context, starter, starter.drive(self._steps(starter.protocol)))

    def _steps(self, start: StartProtocol) -> Steps[Reached]:
        """Return what is to be done, as actions; some operators do something before."""
        return start.run(wait=self.read("wait_for_completion"))

    def _finish(self, context: Context, starter: StartOnce, reached: Reached) -> JobResult:
        if reached.job is None:
            return self._without_job(context, reached.outcome)
        if reached.job.is_failed:
            raise self._job_failed(reached.job, reached.outcome, lambda: starter)
        return self._result(context, reached.job, reached.outcome)

    def _push_job_id(self, context: Context, job: Job | None) -> None:
        """Push the job's id before waiting: for ``output["JobId"]``, and for whoever looks while the task waits."""
        self.push_members(context, {"JobId": job.job_id if job else None})

    def _with_members(self, context: Context, result: JobResult) -> JobResult:
        """Push the members of the result, where Airflow cannot because some of them are None."""
        if not XCOM_MAY_BE_NONE:
            self.push_members(context, result)
        return result

    def _starter(self, context: Context, started: float, deadline: float, event: Any = None) -> StartOnce:
        """Return an attempt to start the job.

        :param event: Of the deferral after which the try continues; without a store it carries what is known.
        """
        from airflow_provider_amplifybackend.start.protocol import Policy, StartOnce, arrived

        def wait(action: AwaitEnd) -> Job:
            return self._wait(action, starter, started)

        self._stay_who_we_were(event)
        store = task_state_store(context)
        carried = event.get("start") if isinstance(event, Mapping) else None
        starter = StartOnce(
            self.hook,
            self.api_operation,
            self.build_request(),
            round=_round(context),
            policy=Policy(
                on_pending_job=self.on_pending_job,
                if_exists=getattr(self, "if_exists", "fail"),
                if_missing=getattr(self, "if_missing", "fail"),
                patience=conf.getfloat("amplifybackend", "start_patience", fallback=DEFAULT_START_PATIENCE),
            ),
            deadline=deadline,
            log=self.log,
            store=store,
            arrived=arrived(carried) if store is None else None,
            presumed=None if store is not None else self._presumed_intent(context),
            try_number=context["ti"].try_number,
            wait=wait,
            announce=partial(self._push_job_id, context),
        )
        return starter

    def _presumed_intent(self, context: Context) -> Intent | None:
        """Before Airflow 3.3 nothing is stored: a later try knows only that an earlier one may have started a job."""
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

    def _wait(self, action: AwaitEnd, starter: StartOnce, started: float) -> Job:
        """Wait until a job has ended, here or in the triggerer."""
        from airflow_provider_amplifybackend.start.protocol import Whose

        if self.read("deferrable") and action.whose is not Whose.CLEANUP:
            self._defer(action, starter, started)
        return self._await_end(action.ref, starter.protocol.deadline, action.durations)

    def _await_end(self, ref: JobRef, deadline: float, durations: Sequence[float] = ()) -> Job:
        self._awaited = ref
        try:
            return self.hook.await_end(
                ref, deadline=deadline, waiter_delay=self.read("waiter_delay"), durations=durations
            )
        finally:
            self._awaited = None

    def on_kill(self) -> None:
        """Say what goes on when the task is killed while it waits; the service has no cancel."""
        if self._awaited:
            self.log.warning("%s Check it with: %s", STILL_RUNNING, self._awaited.look_command)

    def _job_failed(self, job: Job, outcome: Outcome, make_starter: Callable[[], StartOnce]) -> BackendJobFailedError:
        """Return the error for a job that ended as FAILED, once what is to be done about it has been done."""
        return BackendJobFailedError(job, self._after_failure(job, outcome, make_starter))

    def _after_failure(self, job: Job, outcome: Outcome, make_starter: Callable[[], StartOnce]) -> str:
        """Do what is to be done about a failed job, and say it in a sentence; most operators do nothing."""
        return ""

    def _without_job(self, context: Context, outcome: Outcome) -> JobResult:
        request = self.build_request()
        environments = jobs.JOB_OPERATIONS[self.api_operation].environments(request)
        nothing = Job(
            app_id=request["AppId"],
            backend_environment_name=environments[0] if environments else "",
            job_id="",
            operation=self.api_operation,
        )
        return self._with_members(context, nothing.to_xcom(outcome))

    def _defer(self, action: AwaitEnd, starter: StartOnce, started: float) -> NoReturn:
        from airflow_provider_amplifybackend.start.protocol import Whose, travelling
        from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger

        deadline, is_own = starter.protocol.deadline, action.whose is Whose.OWN
        trigger = BackendJobTrigger.waiting_for(
            action.ref,
            started=started,
            deadline=deadline,
            waiter_delay=self.read("waiter_delay"),
            outcome=str(action.outcome) if action.outcome else None,
            durations=list(action.durations),
            start=travelling(starter.intent) if starter.protocol.store is None else None,
            **self.wait_parameters,
        )
        self.log.info("Waiting in the triggerer, until %s at most: %s", jobs.iso_time(int(deadline * 1000)), action.ref)
        self.defer(
            trigger=trigger,
            method_name="execute_complete" if is_own else "resume_start",
            timeout=deferral_timeout(deadline),
        )
        raise AssertionError("defer does not return")

    def resume_start(self, context: Context, event: Any = None) -> JobResult:
        """Go on with the start after another job has ended, well or badly."""
        error: BackendTimeoutError | BackendRequestError | None = None
        try:
            ended = job_of_event(event)
        except (BackendTimeoutError, BackendRequestError) as failure:
            error = failure
        starter = self._starter(context, *self._times(event), event)
        if error:
            starter.drive(starter.protocol.after_wait_in_vain(error))
        else:
            starter.protocol.note_other_ended(ended)
        return self._proceed(context, starter)

    def execute_complete(self, context: Context, event: Any = None) -> JobResult:
        """Return the job that has ended, or raise its error."""
        job = job_of_event(event)
        outcome = Outcome(event.get("outcome") or Outcome.STARTED)

        def make_starter() -> StartOnce:
            return self._starter(context, *self._times(event), event)

        if job.is_failed:
            raise self._job_failed(job, outcome, make_starter)
        if outcome is not Outcome.ADOPTED:
            # Nothing is left to ask, so boto is not even loaded.
            return self._result(context, job, outcome)
        starter = make_starter()
        return self._finish(context, starter, starter.drive(starter.protocol.resume(outcome, job)))

    def _result(self, context: Context, job: Job, outcome: Outcome) -> JobResult:
        from airflow_provider_amplifybackend.start.protocol import report

        report(task_state_store(context), job, self.log)
        return self._with_members(context, job.to_xcom(outcome))

    def _times(self, event: Any) -> tuple[float, float]:
        """Return when the try began and when its time budget ends, as the event has carried them."""
        carried = event if isinstance(event, Mapping) else {}
        started = carried.get("started") or time.time()
        return started, carried.get("deadline") or self._deadline(started)

    def _stay_who_we_were(self, event: Any) -> None:
        """Refuse to go on as boto3's own identity, if the connection was found when the try began."""
        if isinstance(event, Mapping) and event.get("connection_found"):
            self.hook.connection_found = True

    def _deadline(self, started: float) -> float:
        return earliest_deadline(
            started, self.read("waiter_delay") * self.read("waiter_max_attempts"), self.execution_timeout
        )


def _round(context: Context) -> jobs.Round:
    clear_number = getattr(context["dag_run"], "clear_number", None)
    return jobs.Round(max_tries=context["ti"].max_tries or 0, clear_number=clear_number or 0)


def _mask_secrets(name: str, value: Any, *, is_rendered: bool = False) -> None:
    as_member = service_model_name(name)
    for secret in secret_values({as_member: value}):
        if is_rendered or not is_template(secret):
            for text in written_forms(secret):
                mask_secret(text)


def service_model_name(parameter: str) -> str:
    """Return the API's spelling of a parameter that is a secret itself; loading the model for that costs too much."""
    return next((name for name in MASKED_MEMBERS if _snake(name) == parameter), parameter)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
