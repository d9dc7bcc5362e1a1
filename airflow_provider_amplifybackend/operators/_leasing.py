"""The base of the tasks that have to do with leases: who they are for, and how a ticket is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.core.lease_failure import LeaseFailure
from airflow_provider_amplifybackend.exceptions import BackendLeaseError
from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseFormatError, LeaseState, Tags
from airflow_provider_amplifybackend.guard.lease_queue import is_late
from airflow_provider_amplifybackend.parameters.reading import as_name
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.hooks._leases import Leases

MOST_WRITES = 5


class LeasingOperator(AwsParameters):
    """Read or write leases of an app.

    :param app_id: The app's id. (templated)

    :raises BackendLeaseError: A lease cannot be had or changed; ``reason`` says why.
    """

    template_fields: Sequence[str] = ("app_id", *AwsParameters.template_fields)
    readers = AwsParameters.readers | {"app_id": as_name}
    ui_color = "#fff3e0"

    def __init__(self, *, app_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id

    @cached_property
    def leases(self) -> Leases:
        """The leases of the app. Their module loads boto3, so it is imported when they are first used."""
        from airflow_provider_amplifybackend.hooks._leases import Leases

        return Leases(self.hook, self.read("app_id"))

    def lease_in(self, tags: Tags, environment: str) -> Lease:
        """Return the lease of an environment.

        :raises BackendLeaseError: It has none, or one that cannot be read.
        """
        try:
            lease = tags.lease_of(environment)
        except LeaseFormatError as error:
            raise self.no_lease(environment, f"has a lease that cannot be read: {error}") from None
        if lease is None:
            raise self.no_lease(environment, "has no lease")
        return lease

    def no_lease(self, environment: str, what: str) -> BackendLeaseError:
        """Return the error for an environment without a lease that is meant."""
        return BackendLeaseError(
            f"Environment {environment} (app {self.app_id}) {what}. Nothing was changed",
            reason=LeaseFailure.NO_LEASE,
        )


class HoldingOperator(LeasingOperator):
    """A task of the group that holds an environment.

    :param lease_group: The id of the group.
    """

    def __init__(self, *, lease_group: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lease_group = lease_group

    def holder(self, context: Context) -> Holder:
        """Return the holder that this task belongs to."""
        ti: Any = context["ti"]
        return Holder(ti.dag_id, ti.run_id, self.lease_group, -1 if ti.map_index is None else ti.map_index)

    def take_ticket(self, lease: Lease, now: datetime, lag: float, *, lasts: timedelta) -> Lease:
        """Write a ticket that is as new as its writing: one that was written too late is taken anew.

        :param lasts: For how long the lease is to last from now.
        """
        for _ in range(MOST_WRITES):
            lease = replace(lease, state=LeaseState.WAITING, since=now.replace(microsecond=0), until=now + lasts)
            written = self.leases.write(lease.key, lease.value)
            if not is_late(lease.since, written, lag):
                return lease
            self.log.warning("The ticket was written %s late; taking another", written - lease.since)
            now = written
        raise BackendLeaseError(
            f"The lease of environment {lease.environment} (app {self.app_id}) cannot be written in time: each of "
            f"{MOST_WRITES} writes took more than [amplifybackend] tag_lag ({lag:g} s). Raise it, or try again later",
            reason=LeaseFailure.TAGS,
        )
