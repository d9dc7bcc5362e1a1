"""One timer does what is due, in order, and what was cancelled never."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from airflow_provider_amplifybackend.triggers import _agenda as agendas
from airflow_provider_amplifybackend.triggers._agenda import Agenda


class Clock:
    """The time, which stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def play(story: Callable[[Clock], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story(Clock()))


async def turn() -> None:
    """Let the loop do what is due now."""
    await asyncio.sleep(0.01)


def test_what_is_due_is_done_in_order_and_once() -> None:
    async def story(clock: Clock) -> None:
        done: list[str] = []
        agenda = Agenda(clock, 0)
        for due, name in ((1002, "c"), (1001, "a"), (1001, "b"), (1003, "d")):
            agenda.at(due, done.append, name)
        clock.now = 1002
        agenda.at(1000, done.append, "late")
        await turn()
        assert done == ["late", "a", "b", "c"]
        await turn()
        assert done == ["late", "a", "b", "c"]
        agenda.close()

    play(story)


def test_what_was_cancelled_is_not_done_and_does_not_stay() -> None:
    async def story(clock: Clock) -> None:
        agenda = Agenda(clock, 0)
        entries = [agenda.at(1001 + number, pytest.fail, "cancelled") for number in range(1000)]
        for entry in entries:
            entry.cancel()
            entry.cancel()
        assert len(agenda._entries) <= 2 * agendas.MANY_VOID
        clock.now = 3000
        done: list[int] = []
        agenda.at(0, done.append, 0)  # sets the timer anew, as the clock of the test has jumped
        await turn()
        assert agenda._entries == []
        assert agenda._timer is None
        agenda.close()

    play(story)


def test_what_is_added_while_something_is_done_has_its_turn_in_the_next_round() -> None:
    async def story(clock: Clock) -> None:
        agenda = Agenda(clock, 0)
        rounds: list[int] = []

        def again(number: int) -> None:
            rounds.append(number)
            if len(rounds) < 3:
                agenda.at(clock.now, again, number + 1)

        agenda.at(1000, again, 1)
        await turn()
        assert len(rounds) == 3
        agenda.close()

    play(story)


def test_what_is_due_within_a_tick_is_done_at_its_end() -> None:
    async def story(clock: Clock) -> None:
        agenda = Agenda(clock, 10)
        done: list[int] = []
        for due in (1001, 1009, 1011):
            agenda.at(due, done.append, due)
        assert agenda._timer_due == 1010
        clock.now = 1010
        agenda.at(1000, done.append, 0)  # sets the timer anew, as the clock of the test has jumped
        await turn()
        assert done == [0, 1001, 1009]
        assert agenda._timer_due == 1020
        agenda.close()

    play(story)


def test_an_earlier_entry_is_not_late_because_of_a_later_one() -> None:
    async def story(clock: Clock) -> None:
        agenda = Agenda(clock, 0)
        done: list[str] = []
        agenda.at(5000, done.append, "far")
        agenda.at(1000, done.append, "now")
        await turn()
        assert done == ["now"]
        agenda.close()

    play(story)


def test_a_closed_agenda_does_nothing_more() -> None:
    async def story(clock: Clock) -> None:
        agenda = Agenda(clock, 0)
        done: list[str] = []
        agenda.at(1000, done.append, "closed")
        agenda.close()
        await turn()
        assert (done, agenda._timer) == ([], None)

    play(story)


def test_an_entry_that_was_done_is_used_again_for_something_else() -> None:
    async def story(clock: Clock) -> None:
        agenda = Agenda(clock, 0)
        done: list[str] = []
        entry = agenda.at(1000, done.append, "one")
        await turn()
        assert agenda.at(1000, done.append, "two", entry) is entry
        await turn()
        assert done == ["one", "two"]
        agenda.at(1000, done.append, "three", entry).cancel()
        await turn()
        assert done == ["one", "two"]
        agenda.close()

    play(story)


def test_an_entry_that_was_cancelled_keeps_nothing_alive() -> None:
    async def story(clock: Clock) -> None:
        agenda = Agenda(clock, 0)
        waiter = Clock()
        kept = weakref.ref(waiter)
        agenda.at(5000, print, waiter).cancel()
        del waiter
        assert kept() is None
        agenda.close()

    play(story)
