"""The lineage of a job: which environments it read and which it changed, and how. Plain data, without OpenLineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend.core.changes import environment_parameter
from airflow_provider_amplifybackend.core.names import can_name
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
    app_id = parameters.get("app_id")
    if not can_name(app_id):
        return Lineage()
    parameter = environment_parameter(operation)
    targets = _named(app_id, parameters.get(parameter)) if parameter else [Environment(app_id)]
    inputs = [] if is_change else targets
    if operation.environment == "TargetEnvironmentName":
        inputs = _named(app_id, parameters.get("backend_environment_name")) + inputs
    is_whole = operation.resource in ("environment", "app")
    change = _STATE_CHANGES.get(operation.effect, "ALTER") if is_whole else "ALTER"
    return Lineage(tuple(dict.fromkeys(inputs)), tuple(targets) if is_change else (), change)


def _named(app_id: str, name: object) -> list[Environment]:
    """Return the environment of a name; none if the name cannot be used, as of a template that rendered to nothing.

    Without a name the dataset is the app's, and a deletion that was refused would be a drop of all environments.
    """
    return [Environment(app_id, name)] if can_name(name) else []
