"""Turns to send a request: as many a second as the pace allows, and together what is due together.

One turn after the other would wake the loop for each, with a processor that has forgotten how a request is made:
that costs four times as much as the request itself.
"""

from __future__ import annotations

import asyncio

from aiolimiter import AsyncLimiter

from airflow_provider_amplifybackend.core.pace import Pace


class Turns:
    """
    Lets requests leave.

    :param pace: How many a second may leave now.
    :param period: Those of this many seconds may leave at once.
    """

    def __init__(self, pace: Pace, period: float) -> None:
        self._pace = pace
        # At least one: 0.95 * (1 / 0.95) is a little less, of which none could ever be taken.
        self._limiter = AsyncLimiter(max(1.0, pace.most * period), period)
        self._asking = asyncio.Lock()
        self._ahead = 0

    @property
    def is_waited_for(self) -> bool:
        """Tell whether a request waits for its turn."""
        return self._asking.locked()

    async def take(self, due: int) -> None:
        """Wait until a request may leave.

        :param due: How many more are due now.
        """
        async with self._asking:
            if self._ahead and self._pace.cost <= 1:
                self._ahead -= 1
                return
            self._ahead = 0
            await self._take(due)

    def forget(self) -> None:
        """Nothing is due any more: turns that were taken for it are given up."""
        self._ahead = 0

    async def _take(self, due: int) -> None:
        most, cost = self._limiter.max_rate, self._pace.cost
        if cost <= 1:
            together = max(1, min(int(most), 1 + due))
            await self._limiter.acquire(together)
            self._ahead = together - 1
            return
        # While the service throttles, each request counts as several, and comes at a time of its own.
        while cost > 0:
            part = min(cost, most)
            await self._limiter.acquire(part)
            cost -= part
