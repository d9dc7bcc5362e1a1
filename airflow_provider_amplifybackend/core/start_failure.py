"""The reasons for which a job is not started, as users, docs and tests switch on them."""

from __future__ import annotations

from enum import StrEnum


class StartFailure(StrEnum):
    """The reason for which a job was not started: ``BackendStartError.reason``."""

    # Another job holds the environment, and on_pending_job is "fail".
    PENDING_JOB = "pending_job"
    # What was to be created exists, and if_exists is "fail".
    EXISTS = "exists"
    # What was to be created exists, but only as what a failed job has left behind.
    LEFTOVER = "leftover"
    # What was to be removed does not exist, and if_missing is "fail".
    MISSING = "missing"
    # A job or resource was found, and it is unclear whether this task made it.
    UNKNOWN_OWNER = "unknown_owner"
    # The time budget ended before the start was sent, or before it was known what became of it.
    OUT_OF_TIME = "out_of_time"
    # What an earlier try has stored cannot be read by this version of the package.
    UNREADABLE_STATE = "unreadable_state"
    # Storing the intent took too long to be sure that the task was still this try's.
    SLOW_STORE = "slow_store"
