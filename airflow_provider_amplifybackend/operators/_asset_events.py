"""The base of the operators whose jobs change something: the asset event of a job that has completed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import HAS_ASSETS, asset_alias, conf
from airflow_provider_amplifybackend.assets import BACKEND_CHANGES, backend_asset
from airflow_provider_amplifybackend.core.changes import change_of, changed_environment
from airflow_provider_amplifybackend.core.job import Job, Outcome
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.operators._lineage import OWN_OUTCOMES, LineageOperator
from airflow_provider_amplifybackend.parameters.reading import as_flag

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context

DEFAULT_ASSET_EVENTS = conf.getboolean("amplifybackend", "asset_events", fallback=True)


class EmittingOperator(LineageOperator):
    """Change something, and tell Airflow of it.

    :param asset_events: Whether to emit an asset event (``amplifybackend://APP/ENVIRONMENT``) when a job that this task
        has started has completed; Airflow 3.0+. Default: ``[amplifybackend] asset_events``. (templated)
    """

    template_fields: Sequence[str] = (*LineageOperator.template_fields, "asset_events")
    readers = LineageOperator.readers | {"asset_events": as_flag}

    def __init__(self, *, asset_events: bool = DEFAULT_ASSET_EVENTS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.asset_events = asset_events

    def __setattr__(self, name: str, value: Any) -> None:
        # Airflow's own `__init__` sets them, whoever makes the operator: a DAG file, or Airflow from a mapped one.
        super().__setattr__(name, _with_alias(value) if name == "outlets" else value)

    if not TYPE_CHECKING:  # as Airflow declares it, so that type checkers see its parameters

        @classmethod
        def partial(cls, **kwargs: Any) -> Any:
            """Fix some parameters of a mapped task."""
            partial = super().partial(**kwargs)
            partial.kwargs["outlets"] = _with_alias(partial.kwargs.get("outlets"))
            return partial

    def emit_change(self, context: Context, job: Job | None, outcome: Outcome) -> None:
        """
        Emit the event of a job that has completed, once: Airflow stores it with the success of the task, or not at all.

        So a try that dies before Airflow has stored its success has emitted nothing, and the one that adopts its job
        emits.

        :param job: The job; None if what it removes is gone, and its answer was lost.
        """
        self.remember(job, outcome)
        events = context.get("outlet_events")
        is_ours = outcome in OWN_OUTCOMES and (job is None or job.is_completed)
        if not HAS_ASSETS or events is None or not is_ours or not self.read("asset_events"):
            return
        operation = JOB_OPERATIONS[self.api_operation]
        app_id = str(getattr(self, "app_id", ""))
        environment = changed_environment(operation, vars(self))
        # Without a row of it there is still the request.
        row = job or Job(app_id, environment or "", "", self.api_operation)
        facts = change_of(row) | {"operation": self.api_operation, "backend_environment_name": environment}
        changed = backend_asset(app_id, environment)
        events[asset_alias(BACKEND_CHANGES)].add(changed, extra={**facts, "outcome": str(outcome)})


def _with_alias(outlets: Any) -> list[Any]:
    """Return outlets with the alias. An event for an alias that is none of the task's outlets is dropped by Airflow."""
    given = list(outlets) if isinstance(outlets, list | tuple) else [outlets] if outlets else []
    if not HAS_ASSETS:
        return given
    alias = asset_alias(BACKEND_CHANGES)
    return given if alias in given else [*given, alias]
