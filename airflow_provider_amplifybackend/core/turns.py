"""A bound on requests per second for one task that makes many, one after the other.

It has no need of ``core/pace.py``, by which many processes that wait share what a service takes: this task is alone,
and has an end.
"""

from __future__ import annotations

from airflow_provider_amplifybackend.core.timing import current

LEAST_REQUESTS_PER_SECOND = 0.1
# A service that throttles is given more time, but not for ever.
SLOWEST = 16.0
SLOWDOWN = 2.0


class Turns:
    """The turns of all requests that share them: evenly spaced, without bursts, and never made up for.

    :param requests_per_second: The most that leave in any second.
    """

    def __init__(self, requests_per_second: float) -> None:
        self._spacing = 1 / max(requests_per_second, LEAST_REQUESTS_PER_SECOND)
        self._slowdown = 1.0
        self._next = float("-inf")
        self.requests = 0
        self.throttled = 0

    @property
    def requests_per_second(self) -> float:
        """The pace of this moment."""
        return 1 / (self._spacing * self._slowdown)

    def before_request(self) -> None:
        """Wait until the next request may leave, and count it."""
        timing = current()
        now = timing.monotonic()
        if self._next > now:
            timing.sleep(self._next - now)
            now = max(self._next, timing.monotonic())
        self._next = now + self._spacing * self._slowdown
        self.requests += 1

    def slow_down(self) -> None:
        """Leave more time between requests from now on: the service has refused one for its number."""
        self.throttled += 1
        self._slowdown = min(self._slowdown * SLOWDOWN, SLOWEST)
