"""Turns to send a request: how often the loop wakes for them, and what throttling does to those taken ahead."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow_provider_amplifybackend.core.pace import Pace
from airflow_provider_amplifybackend.triggers._turns import Turns


async def iterations(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class CountingLoop(asyncio.SelectorEventLoop):
    """A loop that counts the timers it is asked for."""

    timers = 0

    def call_at(self, *arguments: Any, **options: Any) -> asyncio.TimerHandle:  # type: ignore[override]
        self.timers += 1
        return super().call_at(*arguments, **options)


def test_what_is_due_together_wakes_the_loop_once_for_many_requests() -> None:
    async def hundred() -> int:
        turns = Turns(Pace(250.0), period=0.1)  # 25 may leave at once
        await asyncio.gather(*(turns.take(99 - number) for number in range(100)))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        return loop.timers

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        assert 3 <= runner.run(hundred()) <= 9  # a turn at a time would be 75


def test_a_turn_that_was_taken_ahead_is_void_once_the_service_throttles() -> None:
    async def throttled() -> bool:
        pace = Pace(10.0)
        turns = Turns(pace, period=1.0)
        await turns.take(9)
        pace.sent(1.0)
        pace.throttled(1.0, 2.0)
        following = asyncio.ensure_future(turns.take(8))
        await iterations()
        waits = not following.done()
        following.cancel()
        return waits

    assert asyncio.run(throttled())


def test_turns_that_are_given_up_are_paid_for() -> None:
    """Otherwise the next ones would leave on top of them, at twice the pace."""

    async def given_up() -> bool:
        turns = Turns(Pace(10.0), period=1.0)
        await turns.take(9)
        turns.forget()
        following = asyncio.ensure_future(turns.take(0))
        await iterations()
        waits = not following.done()
        following.cancel()
        return waits

    assert asyncio.run(given_up())


def test_one_request_takes_no_more_than_its_own_turn() -> None:
    async def single() -> bool:
        turns = Turns(Pace(10.0), period=1.0)
        await turns.take(0)
        following = asyncio.ensure_future(turns.take(8))  # nine are left of ten
        await iterations()
        return following.done()

    assert asyncio.run(single())


def test_a_request_leaves_at_every_rate_that_can_be_set() -> None:
    """Of some rates, such as 0.95, a period's share is a little less than one request in floating-point numbers."""

    async def run() -> None:
        for hundredths in range(10, 400):
            pace = Pace(hundredths / 100)
            await Turns(pace, period=max(0.2, 1 / pace.most)).take(due=0)

    asyncio.run(run())
