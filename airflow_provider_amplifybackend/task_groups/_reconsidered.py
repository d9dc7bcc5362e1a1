"""A deletion that is thought over once more just before its request: then the environment may stay after all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.exceptions import BackendGuardError
from airflow_provider_amplifybackend.guard.verdict import Refusal
from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.core.budget import Budget
    from airflow_provider_amplifybackend.core.job import JobResult
    from airflow_provider_amplifybackend.guard.reach import Reach
    from airflow_provider_amplifybackend.start.driver import StartOnce


class ReconsideredDeletion(DeleteBackendOperator):
    """Delete an environment, unless there is an objection by then: a wait for another job can have taken hours."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._objection = ""
        self._context: Context | None = None

    def objection(self, context: Context, environment: str) -> str:
        """Return why the environment is to stay; nothing if it is to go."""
        raise NotImplementedError  # each deletion has its own

    def stay(self, context: Context, objection: str) -> JobResult:
        """End the task whose environment stays."""
        raise NotImplementedError  # each deletion has its own

    def execute(self, context: Context) -> JobResult:
        """Delete it."""
        return self._unless_objected(context, lambda: super(ReconsideredDeletion, self).execute(context))

    def resume_start(self, context: Context, event: object = None) -> JobResult:
        """Continue with the start after another job has ended."""
        return self._unless_objected(context, lambda: super(ReconsideredDeletion, self).resume_start(context, event))

    def execute_complete(self, context: Context, event: object = None) -> JobResult:
        """Return the job that has ended."""
        return self._unless_objected(
            context, lambda: super(ReconsideredDeletion, self).execute_complete(context, event)
        )

    def _unless_objected(self, context: Context, run: Callable[[], JobResult]) -> JobResult:
        self._objection = ""
        try:
            return run()
        except BackendGuardError:
            if not self._objection:
                raise
            return self.stay(context, self._objection)

    def _starter(self, context: Context, budget: Budget, event: object = None) -> StartOnce:
        self._context = context
        checks = self.hook.guard.last_checks
        if self._reconsider not in checks:
            # Before plan and record: what is to stay needs none.
            checks.insert(0, self._reconsider)
        return super()._starter(context, budget, event)

    def _reconsider(self, reach: Reach) -> Refusal | None:
        if self._context is None or reach.operation != self.api_operation or reach.environment is None:
            return None
        self._objection = self.objection(self._context, reach.environment)
        return Refusal(GuardRefusal.CONDITION, self._objection) if self._objection else None
