"""Lineage for OpenLineage's provider, which calls these methods where it is installed; nothing is imported before."""

from __future__ import annotations

from typing import Any

from airflow_provider_amplifybackend.core.job import Job, Outcome
from airflow_provider_amplifybackend.core.lineage import lineage_of
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.operators._guarded import GuardedOperator

# Those whose job is this task's: what was found, or skipped, was somebody else's change or none.
OWN_OUTCOMES = frozenset({Outcome.STARTED, Outcome.ADOPTED})


class LineageOperator(GuardedOperator):
    """Know which job the task has had, and tell OpenLineage of it and of its environments."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._had: tuple[Job | None, Outcome] | None = None

    def remember(self, job: Job | None, outcome: Outcome) -> None:
        """Remember the job of this task: OpenLineage asks in the same process, once the task has ended."""
        self._had = job, outcome

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the environments of the task that has succeeded, and its job."""
        return self._facets(is_change=self._had is not None and self._had[1] in OWN_OUTCOMES)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Return the environments of the task that has failed, and its job as far as it is known."""
        return self._facets(is_change=True)

    def _facets(self, *, is_change: bool) -> Any:
        from airflow_provider_amplifybackend._openlineage import operator_lineage

        lineage = lineage_of(JOB_OPERATIONS[self.api_operation], vars(self), is_change=is_change)
        job, outcome = self._had or (None, None)
        return operator_lineage(lineage, job, None if outcome is None else str(outcome))
