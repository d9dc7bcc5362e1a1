"""The pace of many requests, on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.core.turns import Turns


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Iterator[Clock]:
    made = Clock()
    with timing.replaced(monotonic=lambda: made.now, sleep=made.sleep):
        yield made


@settings(deadline=None)
@given(
    rate=st.floats(0.1, 100),
    work=st.lists(st.floats(0, 3), min_size=2, max_size=60),
)
def test_no_second_has_more_requests_than_the_pace_allows(rate: float, work: list[float]) -> None:
    clock = Clock()
    with timing.replaced(monotonic=lambda: clock.now, sleep=clock.sleep):
        turns, times = Turns(rate), []
        for seconds in work:
            turns.before_request()
            times.append(clock.now)
            clock.now += seconds
    assert turns.requests == len(work)
    for first, second in pairwise(times):
        assert second - first >= 1 / rate - 1e-9


def test_time_that_was_not_used_is_not_made_up_for(clock: Clock) -> None:
    turns = Turns(10)
    turns.before_request()
    clock.now += 60
    turns.before_request()
    before = clock.now
    turns.before_request()
    assert clock.now - before == pytest.approx(0.1)


def test_a_refused_request_slows_down_and_good_answers_make_up_for_it_with_time(clock: Clock) -> None:
    turns = Turns(16)
    for _ in range(10):
        turns.before_request()
        turns.slow_down()
    slowest = turns.requests_per_second
    assert 0 < slowest < 16
    assert turns.throttled == 10
    while turns.requests_per_second < 16:
        turns.before_request()
        turns.answered()
    assert clock.now < 1000
