"""The limit: however writes and reads lag, never more than the limit go on, and the oldest of those who wait do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.guard import lease_queue
from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseState, Tags
from airflow_provider_amplifybackend.guard.lease_queue import Ticket, Turn, is_late, place_of, settling

START = datetime(2026, 11, 28, 12, tzinfo=UTC)
LAG = 3


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def lease(
    name: str, since: int, state: LeaseState = LeaseState.WAITING, *, until: int = 10_000, dag: str = "dag"
) -> Lease:
    return Lease.of(Holder(dag, name, "group"), name, state=state, since=at(since), until=at(until))


def place(own: Lease, *others: Lease, now: int) -> lease_queue.Place:
    tags = Tags({one.key: one.value for one in (own, *others)}, at(now))
    return place_of(Ticket(own.environment, own.group, own.since), tags, LAG)


OWN = lease("own", 10)


@pytest.mark.parametrize(
    ("other", "is_ahead"),
    [
        (lease("old", 9), True),
        (lease("new", 11), False),
        (lease("a", 10), True),
        (lease("z", 10), False),
        (lease("old", 9, until=50), False),
        (lease("new", 11, LeaseState.HELD), True),
        (lease("new", 11, LeaseState.HELD, until=50), True),
        (lease("new", 11, LeaseState.KEPT), True),
        (lease("old", 9, dag="another"), False),
    ],
    ids=["older", "newer", "as old, of a smaller name", "as old, of a greater name", "older, but over", "held",
         "held, but over", "kept", "of another group"],
)  # fmt: skip
def test_ahead_are_older_tickets_and_whatever_lives(other: Lease, is_ahead: bool) -> None:
    assert place(OWN, other, now=100).ahead == ((other.environment,) if is_ahead else ())


def test_nobody_goes_on_before_all_older_tickets_can_be_seen() -> None:
    settled = 10 + int(settling(LAG).total_seconds())
    early = place(OWN, now=settled - 1)
    assert (early.turn(1), early.next_look(30), early.next_look(0.5)) == (Turn.WAIT, 1, 0.5)
    settled_place = place(OWN, now=settled)
    assert (settled_place.turn(1), settled_place.next_look(30)) == (Turn.FREE, 30)


def test_whoever_does_not_want_to_wait_is_told_that_there_is_no_room() -> None:
    full = place(OWN, lease("old", 9), now=100)
    assert (full.turn(1), full.turn(1, waits=False), full.turn(2, waits=False)) == (Turn.WAIT, Turn.FULL, Turn.FREE)


def test_a_ticket_that_is_not_shown_as_it_was_written_is_lost() -> None:
    tags = Tags({OWN.key: OWN.value}, at(100))
    assert place_of(Ticket("own", OWN.group, at(11)), tags, LAG).turn(1) is Turn.LOST
    assert place_of(Ticket("other", OWN.group, at(10)), tags, LAG).turn(5) is Turn.LOST


def test_a_ticket_is_late_if_others_may_have_looked_without_it() -> None:
    assert not is_late(at(0), at(LAG), LAG)
    assert is_late(at(0), at(LAG + 1), LAG)


# The whole protocol, second by second


@dataclass
class Cloud:
    """Tags that are shown a while after they were written, each write by a delay of its own."""

    writes: list[tuple[int, str, str | None]] = field(default_factory=list)

    def write(self, shown: int, key: str, value: str | None) -> None:
        # A later write of a key is never shown before an earlier one.
        shown = max([shown, *(when for when, other, _ in self.writes if other == key)])
        self.writes.append((shown, key, value))

    def read(self, now: int) -> Tags:
        values: dict[str, str] = {}
        for shown, key, value in sorted(self.writes, key=lambda one: one[0]):
            if shown <= now:
                values.pop(key, None)
                if value is not None:
                    values[key] = value
        return Tags(values, at(now))


@dataclass
class Run:
    """A run that takes a ticket, waits, has its environment for a while and gives it back."""

    name: str
    arrives: int
    delays: list[tuple[int, int]]
    lives: int
    since: int = -1
    written: int = -1
    entered: int = -1
    left: int = -1
    _used: int = 0

    def _delay(self) -> tuple[int, int]:
        self._used += 1
        return self.delays[self._used % len(self.delays)]

    def step(self, now: int, cloud: Cloud, limit: int, lag: float) -> None:
        if now < self.arrives or self.left >= 0:
            return
        if self.since < 0:
            self._take_ticket(now, cloud)
        elif now >= self.written and self.entered < 0:
            if is_late(at(self.since), at(self.written), LAG):
                self._take_ticket(now, cloud)
            elif place_of(Ticket(self.name, OWN.group, at(self.since)), cloud.read(now), lag).turn(limit) is Turn.FREE:
                self.entered = now
                cloud.write(now + self._delay()[1], *self._tag(LeaseState.HELD))
        elif 0 <= self.entered <= now - self.lives:
            self.left = now
            cloud.write(now + self._delay()[1], self._tag(LeaseState.HELD)[0], None)

    def _take_ticket(self, now: int, cloud: Cloud) -> None:
        writing, showing = self._delay()
        self.since, self.written = now, now + writing
        cloud.write(self.written + showing, *self._tag(LeaseState.WAITING))

    def _tag(self, state: LeaseState) -> tuple[str, str]:
        one = replace(lease(self.name, self.since, state), group=OWN.group)
        return one.key, one.value


def most_at_once(runs: list[Run], limit: int, *, lag: float = LAG, seconds: int = 600) -> int:
    cloud, most = Cloud(), 0
    for now in range(seconds):
        for run in runs:
            run.step(now, cloud, limit, lag)
        most = max(most, sum(run.entered >= 0 and run.left < 0 for run in runs))
        if all(run.left >= 0 for run in runs):
            break
    return most


# Some writes take longer than the lag allows, and are then repeated.
delays = st.tuples(st.integers(0, LAG + 3), st.integers(0, LAG))
fleets = st.lists(
    st.tuples(st.integers(0, 25), st.lists(delays, min_size=1, max_size=4), st.integers(1, 30)), min_size=1, max_size=7
).map(lambda rows: [Run(f"env{number}", *row) for number, row in enumerate(rows)])


@settings(max_examples=60, deadline=None)
@given(fleets, st.integers(1, 3))
def test_never_more_than_the_limit_go_on_and_all_do_in_the_end(runs: list[Run], limit: int) -> None:
    # A write that is always late is a service that cannot be used, so the last delay of each is a fair one.
    for run in runs:
        run.delays.append((0, LAG))
    assert most_at_once(runs, limit) <= limit
    assert all(run.left >= 0 for run in runs)


def test_without_the_time_to_settle_the_limit_would_not_hold() -> None:
    # The control: the same protocol, whose first run is slow to write and whose second looks at once.
    assert most_at_once([Run("b", 0, [(3, 3)], 30), Run("c", 1, [(0, 3)], 30)], 1, lag=-0.5) == 2
    assert most_at_once([Run("b", 0, [(3, 3)], 30), Run("c", 1, [(0, 3)], 30)], 1) == 1
