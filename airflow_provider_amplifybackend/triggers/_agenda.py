"""An agenda: everything that is due, with one timer of the event loop for all of it.

A timer and a task for each of a thousand waits cost more than what they do: each wakes a processor that has forgotten
how it is done. So whatever is due within the same tick is done together.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")

# Clocks can be set, and timers go by another one: the time is read again this often, in seconds.
LONGEST_SLEEP = 60.0
# Entries that are void are taken out when there are this many, and more than others.
MANY_VOID = 64


class Entry:
    """Something that is due at a time, until it is cancelled or done."""

    __slots__ = ("_agenda", "_number", "due", "what", "whose")

    def __init__(self, agenda: Agenda, due: float, number: int, what: Callable[[Any], None], whose: object) -> None:
        self._agenda = agenda
        self._number = number
        self.due = due
        self.what: Callable[[Any], None] | None = what
        self.whose = whose

    def __lt__(self, other: Entry) -> bool:
        return (self.due, self._number) < (other.due, other._number)

    def cancel(self) -> None:
        """Do it no more."""
        if self.what is not None:
            self.what = self.whose = None
            self._agenda.tidy()


class Agenda:
    """
    Calls what is due.

    :param now: The clock, in seconds since the epoch.
    :param tick: Seconds: what is due within the same tick is done at its end. 0: each at its own time.
    """

    def __init__(self, now: Callable[[], float], tick: float) -> None:
        self._now = now
        self.tick = tick
        self._loop = asyncio.get_running_loop()
        self._entries: list[Entry] = []
        self._numbers = count()
        self._void = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = math.inf

    def at(self, due: float, what: Callable[[T], None], whose: T, used: Entry | None = None) -> Entry:
        """Call something at a time: quick, and without an error.

        :param whose: What it is called with. A method and whose it is make no object, as a bound one would.
        :param used: The entry of an earlier call that has been made: it is used again.
        """
        if used is None:
            entry = Entry(self, due, next(self._numbers), what, whose)
        else:
            entry = used
            entry.due, entry.what, entry.whose, entry._number = due, what, whose, next(self._numbers)
        heapq.heappush(self._entries, entry)
        self._set_timer()
        return entry

    def close(self) -> None:
        """Call nothing any more."""
        self._entries.clear()
        self._stop_timer()

    def tidy(self) -> None:
        """Take note that an entry has become void."""
        self._void += 1
        if self._void > max(MANY_VOID, len(self._entries) / 2):
            self._entries = [entry for entry in self._entries if entry.what is not None]
            heapq.heapify(self._entries)
            self._void = 0

    def _set_timer(self) -> None:
        if not self._entries:
            return
        due = self._end_of_tick(self._entries[0].due)
        if self._timer is not None and due >= self._timer_due:
            return
        self._stop_timer()
        self._timer_due = due
        self._timer = self._loop.call_later(min(LONGEST_SLEEP, max(0.0, due - self._now())), self._do_what_is_due)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_of_tick(self, due: float) -> float:
        return math.ceil(due / self.tick) * self.tick if self.tick else due

    def _do_what_is_due(self) -> None:
        self._timer = None
        # What is added meanwhile is for the next time, or this one might never end.
        now, last = self._now(), next(self._numbers)
        while self._entries and self._entries[0].due <= now:
            if self._entries[0]._number > last:
                break
            entry = heapq.heappop(self._entries)
            what, entry.what = entry.what, None
            if what is None:
                self._void -= 1
            else:
                what(entry.whose)
        self._set_timer()
