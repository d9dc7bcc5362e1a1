"""When a wait ends."""

from __future__ import annotations

import time
from datetime import timedelta

# Airflow ends a deferral by its own timeout without saying why: it is the safety net behind the trigger's deadline.
DEFERRAL_MARGIN = timedelta(seconds=120)


def earliest_deadline(started: float, budget: float, execution_timeout: timedelta | None) -> float:
    """Return when waiting ends, in seconds since the epoch.

    Airflow applies ``execution_timeout`` to no waiting task. The deadline lies a little before it, because Airflow
    2.11 raises its own error on resume before ours could be seen.
    """
    limits = [started + budget]
    if execution_timeout is not None:
        seconds = execution_timeout.total_seconds()
        limits.append(started + seconds - min(30.0, seconds / 10))
    return min(limits)


def deferral_timeout(deadline: float) -> timedelta:
    """Return Airflow's own limit for a deferral that has a deadline of ours."""
    return timedelta(seconds=max(0.0, deadline - time.time())) + DEFERRAL_MARGIN
