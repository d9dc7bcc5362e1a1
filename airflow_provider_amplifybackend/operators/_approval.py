"""The check that somebody has approved a plan in this run, made by the task that deletes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import state_of_task
from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.guard.approval import Approval, NotApprovedError, approval_of
from airflow_provider_amplifybackend.guard.verdict import Refusal
from airflow_provider_amplifybackend.parameters.reading import refuse_missing, shown

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.guard.reach import Reach


def task_id_of(value: Any) -> Any:
    """Return the task of an ``output``; anything else as it is."""
    return getattr(getattr(value, "operator", None), "task_id", value)


def as_approval(name: str, value: Any) -> str | None:
    """Return the task id of an approval.

    :raises BackendParameterError: It is none. An answer itself is none: it does not say of which run it is.
    """
    value = task_id_of(value)
    refuse_missing(name, value)
    if value is None or isinstance(value, str):
        return value
    raise BackendParameterError(f"{name}={shown(value)} must be the approval's task id, or its output: approve.output")


class ApprovalCheck:
    """One of the guard's last checks. It reads the answer anew each time: it may have been cleared since.

    :param task_id: The approval's task, in the run of the task that deletes.
    :param digest: The plan that it must be for.
    :param approved: Is told of the approval, for the record.
    """

    def __init__(
        self, context: Context, operation: str, task_id: str, digest: str, approved: Callable[[Approval], None]
    ) -> None:
        self._context = context
        self._operation = operation
        self._task_id = task_id
        self._digest = digest
        self._approved = approved

    def __call__(self, reach: Reach) -> Refusal | None:
        """Refuse what nobody has approved in this run."""
        if reach.operation != self._operation:
            return None
        index = self._index()
        try:
            approval = approval_of(
                self._context["ti"].xcom_pull(task_ids=self._task_id, map_indexes=index),
                task_id=self._task_id,
                state=state_of_task(self._context, self._task_id, index),
                digest=self._digest,
            )
        except NotApprovedError as refusal:
            return Refusal(GuardRefusal.NOT_APPROVED, str(refusal))
        self._approved(approval)
        return None

    def _index(self) -> int:
        """Return the map index of the approval: this task's own, if there is one approval for each."""
        task: Any = self._context["task"]
        approval = task.dag.task_dict.get(self._task_id) if task.dag else None
        is_mapped = approval is not None and (
            getattr(approval, "is_mapped", False) or any(True for _ in approval.iter_mapped_task_groups())
        )
        index = self._context["ti"].map_index
        return index if is_mapped and index is not None else -1
