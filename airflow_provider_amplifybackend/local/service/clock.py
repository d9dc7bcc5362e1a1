"""The service's clock: it can differ from the caller's, jump ahead and stand still."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import formatdate

from airflow_provider_amplifybackend.local.service import checks


@dataclass(frozen=True)
class KeptClock:
    """A clock between two starts of the service."""

    skew_seconds: float
    ahead: float
    frozen_at: float | None
    now: float


class Clock:
    """Two times: `now()` drives jobs and tokens, `wall()` is the one that the service tells.

    They are two, so that a new skew changes what the service says but neither ends nor delays a running job.

    Unless frozen, it follows the system's clock, but never back: a monotonic clock alone stands still while the machine
    sleeps.
    """

    def __init__(self) -> None:
        self.skew_seconds = 0.0
        self._ahead = 0.0
        self._frozen_at: float | None = None
        self._epoch = _system_epoch()

    def now(self) -> float:
        running = self._frozen_at
        if running is None:
            running = self._running()
        return running + self._ahead

    def _running(self) -> float:
        """Return the time of a clock that never stood still; both terms only grow, and so does it."""
        monotonic = time.monotonic()
        self._epoch = max(self._epoch, time.time() - monotonic)
        return self._epoch + monotonic

    def wall(self, moment: float | None = None) -> float:
        return (self.now() if moment is None else moment) + self.skew_seconds

    def http_date(self) -> str:
        return formatdate(self.wall(), usegmt=True)

    def advance(self, seconds: float) -> None:
        if not seconds >= 0:
            raise ValueError("time only runs forward: use skew_seconds for a clock that is behind")
        self._check(self.now() + seconds, self.skew_seconds)
        self._ahead += seconds

    def skew(self, seconds: float) -> None:
        self._check(self.now(), seconds)
        self.skew_seconds = seconds

    def _check(self, now: float, skew_seconds: float) -> None:
        """Refuse a time that cannot be written: it would break every later answer."""
        if not (checks.moment(now) and checks.moment(now + skew_seconds)):
            raise ValueError("the clock must stay between the years 1970 and 3000")

    @property
    def frozen(self) -> bool:
        return self._frozen_at is not None

    def freeze(self, frozen: bool) -> None:
        if frozen == self.frozen:
            return
        running = self._running()
        if frozen:
            self._frozen_at = running
        else:
            # Go on from where the clock stood: a job must not jump by the frozen time.
            self._ahead += (self._frozen_at or running) - running
            self._frozen_at = None

    def kept(self) -> KeptClock:
        return KeptClock(self.skew_seconds, self._ahead, self._frozen_at, self.now())

    def restore(self, kept: KeptClock) -> None:
        """Go on as a clock that has been kept; it does not go back where the machine's clock has done so.

        :raises ValueError: It cannot have been kept: its time cannot be written.
        """
        self.skew_seconds, self._ahead, self._frozen_at = kept.skew_seconds, kept.ahead, kept.frozen_at
        self._ahead += max(0.0, kept.now - self.now())
        self._check(self.now(), self.skew_seconds)

    def reset(self) -> None:
        self.skew_seconds = 0.0
        self._ahead = 0.0
        self._frozen_at = None
        self._epoch = _system_epoch()


def _system_epoch() -> float:
    """Return what the monotonic clock lacks to the system's."""
    return time.time() - time.monotonic()


def epoch_millis(moment: float) -> str:
    return str(round(moment * 1000))


def format_moment(moment: float, style: str) -> str:
    """Return a time in one of the forms that `Ttl` and `CreationDate` may have: nobody outside AWS knows which."""
    if style == "epoch_seconds":
        return str(int(moment))
    if style == "epoch_milliseconds":
        return epoch_millis(moment)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z"
