"""The pace of requests: as many a second as are configured, and fewer while the service throttles.

Processes that know nothing of each other share what the service takes: each becomes faster by the same amounts,
and slower by the same factor when it is told so. Whoever had more than the others then loses more than it has gained.
"""

from __future__ import annotations

import math

# Of the pace at which the service said that it was too fast.
SLOWER = 0.7
# Of the configured pace, a second; the longer the service has not throttled, the more.
FASTER = 1 / 1000
SOON = 10.0
LEAST_REQUESTS_PER_SECOND = 0.1
# Seconds over which the requests are counted that were really sent.
WINDOW = 2.0


class Pace:
    """The number of requests a second that may be sent now.

    :param most: How many are configured.
    """

    def __init__(self, most: float) -> None:
        self.most = max(LEAST_REQUESTS_PER_SECOND, most)
        self.rate = self.most
        self._slowed_at = -math.inf
        self._answered_at = -math.inf
        self._window_began = -math.inf
        self._sent = 0
        self._sent_before = 0.0

    @property
    def cost(self) -> float:
        """The share of a request in ``most``: 1, and more while the service throttles."""
        return self.most / self.rate

    def sent(self, now: float) -> None:
        """Take note of a request that leaves.

        :param now: Seconds of a clock that is not set back.
        """
        passed = now - self._window_began
        if passed >= WINDOW:
            self._sent_before = self._sent / passed
            self._window_began, self._sent = now, 0
        self._sent += 1

    def throttled(self, sent_at: float, now: float) -> None:
        """Take note of a request that the service did not take, and become slower.

        :param sent_at: When the request had left: one that was under way already says nothing of the pace since.
        """
        if sent_at < self._slowed_at:
            return
        self._slowed_at = now
        # Whoever sends less than it may has to begin with that.
        really = max(self._sent_before, self._sent / max(WINDOW, now - self._window_began))
        self.rate = max(LEAST_REQUESTS_PER_SECOND, SLOWER * min(self.rate, really))

    def answered(self, now: float) -> None:
        """Take note of a good answer, and become a little faster, as time passes and not by the answer."""
        passed = min(1.0, now - self._answered_at)
        self._answered_at = now
        if self.rate < self.most:
            often = max(1.0, (now - self._slowed_at) / SOON)
            self.rate = min(self.most, self.rate + FASTER * self.most * passed * often)
