"""The plan of a deletion: what would go, what stays, what is unknown, and a digest that two plans share if nothing
that matters has changed in between.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from airflow_provider_amplifybackend.guard import signs
from airflow_provider_amplifybackend.guard.inventory import (
    UNKNOWN,
    Gap,
    Inventory,
    Reads,
    Thing,
    read,
    read_app,
    read_counts,
    read_environment,
)
from airflow_provider_amplifybackend.guard.signs import Ask

PLAN_VERSION = 1
MOST_DIFFERENCES = 10


class PlanError(Exception):
    """Something that is no plan; the text says why."""


@dataclass(frozen=True)
class Scope:
    """The scope of a plan: an environment, or all those of an app."""

    app_id: str
    # None: the whole app.
    environment: str | None = None
    clean_amplify_app: bool = False
    region: str = ""

    def __str__(self) -> str:
        if self.environment is not None:
            return f"environment {self.environment!r} of app {self.app_id!r} in {self.region}"
        return f"all environments of app {self.app_id!r} in {self.region}" + (
            ", and the app itself" if self.clean_amplify_app else ""
        )


@dataclass(frozen=True)
class PlannedSign:
    """A sign of the guard's, and the environment that has it; empty: the app."""

    environment: str
    reason: str
    text: str
    way_out: str


@dataclass(frozen=True)
class Plan:
    """Everything that was read for a scope at one moment."""

    scope: Scope
    environments: tuple[str, ...]
    things: tuple[Thing, ...] = ()
    unknown: tuple[Gap, ...] = ()
    signs: tuple[PlannedSign, ...] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def goes(self) -> list[Thing]:
        """Everything that would go, as far as can be read."""
        return [thing for thing in self.things if thing.stays in ("", UNKNOWN)]

    @property
    def stays(self) -> list[Thing]:
        """Everything that stays, and why."""
        return [thing for thing in self.things if thing.stays not in ("", UNKNOWN)]

    @property
    def digest(self) -> str:
        """The digest over the facts that matter."""
        canonical = json.dumps(self._facts(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _facts(self) -> dict[str, Any]:
        """Return what makes two plans different.

        Counts always differ, texts say the same in other words, and the reason for which something cannot be read
        (a denial, a time-out) does not change that it cannot.
        """
        return {
            "version": PLAN_VERSION,
            "scope": [self.scope.app_id, self.scope.environment, self.scope.clean_amplify_app, self.scope.region],
            "environments": sorted(self.environments),
            "things": sorted({_fact(thing) for thing in self.things}),
            "unknown": sorted({gap.what for gap in self.unknown}),
            "signs": sorted({(sign.environment, sign.reason) for sign in self.signs}),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as a record and an XCom have it, in JSON and without None."""
        scope = self.scope
        named = {} if scope.environment is None else {"backend_environment_name": scope.environment}
        return named | {
            "version": PLAN_VERSION,
            "digest": self.digest,
            "app_id": scope.app_id,
            "clean_amplify_app": scope.clean_amplify_app,
            "region": scope.region,
            "environments": list(self.environments),
            "goes": [thing.to_dict() for thing in self.goes],
            "stays": [thing.to_dict() for thing in self.stays],
            "unknown": [gap.to_dict() for gap in self.unknown],
            "signs": [vars(sign) for sign in self.signs],
            "counts": {kind: dict(numbers) for kind, numbers in self.counts.items()},
        }

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Plan:
        """Read a plan from an XCom.

        :raises PlanError: It is none, or was altered.
        """
        if "digest" not in members or "app_id" not in members:
            raise PlanError("is no plan: it has no digest. Pass the result of PlanBackendDeletionOperator: plan.output")
        if members.get("version") != PLAN_VERSION:
            raise PlanError(f"is a plan of version {members.get('version')!r}, not {PLAN_VERSION}: plan again")
        try:
            plan = cls(
                scope=Scope(
                    members["app_id"],
                    members.get("backend_environment_name"),
                    bool(members.get("clean_amplify_app")),
                    members.get("region") or "",
                ),
                environments=tuple(members["environments"]),
                things=tuple(Thing.from_dict(one) for one in (*members["goes"], *members["stays"])),
                unknown=tuple(Gap(one["what"], one["why"], bool(one.get("hides"))) for one in members["unknown"]),
                signs=tuple(PlannedSign(**one) for one in members["signs"]),
                counts=members.get("counts") or {},
            )
            digest = plan.digest
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PlanError(f"is a plan that cannot be read ({type(error).__name__}): plan again") from None
        if digest != members["digest"]:
            raise PlanError("was altered: its content does not have its digest. Plan again")
        return plan


def _fact(thing: Thing) -> tuple[str, ...]:
    return thing.environment, thing.type, thing.id, thing.stays, str(thing.protected)


def read_plan(scope: Scope, now: datetime) -> Reads[Plan]:
    """Read everything that a plan consists of."""
    found = Inventory()
    environments = (scope.environment,) if scope.environment else (yield from _environments(scope, found))
    app = signs.Facts(now=now)
    yield from signs.app_signs(scope.app_id, app, scope.environment)
    planned = _signs("", app, found)
    there: list[str] = []
    for environment in environments:
        if (yield from read_environment(scope.app_id, environment, found)):
            there.append(environment)
            facts = signs.Facts(now=now)
            yield from signs.environment_signs(scope.app_id, environment, facts)
            planned += _signs(environment, facts, found)
    if scope.clean_amplify_app:
        yield from read_app(scope.app_id, found)
    yield from read_counts(found)
    return Plan(
        scope,
        tuple(there),
        tuple(dict.fromkeys(found.things)),
        tuple(sorted(set(found.gaps))),
        tuple(planned),
        found.counts,
    )


def _environments(scope: Scope, found: Inventory) -> Reads[tuple[str, ...]]:
    ask = Ask("amplifybackend", "GetBackend", {"AppId": scope.app_id})
    answer = yield from read(ask, found, f"the environments of app {scope.app_id}", hides=True)
    return tuple(str(name) for name in (answer or {}).get("BackendEnvironmentList") or [])


def _signs(environment: str, facts: signs.Facts, found: Inventory) -> list[PlannedSign]:
    for text in facts.unreadable:
        what, _, why = text.partition(" (")
        found.gap(
            f"a sign of the guard's{f', environment {environment}' if environment else ''}: {what}", why.rstrip(")")
        )
    return [PlannedSign(environment, str(sign.refusal), sign.text, sign.way_out) for sign in facts.signs]


def merged(earlier: Plan, now: Plan) -> Plan:
    """Return a plan with all that an earlier one for the same scope has; of what both have, the later one counts."""
    if (earlier.scope.app_id, earlier.scope.environment) != (now.scope.app_id, now.scope.environment):
        return now
    things = {(thing.environment, *thing.key): thing for thing in (*earlier.things, *now.things)}
    gaps = {(gap.what, gap.hides): gap for gap in (*earlier.unknown, *now.unknown)}
    return replace(
        now,
        environments=tuple(dict.fromkeys((*earlier.environments, *now.environments))),
        things=tuple(things.values()),
        unknown=tuple(sorted(gaps.values())),
    )


# -------------------------------------------------------------------------------------------------- the difference


def difference(planned: Plan, now: Plan) -> list[str]:
    """Return what has changed since a plan, the gravest first and no more than a message holds."""
    lines = [*_of_things(planned, now), *_of_others(planned, now)]
    more = len(lines) - MOST_DIFFERENCES
    return [*lines[:MOST_DIFFERENCES], f"and {more} more"] if more > 0 else lines


def _of_things(planned: Plan, now: Plan) -> Iterable[str]:
    before = {(thing.environment, *thing.key): thing for thing in planned.things}
    after = {(thing.environment, *thing.key): thing for thing in now.things}
    for key, thing in after.items():
        if key not in before:
            yield f"new: {thing}, which {_would(thing)}"
    for key, thing in before.items():
        if key in after and after[key].stays != thing.stays:
            yield f"{thing} was to {_plain(thing)} and now {_would(after[key])}"
        elif key in after and after[key].protected is not thing.protected:
            yield f"the deletion protection of {thing} has changed"
    yield from (f"gone: {thing}" for key, thing in before.items() if key not in after)


def _of_others(planned: Plan, now: Plan) -> Iterable[str]:
    before, after = {gap.what: gap for gap in planned.unknown}, {gap.what: gap for gap in now.unknown}
    yield from (f"no longer readable: {gap.what} ({gap.why})" for what, gap in after.items() if what not in before)
    yield from (f"readable now: {what}" for what in before if what not in after)
    had, has = ({(sign.environment, sign.reason) for sign in plan.signs} for plan in (planned, now))
    yield from (f"new sign: {reason} {environment}".rstrip() for environment, reason in sorted(has - had))
    yield from (f"sign lifted: {reason} {environment}".rstrip() for environment, reason in sorted(had - has))


def _plain(thing: Thing) -> str:
    return {"": "go", UNKNOWN: "go or stay (unknown)"}.get(thing.stays, f"stay ({thing.stays})")


def _would(thing: Thing) -> str:
    return {"": "goes", UNKNOWN: "may go or stay"}.get(thing.stays, f"stays ({thing.stays})")
