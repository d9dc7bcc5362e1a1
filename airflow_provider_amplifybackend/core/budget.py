"""The time budget of one try: when it began, and when waiting ends."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

# Airflow ends a deferral by its own timeout without saying why: it is the safety net behind the trigger's deadline.
DEFERRAL_MARGIN = timedelta(seconds=120)


@dataclass(frozen=True)
class Budget:
    """The start and the deadline of a try, both in seconds since the epoch."""

    started: float
    deadline: float

    @classmethod
    def of(cls, seconds: float, execution_timeout: timedelta | None, *, started: float) -> Budget:
        """Return the budget of so many seconds.

        Airflow applies ``execution_timeout`` to no waiting task. The deadline lies a little before it, because Airflow
        2.11 raises its own error on resume before ours could be seen.
        """
        limits = [started + seconds]
        if execution_timeout is not None:
            longest = execution_timeout.total_seconds()
            limits.append(started + longest - min(30.0, longest / 10))
        return cls(started, min(limits))

    @property
    def deferral_timeout(self) -> timedelta:
        """The timeout to defer with."""
        return max(timedelta(), timedelta(seconds=self.deadline - time.time())) + DEFERRAL_MARGIN
