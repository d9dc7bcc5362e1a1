"""The status checks of one job or environment, and those who wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.requests import Call
from airflow_provider_amplifybackend.core.schedule import PollSchedule
from airflow_provider_amplifybackend.core.status_check import Awaited, CheckResult, listed_app
from airflow_provider_amplifybackend.core.timing import current

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.core.schedule import Durations, EarlyEnds
    from airflow_provider_amplifybackend.triggers._agenda import Agenda, Entry

MAX_AGE = 3600.0
# Of the time until a status check: by how much it may come sooner, so that the ticks make none too late.
SOONER = 1 / 50
# Of the time until the early check, which is made a little sooner.
ALMOST = 0.9
# Seconds: what was counted in two ways differs in its last digits.
SAME_TIME = 0.001


class Checks(Protocol):
    """The maker of status checks: the poller."""

    agenda: Agenda
    users: int

    def check(self, watch: Watch) -> None:
        """Make a status check as soon as there is room for it."""

    def expected(self, awaited: Awaited, durations: Sequence[float]) -> Durations | None:
        """Return the expected duration."""

    def early_ends(self, awaited: Awaited) -> EarlyEnds | None:
        """Return what is known of jobs of the kind that ended early; None for what is no job."""

    def ended(self, awaited: Awaited, seen: CheckResult) -> None:
        """Learn from a wait that came to its end."""

    def left(self, watch: Watch) -> None:
        """Take note that somebody waits no longer."""


class Waiter:
    """Somebody who waits, and is woken when a status check shows something new or goes wrong. Its exit is the end."""

    __slots__ = ("_alarm", "_news", "_pending", "deadline", "delay", "told", "watch")

    def __init__(self, watch: Watch, delay: float, deadline: float) -> None:
        self.watch = watch
        self.delay = delay
        self.deadline = deadline
        # The status that it has heard of last; None: none, or something went wrong since.
        self.told: str | None = None
        self._news: asyncio.Future[CheckResult | None] | None = None
        self._alarm: Entry | None = None
        # What came while it was not listening.
        self._pending: CheckResult | Exception | None = None

    def __enter__(self) -> Waiter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self.watch.leave(self)

    def news(self, until: float) -> asyncio.Future[CheckResult | None]:
        """Return the result of the next status check with news, or of the one at the deadline; None if there was none.

        A status check that failed is its exception. Not a coroutine, which would be one more object for each wait.

        :param until: When to return without one at the latest, in seconds since the epoch.
        """
        self._news = asyncio.get_running_loop().create_future()
        pending, self._pending = self._pending, None
        if pending is not None:
            self._answer(self._news, pending)
        else:
            self._set_alarm(until)
        return self._news

    def tell(self, result: CheckResult | Exception) -> None:
        """Let it hear of a status check."""
        self.told = None if isinstance(result, Exception) else result.status
        if self._news is None or self._news.done():
            self._pending = result
        else:
            self._answer(self._news, result)

    def _answer(self, news: asyncio.Future[CheckResult | None], result: CheckResult | Exception | None) -> None:
        if isinstance(result, Exception):
            news.set_exception(result)
        else:
            news.set_result(result)

    def _set_alarm(self, until: float) -> None:
        """Set the alarm, or leave it: one that comes too soon wakes a waiter once in minutes, and is no new object."""
        if self._alarm is not None:
            if self._alarm.due <= until + SAME_TIME:
                return
            self._alarm.cancel()
        self._alarm = self.watch.poller.agenda.at(until, Waiter._give_up, self)

    def _give_up(self) -> None:
        self._alarm = None
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Watch:
    """The status checks of one job or environment, on one schedule, however many wait for it. It has no task.

    :param started: When the wait began, here or in another process, in seconds since the epoch.
    """

    __slots__ = (
        "_begun",
        "_checked_at",
        "_done_entry",
        "_due",
        "_durations",
        "_early_ends",
        "_entry",
        "_environment",
        "_is_under_way",
        "_known",
        "_planned_at",
        "_schedule",
        "_waiters",
        "app_id",
        "awaited",
        "poller",
        "slow",
    )

    def __init__(self, poller: Checks, awaited: Awaited, durations: Sequence[float], started: float) -> None:
        now = time.time()
        self.poller = poller
        self.awaited = awaited
        self._durations = durations
        self._begun = min(now, max(started, now - MAX_AGE))
        self._due = now
        self._planned_at = now
        self._checked_at = 0.0
        self._waiters: list[Waiter] = []
        # None: its job has been counted there.
        self._early_ends = poller.early_ends(awaited)
        self._schedule = PollSchedule(
            current().first_check, poller.expected(awaited, durations), poller.users, self._early_ends
        )
        self._entry: Entry | None = None
        self._done_entry: Entry | None = None
        self._is_under_way = False
        # The status that everybody has been told; None: somebody has not.
        self._known: str | None = None
        # The job's environment, once it is known: then a status check is one request.
        self._environment = _only_environment(awaited)
        # The app whose list of environments it reads, for others, too.
        self.app_id = listed_app(awaited)
        # A status check through the client, while it is under way.
        self.slow: asyncio.Task[None] | None = None

    @property
    def call(self) -> Call | None:
        """Return the one request of a status check, where one does: else the job may be in several environments."""
        if not isinstance(self.awaited, JobRef) or self._environment is None:
            return None
        return Call("GetBackendJob", self.awaited.request | {"BackendEnvironmentName": self._environment})

    @property
    def is_used(self) -> bool:
        """Tell whether anybody still waits."""
        return bool(self._waiters)

    def join(self, waiter_delay: float, deadline: float) -> Waiter:
        """Begin to wait. Whoever comes after the deadline gets a status check at once."""
        waiter = Waiter(self, waiter_delay, max(deadline, time.time()))
        self._waiters.append(waiter)
        self._known = None
        if self._entry is None and not self._is_under_way:
            self._plan()
        elif self._entry is not None and waiter.deadline < self._entry.due:
            self._enter(waiter.deadline)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Stop waiting."""
        self._waiters.remove(waiter)
        if not self._waiters:
            if self._entry is not None:
                self._entry.cancel()
                self._entry = None
            if self.slow is not None and self.app_id is None:
                self.slow.cancel()
        self.poller.left(self)

    @property
    def is_due(self) -> bool:
        """Tell whether somebody waits for a status check that has not ended."""
        return self._is_under_way and bool(self._waiters)

    @property
    def usual(self) -> float | None:
        """The usual duration of such jobs, in seconds."""
        expected = self.poller.expected(self.awaited, self._durations)
        return expected.median if expected else None

    @property
    def seconds_to_next_check(self) -> float:
        """Return the seconds until the schedule's next status check."""
        return max(0.0, self._due - time.time())

    def shows_nothing_new(self, status: str) -> bool:
        """Tell whether nobody has to hear of a status: it is the one that they know, and nobody's deadline has come."""
        return status == self._known and not self._is_at_a_deadline

    @property
    def is_in_vain(self) -> bool:
        """Tell whether its status check is an early one that others' have shown to be of no use by now."""
        return self._schedule.is_in_vain and not self._is_at_a_deadline

    @property
    def _is_at_a_deadline(self) -> bool:
        return any(waiter.deadline <= self._checked_at for waiter in self._waiters)

    def skip(self) -> None:
        """Go without the status check that is due; the time until the next one counts from the last that was made."""
        self._is_under_way = False
        self._plan(since=self._planned_at)

    def passed(self) -> None:
        """Take note of a status check that showed nothing new."""
        self._is_under_way = False
        self._count_running()
        self._plan()

    def saw(self, seen: CheckResult, checked_at: float = 0.0) -> None:
        """Take note of a status check, and tell those who do not know its result.

        :param checked_at: When it began, if it was another's.
        """
        self._is_under_way = False
        self._checked_at = max(self._checked_at, checked_at)
        if isinstance(seen, Job):
            self._note(seen)
            self._count(seen)
        for waiter in self._waiters:
            if waiter.told != seen.status or waiter.deadline <= self._checked_at:
                waiter.tell(seen)
        self._known = seen.status
        if seen.is_finished:
            self.poller.ended(self.awaited, seen)
        self._plan()

    def failed(self, error: Exception) -> None:
        """Take note of a status check that failed, and tell everybody."""
        self._is_under_way = False
        for waiter in self._waiters:
            waiter.tell(error)
        self._known = None
        self._plan()

    def _check(self) -> None:
        self._done_entry, self._entry = self._entry, None
        self._checked_at = time.time()
        self._is_under_way = True
        self.poller.check(self)

    def _plan(self, since: float | None = None) -> None:
        """Enter the next status check: when the schedule says so, or at the earliest deadline.

        :param since: When the last one was made, or the wait began. Default: now.
        """
        if not self._waiters:
            return
        self._schedule.waiter_delay = min(waiter.delay for waiter in self._waiters)
        now = time.time()
        self._planned_at = now if since is None else since
        delay = self._schedule.next_delay if self._checked_at else self._schedule.first_delay
        wait = min(delay(now - self._begun), max(0.0, self._planned_at + self._schedule.waiter_delay - now))
        # It is made at the end of its tick: without this, `waiter_delay` would not be the longest time between two.
        self._due = now + wait - min(self.poller.agenda.tick, SOONER * wait)
        deadlines = [waiter.deadline for waiter in self._waiters if waiter.deadline > self._checked_at]
        self._enter(min([self._due, *deadlines]))

    def _enter(self, due: float) -> None:
        if self._entry is not None:
            self._entry.cancel()
        self._entry = self.poller.agenda.at(due, Watch._check, self, self._done_entry)
        self._done_entry = None

    def _count(self, job: Job) -> None:
        """Count the job among those that had ended by the time of their early check, or had not: once that is known."""
        if not job.is_finished:
            self._count_running()
        elif self._early_ends is not None:
            took = job.seconds_until_end
            # Found by its early check, or it would have been.
            self._early_ends.note(self._schedule.is_early or (took is not None and took <= self._schedule.early_delay))
            self._early_ends = None

    def _count_running(self) -> None:
        if self._early_ends is None:
            return  # as in all status checks but the first
        # One can come before the early one: at a deadline.
        if self._checked_at - self._begun >= ALMOST * self._schedule.early_delay:
            self._early_ends.note(False)
            self._early_ends = None

    def _note(self, job: Job) -> None:
        if job.create_time_ms is not None:
            # The job may be older than the wait. Clocks that differ cost status checks, not correctness.
            self._begun = min(self._begun, max(job.create_time_ms / 1000, time.time() - MAX_AGE))
        if self._environment is None:
            self._environment = job.backend_environment_name or None


def _only_environment(awaited: Awaited) -> str | None:
    if isinstance(awaited, JobRef) and len(awaited.environments) == 1:
        return awaited.environments[0]
    return None
