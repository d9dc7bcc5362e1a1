"""The reaper's verdicts, over random fleets and a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseState
from airflow_provider_amplifybackend.guard.reaper import Action, FleetRow, OwnerState, Rules, Why, decide

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = Rules(name="pr*", older_than=24 * HOUR)


def lease(*, since: timedelta = -10 * HOUR, until: timedelta = -HOUR, state: LeaseState = LeaseState.HELD) -> Lease:
    return Lease.of(Holder("nightly", "run", "preview"), "prabc", state=state, since=NOW + since, until=NOW + until)


ORPHAN = FleetRow("d1", "prabc", created=NOW - 9 * HOUR, lease=lease(), owner=OwnerState.ENDED)
LEFT = FleetRow("d1", "pr7", created=NOW - 25 * HOUR)


@pytest.mark.parametrize(
    ("row", "action", "why"),
    [
        (ORPHAN, Action.DELETE, Why.LEASE_ENDED),
        (replace(ORPHAN, lease=lease(state=LeaseState.KEPT)), Action.DELETE, Why.LEASE_ENDED),
        (replace(ORPHAN, exists=False, created=None), Action.RELEASE, Why.LEASE_ENDED),
        (replace(ORPHAN, lease=lease(until=HOUR)), Action.KEEP, Why.LEASED),
        (replace(ORPHAN, exists=False, lease=lease(until=HOUR)), Action.KEEP, Why.LEASED),
        (replace(ORPHAN, owner=OwnerState.LIVING), Action.KEEP, Why.RUN_LIVES),
        (replace(ORPHAN, exists=False, owner=OwnerState.LIVING), Action.KEEP, Why.RUN_LIVES),
        (replace(ORPHAN, owner=OwnerState.UNKNOWN), Action.KEEP, Why.RUN_UNKNOWN),
        (replace(ORPHAN, is_pinned=True), Action.KEEP, Why.PINNED),
        (replace(ORPHAN, protected="by a name"), Action.KEEP, Why.PROTECTED),
        (replace(ORPHAN, guarded="locked"), Action.KEEP, Why.GUARDED),
        (replace(ORPHAN, pending="job 7"), Action.KEEP, Why.PENDING),
        (replace(ORPHAN, created=None), Action.KEEP, Why.AGE_UNKNOWN),
        (replace(ORPHAN, created=NOW - 11 * HOUR), Action.KEEP, Why.OLDER_THAN_LEASE),
        (replace(ORPHAN, lease=None, has_unreadable_lease=True), Action.KEEP, Why.UNREADABLE_LEASE),
        (LEFT, Action.DELETE, Why.MATCHES),
        (replace(LEFT, created=NOW - 23 * HOUR), Action.KEEP, Why.YOUNG),
        (replace(LEFT, created=None), Action.KEEP, Why.AGE_UNKNOWN),
        (replace(LEFT, environment="main"), Action.KEEP, Why.NO_RULE),
        # A name and an age reap no environment that somebody has leased.
        (replace(LEFT, lease=lease(until=HOUR)), Action.KEEP, Why.LEASED),
    ],
)  # fmt: skip
def test_an_environment_is_reaped_only_if_nothing_speaks_for_it(row: FleetRow, action: Action, why: Why) -> None:
    decision = decide(row, NOW, RULES)
    assert (decision.action, decision.why) == (action, why)
    assert decision.text


def test_only_what_is_kept_for_something_unread_counts_as_unread() -> None:
    unread = replace(ORPHAN, is_unread=True)
    for row in (replace(unread, guarded="a setting is wrong"), replace(unread, pending="jobs that cannot be listed")):
        decision = decide(row, NOW, RULES)
        assert (decision.action, decision.is_unread) == (Action.KEEP, True)
        assert "is_unread" not in decision.to_dict()  # the XCom is what it was
        assert not decide(replace(row, is_unread=False), NOW, RULES).is_unread
        assert not decide(replace(row, is_pinned=True), NOW, RULES).is_unread


def test_without_a_name_and_an_age_only_leases_count() -> None:
    for rules in (Rules(), Rules(name="*"), Rules(older_than=HOUR)):
        assert decide(LEFT, NOW, rules).why is Why.NO_RULE
        assert decide(ORPHAN, NOW, rules).action is Action.DELETE


def test_leases_of_other_dags_are_left_alone() -> None:
    assert decide(ORPHAN, NOW, Rules(dag_ids="night*")).action is Action.DELETE
    assert decide(ORPHAN, NOW, Rules(dag_ids="weekly")).why is Why.OTHER_DAG


# Random fleets


@dataclass
class Environment:
    """An environment and its life, of which the reaper is told what it could read at each moment."""

    name: str
    born: int
    leased: tuple[int, int] | None
    run_ends: int | None
    pinned: tuple[int, int]
    pending: tuple[int, int]
    is_protected: bool
    is_locked: bool
    is_made: bool
    gone: int | None = None
    freed: int | None = None

    def row(self, hour: int) -> FleetRow:
        lives = self.run_ends is None or hour < self.run_ends
        lease = None
        if self.leased is not None and self.freed is None:
            since, lasts = self.leased
            holder = Holder("nightly", f"run {self.name}", "preview")
            lease = Lease.of(holder, self.name, state=LeaseState.HELD, since=at(since), until=at(since + lasts))
        return FleetRow(
            "d1",
            self.name,
            exists=self.exists,
            created=at(self.born) if self.exists else None,
            lease=lease,
            owner=OwnerState.LIVING if lives else OwnerState.ENDED,
            is_pinned=self.pinned[0] <= hour < self.pinned[1],
            protected="by a name" if self.is_protected else "",
            guarded="locked" if self.is_locked else "",
            pending="job 7" if self.pending[0] <= hour < self.pending[1] else "",
        )

    @property
    def exists(self) -> bool:
        return self.is_made and self.gone is None

    def is_wanted(self, hour: int) -> bool:
        """Tell, without the reaper's rules, whether somebody has a right to it at this hour."""
        if self.is_protected or self.is_locked or self.pinned[0] <= hour < self.pinned[1]:
            return True
        if self.leased is None:
            return not self.name.startswith("pr") or hour - self.born <= 24
        since, lasts = self.leased
        lives = self.run_ends is None or hour < self.run_ends
        return lives or hour < since + lasts or self.born < since

    def is_busy(self, hour: int) -> bool:
        return self.pending[0] <= hour < self.pending[1]


def at(hour: int) -> datetime:
    return NOW + timedelta(hours=hour)


def reap(fleet: Iterable[Environment], hour: int) -> None:
    for environment in fleet:
        if not environment.exists and (environment.leased is None or environment.freed is not None):
            continue
        decision = decide(environment.row(hour), at(hour), RULES)
        if decision.action is Action.DELETE:
            environment.gone = hour
        if decision.action in (Action.DELETE, Action.RELEASE):
            environment.freed = hour


hours = st.integers(0, 200)
spans = st.tuples(hours, st.integers(0, 60)).map(lambda span: (span[0], span[0] + span[1]))
environments = st.builds(
    Environment,
    name=st.sampled_from(["pr", "main", "dev", "prod"]),
    born=hours,
    leased=st.none() | st.tuples(hours, st.integers(0, 60)),
    run_ends=st.none() | hours,
    pinned=spans,
    pending=spans,
    is_protected=st.booleans(),
    is_locked=st.booleans(),
    is_made=st.booleans(),
)


def named(fleet: list[Environment]) -> list[Environment]:
    for number, environment in enumerate(fleet):
        environment.name += "abcdefghijklmnopqrstuvwxyz"[number]
    return fleet


fleets = st.lists(environments, max_size=12).map(named)


@settings(max_examples=150, deadline=None)
@given(fleets, st.lists(hours, min_size=2, max_size=8).map(sorted))
def test_no_wanted_environment_is_reaped_and_every_orphan_is_in_two_runs(
    fleet: list[Environment], moments: list[int]
) -> None:
    for first, second in pairwise(moments):
        alive = [environment for environment in fleet if environment.exists and environment.born <= first]
        reap(alive, first)
        reap([environment for environment in alive if environment.exists], second)
        for environment in alive:
            if environment.gone is not None:
                assert not environment.is_wanted(environment.gone)
                assert not environment.is_busy(environment.gone)
            elif not environment.is_wanted(first) and not environment.is_busy(second):
                assert environment.is_wanted(second), environment


@settings(max_examples=60, deadline=None)
@given(fleets, st.lists(hours, min_size=1, max_size=8).map(sorted))
def test_a_lease_without_an_environment_is_freed_once_its_run_and_its_time_are_over(
    fleet: list[Environment], moments: list[int]
) -> None:
    unmade = [environment for environment in fleet if not environment.is_made and environment.leased]
    for hour in moments:
        reap(unmade, hour)
    for environment in unmade:
        since, lasts = environment.leased or (0, 0)
        over = [hour for hour in moments if hour >= since + lasts and hour >= (environment.run_ends or 10**6)]
        plain = [hour for hour in over if not (environment.is_protected or environment.is_locked)]
        plain = [hour for hour in plain if not environment.pinned[0] <= hour < environment.pinned[1]]
        plain = [hour for hour in plain if not environment.is_busy(hour)]
        assert environment.freed == (plain[0] if plain else None)
