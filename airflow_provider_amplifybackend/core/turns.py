"""A bound on requests per second for one task that makes many, one after the other."""

from __future__ import annotations

from airflow_provider_amplifybackend.core.pace import Pace
from airflow_provider_amplifybackend.core.timing import current


class Turns:
    """The turns of all requests that share them: evenly spaced, without bursts, and never made up for.

    :param requests_per_second: The most that leave in any second.
    """

    def __init__(self, requests_per_second: float) -> None:
        self._pace = Pace(requests_per_second)
        self._next = float("-inf")
        self.requests = 0
        self.throttled = 0

    @property
    def requests_per_second(self) -> float:
        """The pace of this moment."""
        return self._pace.rate

    def before_request(self) -> None:
        """Wait until the next request may leave, and count it."""
        timing = current()
        now = timing.monotonic()
        if self._next > now:
            timing.sleep(self._next - now)
            now = max(self._next, timing.monotonic())
        self._next = now + 1 / self._pace.rate
        self._pace.sent(now)
        self.requests += 1

    def slow_down(self) -> None:
        """Leave more time between requests: the service has refused one for its number."""
        self.throttled += 1
        now = current().monotonic()
        self._pace.throttled(now, now)
        self._next = max(self._next, now + 1 / self._pace.rate)

    def answered(self) -> None:
        """Leave a little less time again, as time passes."""
        self._pace.answered(current().monotonic())
