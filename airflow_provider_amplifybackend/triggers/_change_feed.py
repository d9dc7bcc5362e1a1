"""The lists of an environment's jobs, for all of a process that watch it: one request at a time, however many they are.

It imports the poller, and with it boto: triggers import it in a thread.
"""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow.utils.log.logging_mixin import LoggingMixin

from airflow_provider_amplifybackend.core.job_ends import JobList, list_jobs
from airflow_provider_amplifybackend.core.requests import ServiceError
from airflow_provider_amplifybackend.triggers._poller import Poller, shared_poller

# A list of many pages is read less often, so that it takes no more than a small part of what a connection may send.
SECONDS_PER_REQUEST = 2.0
# What stays wrong is logged again after this many seconds.
REPEATED = 3600.0
# A list that others have asked for is good enough, if it is younger than this part of the delay.
FRESH = 0.5

_feeds: WeakKeyDictionary[Poller, WeakValueDictionary[tuple[str, str], JobFeed]] = WeakKeyDictionary()


class JobFeed:
    """The latest list of one environment's jobs."""

    def __init__(self, poller: Poller, app_id: str, environment: str) -> None:
        self._poller = poller
        self._app_id = app_id
        self._environment = environment
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._answer: JobList | Exception | None = None

    async def look(self, oldest: float) -> JobList:
        """
        Return the jobs.

        :param oldest: When they may have been asked for at the earliest, by the monotonic clock.
        :raises ServiceError: The service cannot be asked now.
        """
        async with self._asking:
            if self._answer is None or self._asked_at < oldest:
                begun = time.monotonic()
                try:
                    look = list_jobs(self._app_id, self._environment, int(time.time() * 1000))
                    self._answer = await self._poller.run(look)
                except ServiceError as error:
                    self._answer = error
                self._asked_at = begun
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer


def feed_of(poller: Poller, app_id: str, environment: str) -> JobFeed:
    """Return the feed of an environment; it lives as long as somebody holds it."""
    feeds = _feeds.setdefault(poller, WeakValueDictionary())
    feed = feeds.get((app_id, environment))
    if feed is None:
        feed = feeds[app_id, environment] = JobFeed(poller, app_id, environment)
    return feed


@dataclass
class _Trouble(LoggingMixin):
    """The trouble that a watch has: logged when it changes, and once an hour."""

    what: str
    said: str = ""
    said_at: float = 0.0

    def note(self, text: str) -> None:
        """Log what is wrong, or with an empty text that it is no longer."""
        now = time.monotonic()
        if text and (text != self.said or now > self.said_at + REPEATED):
            self.log.warning("Still watching %s: %s", self.what, text)
            self.said_at = now
        elif self.said and not text:
            self.log.info("Watching %s again", self.what)
        self.said = text


async def job_lists(
    app_id: str, environment: str, *, delay: float, hook_parameters: Mapping[str, Any]
) -> AsyncIterator[JobList]:
    """
    Give the lists of an environment's jobs, one after another and for ever, whatever the service answers meanwhile.

    An error ends nothing: Airflow would make the trigger again at once, and again, every second.

    :param delay: Seconds between two of them.
    """
    trouble = _Trouble(f"environment {environment} (app {app_id})")
    async with shared_poller(**hook_parameters) as poller:
        feed = feed_of(poller, app_id, environment)
        while True:
            begun = time.monotonic()
            wait = delay
            try:
                listed = await feed.look(begun - delay * FRESH)
            except ServiceError as error:
                trouble.note(str(error))
            except Exception as error:  # noqa: BLE001
                # Without its text, which can be about what the service has answered.
                where = traceback.extract_tb(error.__traceback__)[-1]
                trouble.note(f"{type(error).__name__} in {where.filename}, line {where.lineno}")
            else:
                trouble.note("" if listed.exists else "it does not exist")
                wait = max(delay, listed.requests * SECONDS_PER_REQUEST if listed.requests > 1 else 0.0)
                yield listed
            await asyncio.sleep(jittered(wait))


def jittered(seconds: float, spread: Callable[[float, float], float] = random.uniform) -> float:
    """Return a delay that drifts apart from others, so that what began together is not asked for together."""
    return seconds * spread(0.9, 1.0)
