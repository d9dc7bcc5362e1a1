"""The deletion at the end of ``ephemeral_environment``: of what its own run has made, unless that is to be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import state_of_task, states_of_tasks
from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.job import JobResult
from airflow_provider_amplifybackend.exceptions import BackendGuardError
from airflow_provider_amplifybackend.guard.lease import Holder, LeaseFormatError, LeaseState, pin_key
from airflow_provider_amplifybackend.guard.verdict import Refusal
from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator
from airflow_provider_amplifybackend.task_groups._lease_tasks import KEPT

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.core.budget import Budget
    from airflow_provider_amplifybackend.guard.lease import Lease, Tags
    from airflow_provider_amplifybackend.guard.reach import Reach
    from airflow_provider_amplifybackend.hooks._leases import Leases
    from airflow_provider_amplifybackend.start.driver import StartOnce

FAILED = frozenset({"failed", "upstream_failed"})


class DeleteLeasedBackendOperator(DeleteBackendOperator):
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
        self._pinned = ""

    def execute(self, context: Context) -> JobResult:
        """Keep the environment, or delete it."""
        self.validate()
        name = str(self.build_request()["BackendEnvironmentName"])
        if self._keeps(context, name):
            return self._kept(context, name)
        return self._unless_pinned(context, lambda: super(DeleteLeasedBackendOperator, self).execute(context))

    def resume_start(self, context: Context, event: object = None) -> JobResult:
        """Continue with the start after another job has ended, unless the environment was pinned meanwhile."""
        return self._unless_pinned(
            context, lambda: super(DeleteLeasedBackendOperator, self).resume_start(context, event)
        )

    def execute_complete(self, context: Context, event: object = None) -> JobResult:
        """Return the job that has ended."""
        return self._unless_pinned(
            context, lambda: super(DeleteLeasedBackendOperator, self).execute_complete(context, event)
        )

    def _unless_pinned(self, context: Context, run: Callable[[], JobResult]) -> JobResult:
        try:
            return run()
        except BackendGuardError:
            if not self._pinned:
                raise
            return self._kept(context, self._pinned)

    def _kept(self, context: Context, name: str) -> JobResult:
        result: Any = {"AppId": self.app_id, "BackendEnvironmentName": name, "outcome": KEPT}
        self.store_links(context)
        return self._with_members(context, result)

    def _starter(self, context: Context, budget: Budget, event: object = None) -> StartOnce:
        checks = self.hook.guard.last_checks
        if self._is_not_pinned not in checks:
            # Before plan and record: what is to stay needs none.
            checks.insert(0, self._is_not_pinned)
        return super()._starter(context, budget, event)

    def _is_not_pinned(self, reach: Reach) -> Refusal | None:
        """Refuse what was pinned while the task waited for another job; there is no going back from the request."""
        name = reach.environment
        if reach.operation != self.api_operation or name is None or not self._leases().read().is_pinned(name):
            return None
        self._pinned = name
        self.log.warning("Keeping environment %s: it is pinned by the tag %s", name, pin_key(name))
        return Refusal(GuardRefusal.CONDITION, f"environment {name!r} is pinned by the tag {pin_key(name)}")

    def _keeps(self, context: Context, name: str) -> bool:
        if name not in self.hook.get_environments(self.app_id):
            return False
        leases = self._leases()
        tags = leases.read()
        if tags.is_pinned(name):
            self.log.warning("Keeping environment %s: it is pinned by the tag %s", name, pin_key(name))
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
