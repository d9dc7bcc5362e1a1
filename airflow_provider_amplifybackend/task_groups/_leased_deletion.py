"""The deletion at the end of ``ephemeral_environment``: of what its own run has made, unless that is to be kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import state_of_task, states_of_tasks
from airflow_provider_amplifybackend.core.job import JobResult
from airflow_provider_amplifybackend.guard.lease import Holder, LeaseFormatError, LeaseState, pin_key
from airflow_provider_amplifybackend.task_groups._lease_tasks import KEPT
from airflow_provider_amplifybackend.task_groups._reconsidered import ReconsideredDeletion

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.guard.lease import Lease, Tags
    from airflow_provider_amplifybackend.hooks._leases import Leases

FAILED = frozenset({"failed", "upstream_failed"})


def _pinned(name: str) -> str:
    return f"environment {name}: it is pinned by the tag {pin_key(name)}"


class DeleteLeasedBackendOperator(ReconsideredDeletion):
    """
    Delete the environment of a lease, unless it is pinned, or has failed and is to be kept for a look.

    :param lease_group: The id of the group.
    :param clone: The id of the task that makes the environment.
    :param keep_on_failure: For how long the environment stays if a task of the body has failed; None: not at all.
    """

    # Set when the group ends: the tasks between the clone and this one.
    body: Sequence[str] = ()

    def __init__(
        self, *, lease_group: str, clone: str, keep_on_failure: timedelta | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.lease_group = lease_group
        self.clone = clone
        self.keep_on_failure = keep_on_failure

    def execute(self, context: Context) -> JobResult:
        """Keep the environment, or delete it."""
        self.validate()
        name = str(self.build_request()["BackendEnvironmentName"])
        return self._kept(context, name) if self._keeps(context, name) else super().execute(context)

    def objection(self, context: Context, environment: str) -> str:
        """Return the pin that somebody has set meanwhile."""
        return _pinned(environment) if self._leases().read().is_pinned(environment) else ""

    def stay(self, context: Context, objection: str) -> JobResult:
        """Keep the environment."""
        self.log.warning("Keeping %s", objection)
        return self._kept(context, str(self.backend_environment_name))

    def _kept(self, context: Context, name: str) -> JobResult:
        result: Any = {"AppId": self.app_id, "BackendEnvironmentName": name, "outcome": KEPT}
        self.store_links(context)
        return self._with_members(context, result)

    def _keeps(self, context: Context, name: str) -> bool:
        if name not in self.hook.get_environments(self.app_id):
            return False
        leases = self._leases()
        tags = leases.read()
        if tags.is_pinned(name):
            self.log.warning("Keeping %s", _pinned(name))
            return True
        if self.keep_on_failure is None or not self._has_failed(context):
            return False
        until = tags.now + self.keep_on_failure
        kept = replace(self._lease(context, tags, name), state=LeaseState.KEPT, until=until)
        leases.write(kept.key, kept.value)
        self.log.warning("Keeping environment %s until %s, because its tasks have failed", name, kept.until)
        return True

    def _has_failed(self, context: Context) -> bool:
        """Tell whether the environment was made, and something in it has failed."""
        index = self._map_index(context)
        if state_of_task(context, self.clone, index) != "success":
            return False
        return bool(FAILED & {*states_of_tasks(context, self.body, index)})

    def _lease(self, context: Context, tags: Tags, name: str) -> Lease:
        """Return the lease as it is shown, or a new one where nobody shows it."""
        from airflow_provider_amplifybackend.guard.lease import Lease

        ti: Any = context["ti"]
        holder = Holder(ti.dag_id, ti.run_id, self.lease_group, self._map_index(context))
        try:
            lease = tags.lease_of(name)
        except LeaseFormatError:
            lease = None
        if lease is not None and lease.is_of(holder):
            return lease
        return Lease.of(holder, name, state=LeaseState.KEPT, since=tags.now, until=tags.now)

    def _map_index(self, context: Context) -> int:
        index: int | None = context["ti"].map_index
        return -1 if index is None else index

    def _leases(self) -> Leases:
        from airflow_provider_amplifybackend.hooks._leases import Leases

        return Leases(self.hook, self.app_id)
