"""The reach of a request: which apps and environments it would delete or change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend.core.operations import OPERATIONS


@dataclass(frozen=True)
class Reach:
    """The app and the environments that a request deletes or changes."""

    operation: str
    app_id: str
    # The environment that it deletes or changes; None if it acts on the app, or on all of its environments.
    environment: str | None
    # All environments of the app, whatever they are at that moment.
    is_every_environment: bool
    # Whether the signs of a migration count. They do not for what leaves every deployed resource as it is: a new
    # environment beside the others, a session of Amplify Studio.
    reads_signs: bool
    # Whether the Amplify app itself goes, too, with whatever is in it.
    takes_app: bool = False


def reach_of(operation: str, request: Mapping[str, Any]) -> Reach | None:
    """Return the reach of a request; None if it only reads."""
    known = OPERATIONS.get(operation)
    if known is None:  # newer than this package, so that it may do anything
        return _reach(operation, request, request.get("BackendEnvironmentName"), reads_signs=True)
    if known.only_reads:
        return None
    return _reach(
        operation,
        request,
        request.get(known.environment) if known.environment else None,
        is_every_environment=known.resource == "app",
        reads_signs=known.may_disturb_a_migration,
        takes_app=known.resource == "app" and is_true(request.get("CleanAmplifyApp")),
    )


def is_true(value: Any) -> bool:
    """Tell whether a flag of a request is set; one that nobody can read is."""
    return value is not None and value is not False


def _reach(
    operation: str,
    request: Mapping[str, Any],
    environment: Any,
    *,
    reads_signs: bool,
    is_every_environment: bool = False,
    takes_app: bool = False,
) -> Reach:
    return Reach(
        operation=operation,
        app_id=str(request.get("AppId") or ""),
        environment=str(environment) if environment else None,
        is_every_environment=is_every_environment,
        reads_signs=reads_signs,
        takes_app=takes_app,
    )
