"""The lineage of a job: which environments it read and which it changed, and how. Plain data, without OpenLineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend.core.changes import changed_environment
from airflow_provider_amplifybackend.core.operations import Effect, Operation

# The words of OpenLineage's facet lifecycleStateChange, for an operation on an environment as a whole.
_STATE_CHANGES = {Effect.CREATES: "CREATE", Effect.REMOVES: "DROP"}


@dataclass(frozen=True)
class Environment:
    """An environment as a dataset; without a name it is the app."""

    app_id: str
    name: str = ""


@dataclass(frozen=True)
class Lineage:
    """The environments of a job."""

    inputs: tuple[Environment, ...] = ()
    outputs: tuple[Environment, ...] = ()
    # How the outputs change.
    state_change: str = "ALTER"


def lineage_of(operation: Operation, parameters: Mapping[str, Any], *, is_change: bool) -> Lineage:
    """Return the lineage of an operator's job.

    :param parameters: The operator's parameters, as rendered.
    :param is_change: Whether the task has changed something, or meant to: what was found or skipped is only read.
    """
    app_id = str(parameters.get("app_id") or "")
    target = Environment(app_id, changed_environment(operation, parameters) or "")
    inputs = [] if is_change else [target]
    if operation.environment == "TargetEnvironmentName":
        inputs.insert(0, Environment(app_id, str(parameters.get("backend_environment_name") or "")))
    is_whole = operation.resource in ("environment", "app")
    change = _STATE_CHANGES.get(operation.effect, "ALTER") if is_whole else "ALTER"
    return Lineage(tuple(dict.fromkeys(inputs)), (target,) if is_change else (), change)
