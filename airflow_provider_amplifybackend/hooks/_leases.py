"""The leases of an app's environments: its tags, read and written with the hook's identity."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_amplifybackend._compat import conf
from airflow_provider_amplifybackend.core.lease_failure import LeaseFailure
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.exceptions import BackendLeaseError
from airflow_provider_amplifybackend.guard import lease_reads
from airflow_provider_amplifybackend.guard.conditions import utc_now
from airflow_provider_amplifybackend.guard.lease import MOST_TAGS, Tags
from airflow_provider_amplifybackend.guard.signs import UnreadableError

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.guard.lease_reads import Asks
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

T = TypeVar("T")
DEFAULT_LAG = 5.0


def tag_lag() -> float:
    """Return for how many seconds a tag may be read as it was: ``[amplifybackend] tag_lag``."""
    return max(0.0, float(conf.getfloat("amplifybackend", "tag_lag", fallback=DEFAULT_LAG)))


class Leases:
    """The tags of one app, as far as leases are concerned.

    :raises BackendLeaseError: They cannot be read or written.
    """

    def __init__(self, hook: AmplifyBackendHook, app_id: str) -> None:
        self._hook = hook
        self._app_id = app_id

    def read(self) -> Tags:
        """Return all tags of the app."""
        return self._ask("read", lease_reads.read_tags(self._arn, self._now))

    def write(self, key: str, value: str) -> datetime:
        """Set a tag, and return when that was done."""
        try:
            return self._drive(lease_reads.write_tag(self._arn, key, value, self._now))
        except UnreadableError as error:
            # The service counts tags itself, also those that were set since they were read.
            if not self.read().has_room_for(key):
                raise self.full(key) from None
            raise self._error("written", error) from None

    def remove(self, *keys: str) -> None:
        """Remove tags; those that are not there are no error."""
        self._ask("removed", lease_reads.remove_tags(self._arn, keys))

    def created(self, environment: str) -> datetime | None:
        """Return when an environment was created; None if there is no such one."""
        return self._ask("read", lease_reads.read_created(self._app_id, environment))

    def environments(self) -> dict[str, datetime | None]:
        """Return the app's environments, and when each was created."""
        return self._ask("read", lease_reads.list_environments(self._app_id))

    def full(self, key: str) -> BackendLeaseError:
        """Return the error for an app that has no room for another tag."""
        return BackendLeaseError(
            f"Tags are full: app {self._app_id} has {MOST_TAGS} tags, which is all that AWS allows, and {key} would be "
            "one more. Nothing was made. Remove tags, or have the reaper take down what is no longer needed",
            reason=LeaseFailure.TAGS_FULL,
        )

    @cached_property
    def _arn(self) -> str:
        return self._ask("read", lease_reads.app_arn(self._app_id))

    @property
    def _now(self) -> datetime:
        return utc_now(current().now())

    def _ask(self, verb: str, asks: Asks[T]) -> T:
        try:
            return self._drive(asks)
        except UnreadableError as error:
            raise self._error(verb, error) from None

    def _drive(self, asks: Asks[T]) -> T:
        return self._hook.guard.read(asks)

    def _error(self, verb: str, error: UnreadableError) -> BackendLeaseError:
        hint = "the app is unknown to AWS Amplify" if error.is_missing else "docs/iam.md names the permissions"
        return BackendLeaseError(
            f"The tags of app {self._app_id}, which hold its leases, cannot be {verb}: {error}; {hint}",
            reason=LeaseFailure.TAGS,
        )
