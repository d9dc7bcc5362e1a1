"""When the status checks of one job are made, and what they teach: told by hand, in a time of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.schedule import Durations, EarlyEnds
from airflow_provider_amplifybackend.core.status_check import Awaited, CheckResult
from airflow_provider_amplifybackend.triggers import _watch
from airflow_provider_amplifybackend.triggers._watch import Watch

BEGINNING = 1_000_000.0
TICK = 0.5
DOZEN = 12


@pytest.fixture(autouse=True)
def _real_delays(pace: Callable[..., None]) -> None:
    pace(first_check=4.0, tick=TICK)


class Entry:
    def __init__(self, due: float, what: Callable[[Any], None], whose: Any) -> None:
        self.due, self.what, self.whose = due, what, whose

    def cancel(self) -> None: ...


class Hand:
    """Takes the place of the poller, its agenda and the clock: nothing is done until it is said."""

    def __init__(self, beside: int = 0) -> None:
        self.now = BEGINNING
        self.users = beside
        self.tick = TICK
        self.agenda: Any = self
        self.ends = EarlyEnds()
        self.entry: Entry | None = None

    def time(self) -> float:
        return self.now

    def at(self, due: float, what: Callable[[Any], None], whose: Any, used: Any = None) -> Entry:
        self.entry = Entry(due, what, whose)
        return self.entry

    def check(self, watch: Watch) -> None: ...

    def expected(self, awaited: Awaited, durations: Sequence[float]) -> Durations | None:
        return None

    def early_ends(self, awaited: Awaited) -> EarlyEnds:
        return self.ends

    def ended(self, awaited: Awaited, seen: CheckResult) -> None: ...

    def left(self, watch: Watch) -> None: ...

    def go_on(self) -> None:
        """Let time pass until the next status check."""
        assert self.entry is not None
        self.now = max(self.now, math.ceil(self.entry.due / TICK) * TICK)
        self.entry.what(self.entry.whose)

    def give_up_early_checks(self) -> None:
        for _ in range(DOZEN):
            self.ends.note(False)

    @property
    def noted(self) -> list[bool]:
        return list(self.ends._last)


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    made = Hand()
    monkeypatch.setattr(_watch, "time", made)
    return made


def watch(hand: Hand, age: float = 0) -> Watch:
    return Watch(hand, JobRef("a", "j", ("pr",), "CloneBackend"), (), BEGINNING - age)


def job(status: str = "RUNNING", took: float | None = None) -> Job:
    created, updated = (None, None) if took is None else (int(1000 * BEGINNING), int(1000 * (BEGINNING + took)))
    return Job("a", "pr", "j", "CloneBackend", status, create_time_ms=created, update_time_ms=updated)


@pytest.mark.parametrize("waiter_delay", [10, 30])
@pytest.mark.parametrize("beside", [0, 40, 1000])
@pytest.mark.parametrize("age", [0, 300])
def test_the_next_check_after_one_that_was_left_out_is_no_later_for_it(
    hand: Hand, age: float, beside: int, waiter_delay: float
) -> None:
    for _ in range(20):
        hand.now, hand.users, hand.ends = BEGINNING, beside, EarlyEnds()
        one = watch(hand, age)
        one.join(waiter_delay, BEGINNING + 3600)
        hand.give_up_early_checks()  # others' early checks, while this one was planned
        checks = [BEGINNING]
        while len(checks) < 5:
            hand.go_on()
            if one.is_in_vain:
                one.skip()
            else:
                checks.append(hand.now)
                one.saw(job())
        assert max(later - earlier for earlier, later in pairwise(checks)) <= waiter_delay


def test_whose_wait_began_elsewhere_has_no_early_check_any_more(hand: Hand) -> None:
    one = watch(hand, age=300)
    one.join(30, BEGINNING + 3600)
    hand.go_on()
    one.saw(job())
    assert hand.entry
    assert hand.entry.due > BEGINNING + 4


@pytest.mark.parametrize(
    ("found", "noted"),
    [
        (job(), False),
        (job("COMPLETED", took=2), True),
        (job("FAILED", took=2), True),
        (job("FAILED"), True),  # without its times: it had ended
    ],
)
def test_what_an_early_check_finds_is_counted_once(hand: Hand, found: Job, noted: bool) -> None:
    one = watch(hand)
    one.join(30, BEGINNING + 3600)
    hand.go_on()
    one.saw(found)
    assert hand.noted == [noted]
    hand.go_on()
    one.saw(job("COMPLETED", took=100))
    assert hand.noted == [noted]


@pytest.mark.parametrize(
    ("found", "noted"),
    [
        (job(), False),
        (job("COMPLETED", took=2), True),
        (job("COMPLETED", took=8), False),  # the early check, after 4 seconds, would not have seen it
        (job("FAILED"), False),
    ],
)
def test_without_early_checks_the_first_other_one_shows_what_they_would_have_found(
    hand: Hand, found: Job, noted: bool
) -> None:
    hand.give_up_early_checks()
    one = watch(hand)
    one.join(30, BEGINNING + 3600)
    hand.go_on()
    assert hand.now > BEGINNING + 4
    one.saw(found)
    assert hand.noted == [*[False] * DOZEN, noted]


def test_a_check_that_shows_nothing_new_counts_too(hand: Hand) -> None:
    one = watch(hand)
    one.join(30, BEGINNING + 3600)
    hand.go_on()
    one.passed()
    assert hand.noted == [False]


def test_a_check_at_a_deadline_before_the_early_one_teaches_nothing_of_a_job_that_runs(hand: Hand) -> None:
    one = watch(hand)
    one.join(30, BEGINNING + 1)
    hand.go_on()
    one.saw(job())
    assert hand.noted == []


def test_a_check_at_a_deadline_is_never_left_out(hand: Hand) -> None:
    one = watch(hand)
    one.join(30, BEGINNING + 1)
    hand.give_up_early_checks()
    hand.go_on()
    assert one._schedule.is_in_vain
    assert not one.is_in_vain
