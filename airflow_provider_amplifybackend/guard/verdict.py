"""The guard's verdict on a request: refused by which rule, where that stands, and who can lift it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.guard.protected import Entry, Match, protected_app, protected_environments
from airflow_provider_amplifybackend.guard.reach import Reach
from airflow_provider_amplifybackend.guard.signs import Facts


class Mode(StrEnum):
    """The setting ``guard``, from lax to strict: which signs refuse."""

    OFF = "off"
    AUTO = "auto"
    REQUIRE = "require"

    def is_stricter_than(self, other: Mode) -> bool:
        """Tell whether it refuses more."""
        order = list(Mode)
        return order.index(self) > order.index(other)


@dataclass(frozen=True)
class Refusal:
    """A rule that refuses a request."""

    reason: GuardRefusal
    text: str


def by_name(reach: Reach, environments: Iterable[str], entries: Sequence[Entry]) -> Refusal | None:
    """Return the refusal of a request that reaches a protected name.

    :param environments: Those that the request would delete or change, at this moment.
    """
    matches = [
        *protected_environments(entries, reach.app_id, environments),
        *protected_app(entries, reach.app_id, goes=reach.takes_app),
    ]
    if not matches:
        return None
    # A plain match says more than a near one.
    match = min(matches, key=lambda found: found.is_near)
    reason = GuardRefusal.NEAR_MATCH if match.is_near else GuardRefusal.PROTECTED
    return Refusal(reason, f"{_what(match)} {_how(match)} by {match.entry.text!r} in {match.entry.setting}. {_LIFT}")


_LIFT = (
    "Nothing in a DAG or in its parameters can lift that; whoever maintains the deployment's configuration and its "
    "connections can"
)


def _what(match: Match) -> str:
    return f"app {match.app_id!r}" if match.environment is None else f"environment {match.environment!r}"


def _how(match: Match) -> str:
    return "looks like a name that is protected" if match.is_near else "is protected"


def by_signs(where: str, facts: Facts, mode: Mode) -> Refusal | None:
    """Return the refusal of a request for the signs of its app or environment."""
    if mode is Mode.OFF:
        return None
    if facts.signs:
        return Refusal(
            facts.signs[0].refusal,
            f"{where}: " + "; ".join(f"{sign.text} (to lift it: {sign.way_out})" for sign in facts.signs),
        )
    if mode is Mode.REQUIRE and facts.unreadable:
        return Refusal(
            GuardRefusal.UNREADABLE_SIGN,
            f"{where}: guard is 'require', and it cannot be read whether a migration is under way: "
            f"{', '.join(facts.unreadable)}. Give the connection these permissions (docs/iam.md), or have whoever "
            "maintains the deployment set [amplifybackend] guard",
        )
    return None
