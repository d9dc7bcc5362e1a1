"""The reasons for which the guard refuses an operation, as users, docs and tests switch on them."""

from __future__ import annotations

from enum import StrEnum


class GuardRefusal(StrEnum):
    """The reason for which the guard refused an operation: ``BackendGuardError.reason``."""

    # The app or environment is protected by name.
    PROTECTED = "protected"
    # Its name equals a protected one but for case, width or characters that cannot be seen.
    NEAR_MATCH = "near_match"
    # A setting of the guard cannot be read, so that nobody knows what it was meant to protect.
    SETTING = "setting"
    # RemoveAllBackends: the environments that it would remove cannot be listed.
    UNREADABLE_LIST = "unreadable_list"
    # The app's variable GEN2_MIGRATION_ENVIRONMENT_NAME names the environment.
    MIGRATING = "migrating"
    # The policy of its root stack denies all updates, as `amplify gen2-migration lock` leaves it.
    LOCKED = "locked"
    # A stack that holds what a migration has moved exists.
    HOLDING_STACK = "holding_stack"
    # Its root stack has termination protection.
    TERMINATION_PROTECTION = "termination_protection"
    # guard is "require", and a sign cannot be read.
    UNREADABLE_SIGN = "unreadable_sign"
    # A condition of the operator's only_if does not hold, or cannot be read.
    CONDITION = "condition"
    # The plan is for something else, or is no longer what would happen.
    PLAN_CHANGED = "plan_changed"
    # The record of the deletion cannot be written.
    RECORD = "record"
