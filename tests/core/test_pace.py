"""The pace of requests, alone and among processes that know nothing of each other."""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from airflow_provider_amplifybackend.core.pace import FASTER, SLOWER, Pace

ROUND_TRIP = 0.05


def test_it_is_the_configured_one_at_first_and_never_more() -> None:
    pace = Pace(50)
    for second in range(100):
        pace.sent(second)
        pace.answered(second + ROUND_TRIP)
    assert (pace.rate, pace.cost) == (50, 1)


def test_a_429_makes_it_slower_than_what_was_really_sent() -> None:
    pace = Pace(50)
    for number in range(100):
        pace.sent(number / 10)
    pace.throttled(sent_at=9.9, now=9.95)
    assert pace.rate == pytest.approx(SLOWER * 10, rel=0.1)


def test_requests_that_were_under_way_when_it_slowed_down_count_once() -> None:
    pace = Pace(50)
    for number in range(10):
        pace.sent(number / 100)
    pace.throttled(sent_at=0.0, now=0.2)
    slowed = pace.rate
    for number in range(1, 10):
        pace.throttled(sent_at=number / 100, now=0.2)
    assert pace.rate == slowed
    pace.throttled(sent_at=0.3, now=0.4)
    assert pace.rate < slowed


def test_it_recovers_with_time_and_not_with_the_number_of_answers() -> None:
    slow, busy = Pace(50), Pace(50)
    for pace, answers in ((slow, 1), (busy, 20)):
        pace.sent(0.0)
        pace.throttled(0.0, 0.1)
        pace.answered(0.1)
        began = pace.rate
        for step in range(1, answers * 9 + 1):
            pace.answered(0.1 + step / answers)
        assert pace.rate == pytest.approx(began + 9 * FASTER * 50)


def test_it_is_the_configured_one_again_some_minutes_after_the_last_429() -> None:
    pace = Pace(50)
    pace.sent(0.0)
    pace.throttled(0.0, 0.1)
    for second in range(180):
        pace.answered(second)
    assert pace.rate == 50


def test_a_pace_of_nothing_is_none() -> None:
    pace = Pace(0)
    for second in range(100):
        pace.sent(second)
        pace.throttled(second, second + ROUND_TRIP)
    assert pace.rate > 0


# ------------------------------------------------------------------------------------------------- many triggerers


@dataclass
class Service:
    """It takes so many requests a second, and says 429 to the others."""

    rate: float
    tokens: float = 0.0
    at: float = 0.0

    def takes(self, now: float) -> bool:
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass
class Triggerer:
    """So many waits, each of which is due every half minute: in the order of their turn, at the triggerer's pace."""

    waits: int
    pace: Pace = field(default_factory=lambda: Pace(50))
    queue: deque[int] = field(default_factory=deque)
    free_at: float = 0.0
    good: int = 0
    refused: int = 0
    last_good: dict[int, float] = field(default_factory=dict)
    longest: float = 0.0


def simulate(waits: list[int], takes: float, *, seconds: float = 900, warm_up: float = 180) -> list[Triggerer]:
    """Let triggerers wait beside each other; what is counted is after the warm-up."""
    chance = random.Random(1)
    triggerers = [Triggerer(count) for count in waits]
    service = Service(takes)
    # When, what happens, in which triggerer, to which of its waits, and when the request had left.
    events: list[tuple[float, str, int, int, float]] = []

    def plan(at: float, what: str, index: int, wait: int = 0, sent_at: float = 0.0) -> None:
        heapq.heappush(events, (at, what, index, wait, sent_at))

    for index, triggerer in enumerate(triggerers):
        for wait in range(triggerer.waits):
            plan(chance.uniform(0, 30), "due", index, wait)
    while events[0][0] < seconds:
        now, what, index, wait, sent_at = heapq.heappop(events)
        triggerer = triggerers[index]
        if what == "due":
            triggerer.queue.append(wait)
            if len(triggerer.queue) == 1:
                plan(max(now, triggerer.free_at), "turn", index)
        elif what == "turn":
            wait = triggerer.queue.popleft()
            triggerer.pace.sent(now)
            plan(now + ROUND_TRIP, "answered" if service.takes(now) else "throttled", index, wait, now)
            triggerer.free_at = now + triggerer.pace.cost / triggerer.pace.most
            if triggerer.queue:
                plan(triggerer.free_at, "turn", index)
        else:
            if what == "answered":
                triggerer.pace.answered(now)
            else:
                triggerer.pace.throttled(sent_at, now)
            if now > warm_up:
                note(triggerer, wait, now, is_good=what == "answered", since=warm_up)
            plan(now + chance.uniform(25, 30), "due", index, wait)
    return triggerers


def note(triggerer: Triggerer, wait: int, now: float, *, is_good: bool, since: float) -> None:
    triggerer.good += is_good
    triggerer.refused += not is_good
    if is_good:
        triggerer.longest = max(triggerer.longest, now - triggerer.last_good.get(wait, since))
        triggerer.last_good[wait] = now


@pytest.mark.parametrize("takes", [10, 20, 60])
def test_ten_triggerers_share_what_the_service_takes(takes: float) -> None:
    triggerers = simulate([300] * 10, takes)
    good = [triggerer.good for triggerer in triggerers]
    assert sum(good) / 720 > 0.95 * takes
    assert sum(triggerer.refused for triggerer in triggerers) < 0.15 * sum(good)
    assert min(good) > 0.7 * sum(good) / 10
    assert max(good) < 1.3 * sum(good) / 10
    # Nobody starves: a round over all waits takes 3,000 requests, and who was refused has another turn in the next one.
    assert max(triggerer.longest for triggerer in triggerers) < 6 * 3000 / takes


def test_a_triggerer_with_few_waits_is_not_held_up_by_the_large_ones() -> None:
    small, *large = simulate([30] + [600] * 9, 30)
    # Each of its waits is due every 27.5 s, which is one request a second of the three that are its share.
    assert small.good > 0.85 * 720 / 27.5 * 30
    assert min(triggerer.good for triggerer in large) > 0.7 * sum(triggerer.good for triggerer in large) / 9
