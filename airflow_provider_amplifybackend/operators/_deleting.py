"""The base of the operators that delete environments: by plan, on record and proven, as far as the user wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import HAS_STATE_STORE, task_state_store
from airflow_provider_amplifybackend.core.job import Job, JobResult, Outcome
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.operators._approval import ApprovalCheck, as_approval, task_id_of
from airflow_provider_amplifybackend.operators._job_base import RemovingOperator
from airflow_provider_amplifybackend.parameters.json_texts import read_json
from airflow_provider_amplifybackend.parameters.places import as_optional_place
from airflow_provider_amplifybackend.parameters.reading import (
    as_choice,
    as_flag,
    problems_of,
    refuse_missing,
    shown,
)

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.core.budget import Budget
    from airflow_provider_amplifybackend.guard.plan import Plan
    from airflow_provider_amplifybackend.guard.record import TaskFacts
    from airflow_provider_amplifybackend.operators._deletion import Deletion, Wishes
    from airflow_provider_amplifybackend.start.driver import StartOnce


def as_plan(name: str, value: Any) -> Plan | None:
    """Return a plan: a dictionary from an XCom, or JSON text.

    :raises BackendParameterError: It is none, or was altered.
    """
    from airflow_provider_amplifybackend.guard.plan import Plan, PlanError

    if value is None:
        return None
    refuse_missing(name, value)
    if isinstance(value, str):
        value = read_json(name, value, "pass plan.output, or a template that ends with | tojson")
    if not isinstance(value, Mapping):
        raise BackendParameterError(f"{name}={shown(value)} must be a plan: pass plan.output")
    try:
        return Plan.from_dict(value)
    except PlanError as error:
        raise BackendParameterError(f"{name} {error}") from None


def as_leftovers(name: str, value: Any) -> str | None:
    """Return what to do about leftovers; None: they are not looked for."""
    refuse_missing(name, value)
    return None if value is None else as_choice(name, value, ("report", "fail"))


def memory_problem(leftovers: Any, *memories: Any, names: str = "plan or record", has_store: bool) -> str | None:
    """Return why leftovers cannot be looked for: nothing would remember what was there before the deletion."""
    if has_store or leftovers not in ("report", "fail") or any(memory is not None for memory in memories):
        return None
    return (
        f"leftovers={leftovers!r} needs {names} on Airflow before 3.3, where nothing else remembers what was there "
        "before the deletion"
    )


def check_memory(leftovers: Any, record: Any) -> None:
    """Check for a group that makes an environment first, or surveys them, that its deletions can look for leftovers.

    :raises BackendParameterError: They could not.
    """
    if problem := memory_problem(leftovers, record, names="record", has_store=HAS_STATE_STORE):
        raise BackendParameterError(problem)


class DeletingOperator(RemovingOperator):
    """Start a job that deletes environments.

    :param plan: The plan to keep to: ``plan.output`` of a ``PlanBackendDeletionOperator``, or its JSON. The task plans
        anew just before its request, and refuses if the digest differs. (templated)
    :param approval: The task that approves the plan: its task id, or ``approve.output`` of an ``ApprovalOperator``
        (Airflow 3.1+). Just before its request the task looks whether somebody has approved exactly this plan in this
        run, and refuses if not, whatever the trigger rules. (templated)
    :param record: Where to write a record of the deletion: ``"s3://bucket/prefix"``, or any ``ObjectStoragePath``. It
        is written before the request and completed after the job's end; if it cannot be written, nothing is deleted.
        (templated)
    :param leftovers: ``"report"`` to look, after the job, for what should be gone, and to name in the result and the
        log what is not; ``"fail"`` to fail, too, unless everything is proven gone: what cannot be read is not. Nothing
        else is deleted. Airflow before 3.3 needs ``plan`` or ``record`` for it. (templated)
    """

    template_fields: Sequence[str] = (*RemovingOperator.template_fields, "plan", "approval", "record", "leftovers")
    template_fields_renderers = {"plan": "json"}
    careful = RemovingOperator.careful | {"plan", "approval", "record", "leftovers"}
    readers = RemovingOperator.readers | {
        "plan": as_plan,
        "approval": as_approval,
        "record": as_optional_place,
        "leftovers": as_leftovers,
    }

    def __init__(
        self,
        *,
        plan: Mapping[str, Any] | str | None = None,
        approval: Any = None,
        record: Any = None,
        leftovers: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.approval = approval
        self.record = record
        self.leftovers = leftovers
        self._deletion: Deletion | None = None

    @classmethod
    def problems(cls, values: Mapping[str, Any], *, templates: bool = False) -> list[str]:
        """Return a sentence for each parameter that cannot be sent or used."""
        found = super().problems(values, templates=templates)
        waits = values.get("wait_for_completion", True)
        if values.get("leftovers") and not problems_of(as_flag, "", waits) and not as_flag("", waits):
            found.append("leftovers are looked for after the job's end: set wait_for_completion=True")
        memories = (values.get("plan"), values.get("record"))
        if problem := memory_problem(values.get("leftovers"), *memories, has_store=HAS_STATE_STORE):
            found.append(problem)
        if values.get("approval") is not None and values.get("plan") is None:
            found.append("approval is that of a plan: set plan=plan.output, too")
        return found

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        """Render the parameters; of the approval's task its id, because its answer is read just before the request."""
        if parent is self:
            self.approval = task_id_of(self.approval)
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)

    # --------------------------------------------------------------------------------------------- ways through it

    def execute(self, context: Context) -> JobResult:
        """Start the job once, and wait for it if requested."""
        return self._on_record(lambda: super(DeletingOperator, self).execute(context))

    def resume_start(self, context: Context, event: object = None) -> JobResult:
        """Continue with the start after another job has ended, well or badly."""
        return self._on_record(lambda: super(DeletingOperator, self).resume_start(context, event))

    def execute_complete(self, context: Context, event: object = None) -> JobResult:
        """Return the job that has ended, or raise its error."""
        self._prepare(context)
        if self._deletion:
            self.hook_after(event)
        return self._on_record(lambda: super(DeletingOperator, self).execute_complete(context, event))

    def _on_record(self, run: Callable[[], JobResult]) -> JobResult:
        try:
            return run()
        except Exception as error:
            if self._deletion:
                self._deletion.went_wrong(error)
            raise

    def _starter(self, context: Context, budget: Budget, event: object = None) -> StartOnce:
        self._prepare(context)
        return super()._starter(context, budget, event)

    def _result(self, context: Context, job: Job, outcome: Outcome) -> JobResult:
        if self._deletion is None:
            return super()._result(context, job, outcome)
        # Before the end is reported: a clear after a proof that failed is to make the proof again, not the deletion.
        more = self._deletion.ended(job, outcome, job.to_xcom(outcome))
        return self._with_more(context, super()._result(context, job, outcome), more)

    def _without_job(self, context: Context, outcome: Outcome) -> JobResult:
        result = super()._without_job(context, outcome)
        more = self._deletion.ended(None, outcome, result) if self._deletion else {}
        return self._with_more(context, result, more)

    def _with_more(self, context: Context, result: JobResult, more: Mapping[str, Any]) -> JobResult:
        return self._with_members(context, {**result, **more}) if more else result  # type: ignore[typeddict-item]

    # ------------------------------------------------------------------------------------------------ what is needed

    def _prepare(self, context: Context) -> None:
        """Have the guard check plan and record, where the user asks for them."""
        if self._deletion is not None or all(value is None for value in (self.plan, self.record, self.leftovers)):
            return
        from airflow_provider_amplifybackend.operators._deletion import Deletion, Wishes

        store = task_state_store(context)
        wishes = Wishes(self.read("plan"), self.read("record"), self.read("leftovers"))
        if problem := memory_problem(wishes.leftovers, wishes.plan, wishes.record, has_store=store is not None):
            raise BackendParameterError(f"{self.task_id}: {problem}")
        self._deletion = Deletion(
            self.hook,
            self.api_operation,
            self.build_request(),
            wishes,
            _facts(context, self.owner),
            store=store,
            log=self.log,
        )
        # The approval first: what nobody has approved needs no reading.
        self.hook.guard.last_checks += [
            *self._approval_checks(context, self._deletion, wishes),
            self._deletion.check_plan,
            self._deletion.write_record,
        ]

    def _approval_checks(self, context: Context, deletion: Deletion, wishes: Wishes) -> list[ApprovalCheck]:
        approval = self.read("approval")
        if approval is None or wishes.plan is None:  # an approval without a plan is refused as a parameter
            return []
        return [ApprovalCheck(context, self.api_operation, approval, wishes.plan.digest, deletion.approved)]


def _facts(context: Context, owner: str) -> TaskFacts:
    from airflow_provider_amplifybackend.guard.record import TaskFacts

    ti, run = context["ti"], context["dag_run"]
    by = {
        "owner": owner,
        "run_type": getattr(run, "run_type", None),
        "triggered_by": getattr(run, "triggering_user_name", None),
        "host": getattr(ti, "hostname", None),
    }
    return TaskFacts(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        try_number=ti.try_number,
        by={name: str(getattr(value, "value", value)) for name, value in by.items() if value},
    )
