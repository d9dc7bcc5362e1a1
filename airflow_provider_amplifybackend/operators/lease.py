"""Operators for leases: to prolong one, and to keep an environment whatever its lease says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.guard.lease import LONGEST_VALUE, LeaseState, as_value, pin_key
from airflow_provider_amplifybackend.operators._leasing import LeasingOperator
from airflow_provider_amplifybackend.parameters.durations import as_duration
from airflow_provider_amplifybackend.parameters.reading import as_flag, as_name, as_text

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context


def as_note(name: str, value: Any) -> str:
    """Return a note as the value of a tag can have it."""
    return as_value(as_text(value) or "", LONGEST_VALUE, spaces=True)


class ExtendLeaseOperator(LeasingOperator):
    """
    Prolong the lease of an environment. One that lasts longer already stays as it is.

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param ttl: For how long from now it is to be leased: a timedelta, or a text such as ``"6h"``. (templated)

    :return: The end of the lease, in ISO 8601.
    :raises BackendLeaseError: It has no lease.
    """

    template_fields: Sequence[str] = ("backend_environment_name", "ttl", *LeasingOperator.template_fields)
    readers = LeasingOperator.readers | {"backend_environment_name": as_name, "ttl": as_duration}

    def __init__(self, *, backend_environment_name: str, ttl: timedelta | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backend_environment_name = backend_environment_name
        self.ttl = ttl

    def execute(self, context: Context) -> str:
        """Write the later end."""
        self.validate()
        tags = self.leases.read()
        lease = self.lease_in(tags, self.read("backend_environment_name"))
        # Whoever has an environment has its place, also where its tag still shows that it waits.
        state = LeaseState.KEPT if lease.state is LeaseState.KEPT else LeaseState.HELD
        longer = replace(lease, state=state, until=max(lease.until, tags.now + self.read("ttl")).replace(microsecond=0))
        self.leases.write(longer.key, longer.value)
        self.log.info("Environment %s is leased until %s", longer.environment, longer.until)
        return longer.until.isoformat()


class PinEnvironmentOperator(LeasingOperator):
    """
    Keep an environment whatever its lease says, until it is unpinned: neither its run nor the reaper deletes it.

    A pin is a tag of the app, which anybody can also set or remove in the console. It is no protection against other
    deletions: that is what ``[amplifybackend] protected`` is for.

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param pinned: Whether to keep it, or no longer. (templated)
    :param note: Why, and who wants it: the value of the tag. (templated)
    """

    template_fields: Sequence[str] = ("backend_environment_name", "pinned", "note", *LeasingOperator.template_fields)
    readers = LeasingOperator.readers | {"backend_environment_name": as_name, "pinned": as_flag, "note": as_note}

    def __init__(self, *, backend_environment_name: str, pinned: bool = True, note: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backend_environment_name = backend_environment_name
        self.pinned = pinned
        self.note = note

    def execute(self, context: Context) -> None:
        """Set the tag, or remove it."""
        self.validate()
        key = pin_key(self.read("backend_environment_name"))
        if self.read("pinned"):
            self.leases.write(key, self.read("note"))
            self.log.info("Environment %s stays until it is unpinned: %s", self.backend_environment_name, key)
        else:
            self.leases.remove(key)
            self.log.info("Environment %s is no longer pinned", self.backend_environment_name)
