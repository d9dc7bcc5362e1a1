"""Groups of tasks: an environment for a while, what is left of such ones, a deletion that a person approves.

Each is loaded when it is first asked for: a DAG file pays for those that it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.task_groups.environment import guarded_deletion
    from airflow_provider_amplifybackend.task_groups.ephemeral import ephemeral_environment
    from airflow_provider_amplifybackend.task_groups.reaper import reap_environments

__all__ = ["ephemeral_environment", "guarded_deletion", "reap_environments"]

_MODULES = {"ephemeral_environment": "ephemeral", "guarded_deletion": "environment", "reap_environments": "reaper"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
