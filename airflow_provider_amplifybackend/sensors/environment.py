"""The sensor that waits for an environment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.core.status_check import Condition, EnvironmentCondition
from airflow_provider_amplifybackend.parameters.reading import as_choice
from airflow_provider_amplifybackend.sensors._base import WaitSensor
from airflow_provider_amplifybackend.triggers import _events as events

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.core.status_check import Awaited, CheckResult
    from airflow_provider_amplifybackend.triggers._base import WaitTrigger


class BackendEnvironmentSensor(WaitSensor):
    """
    Wait until an environment exists, or is gone.

    .. seealso:: `GetBackend <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackend>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param condition: ``"exists"`` or ``"gone"``. (templated)
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``. (templated)
    :param poke_interval: Seconds between status checks; when deferred, the maximum.
    :param timeout: Maximum seconds to wait, also when deferred.

    :return: ``AppId``, ``BackendEnvironmentName`` and ``condition``.
    :raises AirflowSensorTimeout: The wait timed out; names the last status.
    """

    template_fields: Sequence[str] = ("condition", *WaitSensor.template_fields)
    readers = WaitSensor.readers | {"condition": partial(as_choice, accepted=("exists", "gone"))}

    def __init__(self, *, condition: str = "exists", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.condition = condition

    def awaited(self) -> EnvironmentCondition:
        """Return the environment, and the condition that is waited for."""
        condition = Condition(self.read("condition"))
        return EnvironmentCondition(self.read("app_id"), self.read("backend_environment_name"), condition)

    def trigger(self, **kwargs: Any) -> WaitTrigger:
        """Return the trigger that waits for it."""
        from airflow_provider_amplifybackend.triggers.environment import BackendEnvironmentTrigger

        return BackendEnvironmentTrigger.waiting_for(self.awaited(), **kwargs)

    def result(self, seen: CheckResult) -> dict[str, Any]:
        """Return the environment and the condition."""
        return environment_result(self.awaited())

    def result_of_event(self, event: Any) -> dict[str, Any]:
        """Return the environment and the condition, if the event confirms it."""
        events.check_event(event, self.awaited())
        return environment_result(self.awaited())


def environment_result(awaited: Awaited) -> dict[str, Any]:
    """Return the result of a wait for an environment, for XCom."""
    if not isinstance(awaited, EnvironmentCondition):
        raise TypeError(f"{awaited} is not an environment")
    return {**awaited.request, "condition": str(awaited.condition)}
