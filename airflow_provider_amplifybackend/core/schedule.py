"""The schedule of status checks of a job.

A status check costs a request and shortens the time between the end of a job and its detection. Checks pay off most
where the job is likely to end: their best density is proportional to the square root of the hazard, the chance that a
job which is still running ends in the next second.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from airflow_provider_amplifybackend.core.timing import current

# A wait of this age was begun elsewhere. Whoever made its last status check has stopped, so the next one is due.
BEGUN_ELSEWHERE = 15.0
# Status checks around the time at which such jobs end, compared with one each `waiter_delay`.
DENSITY = 2.5
# A few samples show less spread than there is.
LEAST_SPREAD = 0.05
GUESSED_SPREAD = 0.15
# Jobs of this service end after half a minute to twenty minutes, whatever earlier ones did.
SHORTEST, LONGEST = 25.0, 1200.0


@dataclass(frozen=True)
class Durations:
    """The expected duration of jobs of one kind, from earlier ones: a log-normal law, and a broad doubt about it."""

    median: float
    spread: float
    doubt: float
    density: float = DENSITY

    @classmethod
    def of(cls, samples: Sequence[float]) -> Durations | None:
        """Return the expectation from the durations of completed jobs, in seconds; None if there were none."""
        logs = [math.log(sample) for sample in samples if sample > 0]
        if not logs:
            return None
        mean = sum(logs) / len(logs)
        variance = (GUESSED_SPREAD**2 + sum((value - mean) ** 2 for value in logs)) / len(logs)
        spread = math.sqrt(variance * (1 + 1 / len(logs)))
        return cls(math.exp(mean), max(LEAST_SPREAD, spread), doubt=1 / (len(logs) + 1))

    def hazard(self, age: float) -> float:
        """Return the chance per second that a job of this age ends now."""
        ends, lasts = self._doubtful(age)
        deviation = (math.log(age) - math.log(self.median)) / self.spread
        ends += (1 - self.doubt) * math.exp(-deviation * deviation / 2) / (math.sqrt(2 * math.pi) * age * self.spread)
        lasts += (1 - self.doubt) * math.erfc(deviation / math.sqrt(2)) / 2
        return ends / lasts if lasts > 1e-9 else 1 / age

    def _doubtful(self, age: float) -> tuple[float, float]:
        """Return density and survival of the doubt: any duration, evenly by its order of magnitude."""
        if age < SHORTEST:
            return 0.0, self.doubt
        if age >= LONGEST:
            return 0.0, 0.0
        magnitudes = math.log(LONGEST / SHORTEST)
        return self.doubt / (age * magnitudes), self.doubt * math.log(LONGEST / age) / magnitudes


def usual_seconds(durations: Iterable[float]) -> float | None:
    """Return how long jobs usually take, to the tenth of a second; None if none has completed yet."""
    expected = Durations.of(list(durations))
    return round(expected.median, 1) if expected else None


# Of a kind of which no job has ended yet. UpdateBackendAPI was seen to take 222 to 239 s, and clones are said to take a
# few minutes; half of it is doubt. So few status checks that a wait takes about as many as with a fixed delay.
UNKNOWN = Durations(median=200.0, spread=0.3, doubt=0.5, density=1.3)
# Waits beside each other from which on the early check comes later, and how much later it comes at most.
MANY = 50
LATEST_EARLY_CHECK = 3.0
# An early check brings the end of such a job forward by nearly a `waiter_delay` of 30 s, and costs a request of every
# job. One more request in the minutes of an ordinary job makes its detection 2 s earlier: below this share of jobs that
# end early, that is the better use of it.
WORTHWHILE_SHARE = 0.08
REMEMBERED_JOBS = 50
# Seconds. What is older than any job becomes no more likely to end: a delay of a day is not summed up second by second.
OLDEST = 2 * int(LONGEST)


class EarlyEnds:
    """The last jobs of a kind, and whether enough of them had ended by the time of an early check to make one."""

    def __init__(self) -> None:
        self._last: deque[bool] = deque(maxlen=REMEMBERED_JOBS)

    def note(self, has_ended_early: bool) -> None:
        """Take note of one more job, each once."""
        self._last.append(has_ended_early)

    @property
    def are_likely(self) -> bool:
        """Tell whether the next job is likely enough to be one. The first dozen are given the benefit of the doubt."""
        return (1 + sum(self._last)) / (1 + len(self._last)) >= WORTHWHILE_SHARE


class PollSchedule:
    """The delays between status checks.

    Long before the time at which such jobs end, and short around it. Where no job of the kind has ended yet, one check
    comes soon, for what fails or is done at once: with many waits it is a request of each, so it comes a little later,
    and no more where it has found nothing a dozen times. With jitter, so that waits which began together drift apart.

    :param beside: How many others wait beside this one.
    :param early_ends: How many jobs of the kind have ended early. Default: not known, so there is an early check.
    """

    def __init__(
        self,
        waiter_delay: float,
        expected: Durations | None = None,
        beside: int = 0,
        early_ends: EarlyEnds | None = None,
    ) -> None:
        self.waiter_delay = waiter_delay
        self.expected = expected
        # Whether the check that comes next is the early one.
        self.is_early = False
        self._early_ends = early_ends
        self._timing = current()
        self._is_begun = False
        self._early = min(LATEST_EARLY_CHECK, max(1.0, beside / MANY))
        self._jitter = random.uniform(0.75, 1.0)

    @property
    def early_delay(self) -> float:
        """The seconds until the early check."""
        return self._jitter * min(self.waiter_delay, self._timing.first_check * self._early)

    @property
    def is_in_vain(self) -> bool:
        """Tell whether the check that comes next is an early one, and has become unlikely to find anything."""
        return self.is_early and not self._expects_early_end

    def first_delay(self, age: float = 0.0) -> float:
        """Return the seconds until the first status check.

        :param age: Seconds since the wait began, here or elsewhere.
        """
        if age < BEGUN_ELSEWHERE:
            return self.next_delay(age)
        self._is_begun = True  # the time of an early check has passed
        return random.uniform(0, 0.5)

    def next_delay(self, age: float = 0.0) -> float:
        """Return the seconds until the next status check, at most ``waiter_delay``.

        :param age: Seconds since the job began.
        """
        self.is_early = self.expected is None and not self._is_begun and self._expects_early_end
        self._is_begun = True
        if self.is_early:
            return self.early_delay
        delay = self._until_worthwhile(self.expected or UNKNOWN, age)
        return min(self.waiter_delay, max(self._timing.densest_checks, delay))

    @property
    def _expects_early_end(self) -> bool:
        return self._early_ends is None or self._early_ends.are_likely

    def _until_worthwhile(self, expected: Durations, age: float) -> float:
        worth = random.uniform(0.85, 1.15) * self.waiter_delay / expected.density
        return _worth_of(expected).seconds_until(worth, max(0.0, age), self.waiter_delay)


class _Worth:
    """The worth of status checks over the age of a job, summed up second by second: each of them asks for it."""

    def __init__(self, expected: Durations) -> None:
        self._expected = expected
        self._sums = [0.0]

    def seconds_until(self, worth: float, age: float, longest: float) -> float:
        """Return the seconds from an age on until another check is worth as much as that, at most ``longest``."""
        age = min(age, OLDEST)
        wanted = self._until(age) + worth
        if self._until(age + longest) <= wanted:
            return longest
        second = min(bisect_left(self._sums, wanted), OLDEST)
        before, after = self._sums[second - 1], self._sums[second]
        return second - 1 + (wanted - before) / (after - before) - age

    def _until(self, age: float) -> float:
        second = min(int(age), OLDEST - 1)
        while len(self._sums) < second + 2:
            hazard = self._expected.hazard(max(1.0, len(self._sums)))
            self._sums.append(self._sums[-1] + math.sqrt(hazard * self._expected.median))
        return self._sums[second] + (age - second) * (self._sums[second + 1] - self._sums[second])


@lru_cache(maxsize=256)
def _worth_of(expected: Durations) -> _Worth:
    return _Worth(expected)
