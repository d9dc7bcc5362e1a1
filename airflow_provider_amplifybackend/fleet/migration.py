"""The state of an environment in a migration to Gen 2, from the signs that the tool leaves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.fleet.reading import App, Environment
from airflow_provider_amplifybackend.guard.protected import folded
from airflow_provider_amplifybackend.guard.signs import MIGRATION_VARIABLE, is_holding_stack

# A refactor that has failed leaves its stack so, and stops every later run (amplify-cli#14988).
STUCK_HOLDING_STATUS = "REVIEW_IN_PROGRESS"


class Migration(StrEnum):
    """The state of an environment in a migration."""

    NONE = "none"
    # Another environment of the same app is being migrated, and the tool takes one at a time.
    OTHER = "another of the app"
    LOCKED = "locked"
    # Its resources have moved, or are about to: stacks hold the way back.
    REFACTORED = "refactored"
    UNKNOWN = "unknown"


def holding_stacks(app_id: str, stacks: Mapping[str, str]) -> dict[str, str]:
    """Return the stacks in which a migration of an app holds what it has moved, with their status."""
    return {name: status for name, status in stacks.items() if is_holding_stack(name, app_id)}


def migration_of(app: App, environment: Environment, stacks: Mapping[str, str]) -> Migration:
    """Return the state of an environment.

    :param stacks: The names of all stacks of the region.
    """
    named = app.variables.get(MIGRATION_VARIABLE)
    is_named = bool(named) and folded(str(named)) == folded(environment.known.name)
    is_held = bool(holding_stacks(app.app_id, stacks))
    reasons = {sign.refusal for sign in environment.signs.signs} if environment.signs else set()
    if is_named or GuardRefusal.LOCKED in reasons:
        return Migration.REFACTORED if is_held else Migration.LOCKED
    if named or is_held:
        return Migration.OTHER
    if environment.signs is None or environment.signs.unreadable:
        return Migration.UNKNOWN
    return Migration.NONE
