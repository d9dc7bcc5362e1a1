"""An environment's lists of jobs as a shared stream of Airflow 3.3, which tells when an event of it is stored.

Airflow opens one stream for all triggers of the same key and gives each list to all of them. Once all of them have gone
on to the next one, and Airflow has stored every event that they made of it, it says so here. Only then may a watermark
advance: an event that a dying triggerer has not stored is made again by the next one.

Airflow before 3.3 has no such streams, so only what needs them imports this.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from airflow.triggers.shared_stream import SharedStreamProducer

from airflow_provider_amplifybackend.core.job_ends import JobList

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import AdvanceItem

Lists = Callable[[Mapping[str, Any]], AsyncIterator[JobList]]


class Listing:
    """A list of jobs on its way to the triggers, with what each of them has to do once its events are stored."""

    def __init__(self, jobs: JobList) -> None:
        self.jobs = jobs
        self._then: list[Callable[[], Awaitable[None]]] = []

    def then(self, do: Callable[[], Awaitable[None]]) -> None:
        """Have something done when all events of this list are stored."""
        self._then.append(do)

    async def stored(self) -> None:
        """Do it."""
        for do in self._then:
            await do()


class ChangeStream(SharedStreamProducer):
    """The lists of one environment's jobs.

    :param kwargs: The arguments of one of the triggers; what they have in common is the key of the stream.
    :param lists: Gives the lists.
    """

    def __init__(self, kwargs: Mapping[str, Any], lists: Lists) -> None:
        self._kwargs = kwargs
        self._lists = lists

    async def open_stream(self) -> AsyncIterator[tuple[Listing, Listing]]:
        """Give each list, and once more as what comes back with :meth:`advance`."""
        async with aclosing(self._lists(self._kwargs)) as lists:  # type: ignore[type-var]
            async for jobs in lists:
                listing = Listing(jobs)
                yield listing, listing

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Let watermarks advance over lists whose events are all stored.

        If one of them is not, nobody's advances: whose it was is not said, and the next list comes soon.
        """
        for item in batch:
            if not item.outcome.failed:
                await item.broker_payload.stored()
