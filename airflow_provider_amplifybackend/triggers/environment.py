"""The trigger that waits for an environment."""

from __future__ import annotations

from typing import Any

from airflow_provider_amplifybackend.core.status_check import Condition, EnvironmentCondition
from airflow_provider_amplifybackend.triggers._base import WaitTrigger


class BackendEnvironmentTrigger(WaitTrigger):
    """
    Wait until an environment exists, is gone, or has no pending job.

    :param app_id: The app's id.
    :param backend_environment_name: The environment.
    :param condition: ``exists``, ``gone`` or ``idle``.
    :param kwargs: See :class:`~airflow_provider_amplifybackend.triggers._base.WaitTrigger`.
    """

    awaited: EnvironmentCondition

    def __init__(self, *, app_id: str, backend_environment_name: str, condition: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.awaited = EnvironmentCondition(app_id, backend_environment_name, Condition(condition))

    @classmethod
    def waiting_for(cls, awaited: EnvironmentCondition, **kwargs: Any) -> BackendEnvironmentTrigger:
        """Return the trigger for an environment."""
        return cls(
            app_id=awaited.app_id,
            backend_environment_name=awaited.backend_environment_name,
            condition=str(awaited.condition),
            **kwargs,
        )

    def awaited_arguments(self) -> dict[str, Any]:
        """Return the arguments that identify what is waited for."""
        return {
            "app_id": self.awaited.app_id,
            "backend_environment_name": self.awaited.backend_environment_name,
            "condition": str(self.awaited.condition),
        }
