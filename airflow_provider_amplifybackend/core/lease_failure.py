"""The reasons for which a lease could not be had or given back, as users, docs and tests switch on them."""

from __future__ import annotations

from enum import StrEnum


class LeaseFailure(StrEnum):
    """The reason for which a task with a lease failed: ``BackendLeaseError.reason``."""

    # The app has as many tags as AWS allows, and a lease is one.
    TAGS_FULL = "tags_full"
    # The tags of the app cannot be read or written.
    TAGS = "tags"
    # As many environments of the group live as may.
    LIMIT = "limit"
    # There is no lease of this run, or it is somebody else's.
    NO_LEASE = "no_lease"
    # The environment is not proven gone, and so its lease stays.
    NOT_GONE = "not_gone"
    # The reaper was to delete environments, and some of them are still there.
    NOT_REAPED = "not_reaped"
