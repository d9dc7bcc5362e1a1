"""A look at apps for the reaper: everything that its verdict on each environment depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.exceptions import BackendGuardError, BackendRequestError
from airflow_provider_amplifybackend.guard import signs
from airflow_provider_amplifybackend.guard.lease import Lease, LeaseFormatError, Tags
from airflow_provider_amplifybackend.guard.reaper import Action, Decision, FleetRow, OwnerState, Rules, decide
from airflow_provider_amplifybackend.hooks._leases import Leases

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

# Asked with the ids of a DAG and of a run, or None for all of its runs: how many are queued or running. None: unknown.
CountLiving = Callable[[str, str | None], int | None]
BY_NAME = frozenset({GuardRefusal.PROTECTED, GuardRefusal.NEAR_MATCH})
# Nobody knows whether the environment is protected, or whether a migration is under way.
UNREAD = frozenset({GuardRefusal.SETTING, GuardRefusal.UNREADABLE_SIGN, GuardRefusal.UNREADABLE_LIST})


class FleetLook:
    """The environments of an app, as they are at one moment."""

    def __init__(self, hook: AmplifyBackendHook, count_living: CountLiving, app_id: str, rules: Rules) -> None:
        self._hook = hook
        self._count_living = count_living
        self._app_id = app_id
        self._rules = rules
        self.leases = Leases(hook, app_id)

    def decisions(self) -> Iterator[Decision]:
        """Yield the verdict on each environment, and on each lease without one."""
        tags, created = self.leases.read(), self.leases.environments()
        # AmplifyBackend is asked, too: a lease goes only if nobody knows of its environment.
        known = {*created, *self._hook.get_environments(self._app_id)}
        for name in sorted(known | tags.leased()):
            row = self._row(name, tags, exists=name in known, created=created.get(name))
            decision = decide(row, tags.now, self._rules)
            if decision.action is Action.DELETE:  # only then what costs requests is worth them
                decision = decide(self._with_obstacles(row, tags.now), tags.now, self._rules)
            yield decision

    def again(self, name: str) -> Decision:
        """Return the verdict on an environment as it is now; what the guard checks is left to the guard."""
        tags = self.leases.read()
        row = self._row(name, tags, exists=True, created=self.leases.created(name))
        return decide(row, tags.now, self._rules)

    def _row(self, name: str, tags: Tags, *, exists: bool, created: datetime | None) -> FleetRow:
        row = FleetRow(self._app_id, name, exists=exists, created=created, is_pinned=tags.is_pinned(name))
        try:
            lease = tags.lease_of(name)
        except LeaseFormatError:
            return replace(row, has_unreadable_lease=True)
        if lease is None:
            return row
        return replace(row, lease=lease, owner=self._owner(lease) if lease.has_ended(tags.now) else row.owner)

    def _owner(self, lease: Lease) -> OwnerState:
        if not lease.has_whole_dag_id:
            return OwnerState.UNKNOWN
        run_id = lease.run_id if lease.has_whole_ids else None
        living = self._count_living(lease.dag_id, run_id)
        if living is None:
            return OwnerState.UNKNOWN
        if not living:
            return OwnerState.ENDED
        return OwnerState.UNKNOWN if run_id is None else OwnerState.LIVING

    def _with_obstacles(self, row: FleetRow, now: datetime) -> FleetRow:
        names = {"AppId": row.app_id, "BackendEnvironmentName": row.environment}
        try:
            self._hook.guard.check("DeleteBackend", names)
        except BackendGuardError as refusal:
            if refusal.reason in BY_NAME:
                return replace(row, protected=str(refusal))
            return replace(row, guarded=str(refusal), is_unread=refusal.reason in UNREAD)
        except BackendRequestError as error:
            return replace(row, guarded=str(error), is_unread=True)
        facts = signs.Facts(now=now)
        self._hook.guard.read(signs.pending_jobs(row.app_id, row.environment, facts))
        if facts.pending_jobs is None:
            return replace(row, pending="jobs that cannot be listed", is_unread=True)
        return replace(row, pending=f"job {facts.pending_jobs[0]}" if facts.pending_jobs else "")
