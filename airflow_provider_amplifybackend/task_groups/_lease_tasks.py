"""The tasks of ``ephemeral_environment`` around its clone: reserve a name, wait for room, give the lease back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_amplifybackend._compat import state_of_task
from airflow_provider_amplifybackend.core.budget import Budget
from airflow_provider_amplifybackend.core.lease_failure import LeaseFailure
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.exceptions import BackendLeaseError
from airflow_provider_amplifybackend.guard.lease import (
    Holder,
    Lease,
    LeaseFormatError,
    LeaseState,
    Tags,
    candidates,
    choose_name,
    lease_key,
    pin_key,
)
from airflow_provider_amplifybackend.guard.lease_queue import Place, Ticket, Turn, place_of
from airflow_provider_amplifybackend.operators._leasing import HoldingOperator
from airflow_provider_amplifybackend.parameters.reading import as_flag, as_name
from airflow_provider_amplifybackend.tasks.defaults import DEFAULT_DEFERRABLE

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context

LOOKS = 3
# The outcome of a deletion that has kept its environment.
KEPT = "kept"


class ReserveEnvironmentOperator(HoldingOperator):
    """
    Reserve a name for an environment that is to be made, with a lease that everybody can see.

    :param prefix: The beginning of the name.
    :param ttl: For how long the environment is leased once it may be made.
    :param limit_timeout: For how long the run may wait for room before; None: there is no limit.

    :return: The name. XComs of their own: ``since``, the time of the lease, and ``if_exists``, which is ``"skip"``
        where this run has made the environment already.
    """

    def __init__(self, *, prefix: str, ttl: timedelta, limit_timeout: timedelta | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix
        self.ttl = ttl
        self.limit_timeout = limit_timeout

    def execute(self, context: Context) -> str:
        """Find the lease of an earlier try, or take one."""
        from airflow_provider_amplifybackend.hooks._leases import tag_lag

        self.validate()
        holder, lag = self.holder(context), tag_lag()
        tags, existing = self._look()
        if self._may_have_changed(holder, tags, existing):
            current().sleep(lag + 1)
            tags, existing = self._look()
        lease, is_there = self._lease(holder, tags, existing)
        if not tags.has_room_for(lease.key):
            raise self.leases.full(lease.key)
        if lease.state is LeaseState.WAITING:
            lease = self.take_ticket(lease, tags.now, lag, lasts=self._lasts)
        else:
            self.leases.write(lease.key, lease.value)
        own = tags.lease_of_holder(holder)
        if own is not None and own.environment != lease.environment:
            # It names an environment that is older: somebody else's, which this run is to have nothing to do with.
            self.leases.remove(own.key)
        self.log.info(
            "Reserved environment %s until %s: %s = %s", lease.environment, lease.until, lease.key, lease.value
        )
        context["ti"].xcom_push(key="since", value=lease.since.isoformat())
        context["ti"].xcom_push(key="if_exists", value="skip" if is_there else "fail")
        return lease.environment

    @property
    def _lasts(self) -> timedelta:
        return self.ttl + (self.limit_timeout or timedelta())

    def _look(self) -> tuple[Tags, set[str]]:
        return self.leases.read(), set(self.hook.get_environments(self.read("app_id")))

    def _may_have_changed(self, holder: Holder, tags: Tags, existing: set[str]) -> bool:
        """Tell whether what was read may be what was: a lease just given back, or one not shown yet."""
        own = tags.lease_of_holder(holder)
        if own is None:
            return next(candidates(holder, self.prefix)) in existing
        return own.state is not LeaseState.WAITING and own.environment not in existing

    def _lease(self, holder: Holder, tags: Tags, existing: set[str]) -> tuple[Lease, bool]:
        """Return the lease to write, and whether its environment is there and was made for it."""
        own = tags.lease_of_holder(holder)
        since, until = tags.now.replace(microsecond=0), tags.now + self._lasts
        state = LeaseState.HELD if self.limit_timeout is None else LeaseState.WAITING
        if own is not None and own.environment in existing:
            created = self.leases.created(own.environment)
            if created is not None and created >= own.since:
                return replace(own, state=LeaseState.HELD, until=max(own.until, tags.now + self.ttl)), True
        elif own is not None:
            if own.state is not LeaseState.WAITING:  # it has its place, and its environment may be on its way
                return replace(own, state=LeaseState.HELD, until=until), False
            return replace(own, state=state, since=since, until=until), False
        name = choose_name(holder, self.prefix, existing | tags.leased())
        return Lease.of(holder, name, state=state, since=since, until=until), False


class AwaitRoomOperator(HoldingOperator):
    """
    Wait until no more environments of the group live than may.

    :param backend_environment_name: The reserved name. (templated)
    :param since: The time of its lease. (templated)
    :param max_concurrent: How many may live at once.
    :param ttl: For how long the environment is leased from then on.
    :param timeout: For how long to wait.
    :param on_limit: ``"wait"``, or ``"fail"`` at once.
    :param poll_interval: Seconds between two reads of the tags.
    :param deferrable: Whether to wait in the triggerer.
    """

    template_fields: Sequence[str] = ("backend_environment_name", "since", *HoldingOperator.template_fields)
    readers = HoldingOperator.readers | {"backend_environment_name": as_name, "since": as_name, "deferrable": as_flag}

    def __init__(
        self,
        *,
        backend_environment_name: str,
        since: Any,
        max_concurrent: int,
        ttl: timedelta,
        timeout: timedelta,
        on_limit: str = "wait",
        poll_interval: float = 30,
        deferrable: bool = DEFAULT_DEFERRABLE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.backend_environment_name = backend_environment_name
        self.since = since
        self.max_concurrent = max_concurrent
        self.ttl = ttl
        self.timeout = timeout
        self.on_limit = on_limit
        self.poll_interval = poll_interval
        self.deferrable = deferrable

    def execute(self, context: Context) -> None:
        """Go on, wait or fail."""
        self.validate()
        now = current().now()
        budget = Budget.of(self.timeout.total_seconds(), self.execution_timeout, started=now)
        holder, name = self.holder(context), self.read("backend_environment_name")
        tags = self.leases.read()
        lease = self._own(tags, holder, name, str(self.since))
        if lease.state is not LeaseState.WAITING:
            self.log.info("Environment %s has its place already", name)
            return
        # A ticket that is not the one that was reserved, or that ends before the wait may, is taken anew.
        if lease.since.isoformat() != self.since or lease.until < tags.now + self.timeout:
            lease = self._renewed(lease, tags)
        self._await(lease, budget)

    def resume_wait(self, context: Context, event: object = None) -> None:
        """Continue after the triggerer has waited."""
        content: Mapping[str, Any] = event if isinstance(event, Mapping) else {}
        if content.get("connection_found"):
            self.hook.connection_found = True
        started = float(content.get("started") or current().now())
        budget = Budget.of(self.timeout.total_seconds(), self.execution_timeout, started=started)
        if content.get("kind") == "timeout":
            raise self.no_room(content.get("ahead") or (), content.get("last_error"))
        # The trigger's word is a hint: whoever goes on has looked.
        tags = self.leases.read()
        since = str(content.get("since") or self.since)
        lease = self._own(tags, self.holder(context), self.read("backend_environment_name"), since)
        if lease.since.isoformat() != since:
            lease = self._renewed(lease, tags)
        self._await(lease, budget)

    def on_kill(self) -> None:
        """Log what stays: the lease of a run that is killed while it waits is given back by the group's last task."""
        self.log.info("No longer waiting for room; the lease of %s stays", self.backend_environment_name)

    def _own(self, tags: Tags, holder: Holder, name: str, since: str) -> Lease:
        """Return one's own lease, as it is shown or, where it is not shown yet, as it was written."""
        lease = next((one for one in tags.leases() if one.environment == name and one.is_of(holder)), None)
        if lease is None:
            written, until = datetime.fromisoformat(since), tags.now + self.timeout + self.ttl
            return Lease.of(holder, name, state=LeaseState.WAITING, since=written, until=until)
        return lease

    def _renewed(self, lease: Lease, tags: Tags) -> Lease:
        from airflow_provider_amplifybackend.hooks._leases import tag_lag

        self.log.info("Taking a new ticket for environment %s", lease.environment)
        return self.take_ticket(lease, tags.now, tag_lag(), lasts=self.timeout + self.ttl)

    def _await(self, lease: Lease, budget: Budget) -> None:
        from airflow_provider_amplifybackend.hooks._leases import tag_lag

        lag, waits = tag_lag(), self.on_limit == "wait"
        while True:
            tags = self.leases.read()
            place = place_of(Ticket(lease.environment, lease.group, lease.since), tags, lag)
            turn = place.turn(self.max_concurrent, waits=waits)
            if turn is Turn.FREE:
                self._go_on(lease, tags)
                return
            if turn is Turn.FULL or current().now() >= budget.deadline:
                raise self.no_room(place.ahead)
            if turn is Turn.LOST:
                lease = self._renewed(lease, tags)
                continue
            self._pause(lease, place, budget, lag=lag, waits=waits)

    def _pause(self, lease: Lease, place: Place, budget: Budget, *, lag: float, waits: bool) -> None:
        if self.read("deferrable"):
            self._defer(lease, budget, lag=lag, waits=waits)
        self.log.info("Waiting for room; ahead: %s", ", ".join(place.ahead) or "nobody that can be seen yet")
        delay = place.next_look(self.poll_interval)
        current().sleep(max(0.0, min(delay, budget.deadline - current().now())))

    def _defer(self, lease: Lease, budget: Budget, *, lag: float, waits: bool) -> NoReturn:
        from airflow_provider_amplifybackend.triggers.lease import LeaseTurnTrigger

        trigger = LeaseTurnTrigger(
            app_id=self.app_id,
            backend_environment_name=lease.environment,
            group=lease.group,
            since=lease.since.isoformat(),
            limit=self.max_concurrent,
            waits=waits,
            lag=lag,
            interval=self.poll_interval,
            started=budget.started,
            deadline=budget.deadline,
            **self.wait_parameters,
        )
        self.defer(trigger=trigger, method_name="resume_wait", timeout=budget.deferral_timeout)
        raise AssertionError("defer does not return")

    def _go_on(self, lease: Lease, tags: Tags) -> None:
        held = replace(lease, state=LeaseState.HELD, until=tags.now + self.ttl)
        self.leases.write(held.key, held.value)
        self.log.info("There is room: environment %s is leased until %s", held.environment, held.until)

    def no_room(self, ahead: Sequence[str], last_error: Any = None) -> BackendLeaseError:
        """Return the error for a limit that is reached."""
        waited = "" if self.on_limit == "fail" else f"timed out after {self.timeout}: "
        error = f" The last read of the tags failed: {last_error}." if last_error else ""
        return BackendLeaseError(
            f"No room, {waited}max_concurrent={self.max_concurrent} environments of this group may live at once in app "
            f"{self.app_id}, and ahead of {self.backend_environment_name} are: {', '.join(ahead) or 'unknown'}.{error} "
            "Nothing was made",
            reason=LeaseFailure.LIMIT,
        )


class ReleaseEnvironmentOperator(HoldingOperator):
    """
    Prove that the environment is gone, and give its lease back.

    :param backend_environment_name: The environment. (templated)
    :param deletion: The id of the task that deletes it.
    """

    template_fields: Sequence[str] = ("backend_environment_name", *HoldingOperator.template_fields)
    readers = HoldingOperator.readers | {"backend_environment_name": as_name}

    def __init__(self, *, backend_environment_name: str, deletion: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backend_environment_name = backend_environment_name
        self.deletion = deletion

    def execute(self, context: Context) -> None:
        """Give the lease back, unless the environment is kept or is not proven gone."""
        self.validate()
        name, holder = self.read("backend_environment_name"), self.holder(context)
        state = state_of_task(context, self.deletion, holder.map_index)
        if state == "success" and self._is_kept(context, holder.map_index):
            self.log.warning("Environment %s stays, and so does its lease: see the log of %s", name, self.deletion)
            return
        tags = self.leases.read()
        lease = self._lease(tags, name)
        if lease is not None and not lease.is_of(holder):
            raise self.no_lease(name, f"is leased to run {lease.run_id} of DAG {lease.dag_id} by now")
        exists = self._exists(name, patient=state == "success")
        if exists or state != "success":
            raise self.not_gone(
                name, "still exists" if exists else f"may be there: {self.deletion} is in state {state}"
            )
        self.leases.remove(lease_key(name), *([pin_key(name)] if tags.is_pinned(name) else []))
        self.log.info("Environment %s is gone, and its lease is given back", name)

    def not_gone(self, name: str, what: str) -> BackendLeaseError:
        """Return the error for an environment that is not proven gone."""
        return BackendLeaseError(
            f"Environment {name} (app {self.app_id}) {what}. Its lease stays, so that the reaper finds it when the "
            f"lease has ended. To delete it now, clear {self.deletion} with its downstream tasks",
            reason=LeaseFailure.NOT_GONE,
        )

    def _lease(self, tags: Tags, name: str) -> Lease | None:
        try:
            return tags.lease_of(name)
        except LeaseFormatError as error:
            raise self.no_lease(name, f"has a lease that cannot be read: {error}") from None

    def _is_kept(self, context: Context, map_index: int) -> bool:
        """Tell whether the task that deletes has decided to keep the environment; tags may not show that yet."""
        result = context["ti"].xcom_pull(task_ids=self.deletion, map_indexes=map_index)
        return isinstance(result, Mapping) and result.get("outcome") == KEPT

    def _exists(self, name: str, *, patient: bool) -> bool:
        """Tell whether the environment is there; what was just deleted can be listed for a moment."""
        for _ in range(LOOKS if patient else 1):
            if name not in self.hook.get_environments(self.read("app_id")):
                return False
            current().sleep(current().between_checks)
        return True
