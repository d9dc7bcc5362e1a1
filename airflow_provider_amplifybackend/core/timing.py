"""Time, as one value: the clocks, how time is let pass, and every delay that nobody configures.

Whatever waits takes the value when it begins. Tests replace it as a whole (:func:`replaced`), and so patch nothing.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class Timing:
    """The clocks and the delays, in seconds."""

    # Seconds since the epoch; this clock can be set back.
    now: Callable[[], float] = time.time
    # This one cannot, and stands still while a machine sleeps.
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    # Starting a job: between two status checks while it is decided what to do.
    between_checks: float = 2.0
    # Before a start that was throttled or could not leave is sent again; doubled each time.
    before_resend: float = 3.0
    longest_before_resend: float = 30.0
    # An intent older than this is written again before sending: the write must succeed, so it is the fence that keeps
    # an orphaned or cleared attempt from sending beside the one that took over. The client refuses to send later, too.
    intent_fresh: float = 5.0

    # Waiting for a job: until the first status check, and between two where such jobs are likely to end.
    first_check: float = 4.0
    densest_checks: float = 1.5
    # A job that was just started may not be listed yet, and one of a removed environment no longer.
    not_found_patience: float = 60.0
    # A waiting task says at least this often that it is alive.
    report_every: float = 180.0

    # In the triggerer: Airflow 3.3 with LocalExecutor can fail a task whose trigger fires at once
    # (apache/airflow#67287).
    earliest_event: float = 3.0
    # How long the status check at the deadline may take: less than Airflow's own limit, which lies behind it and does
    # not say why.
    last_check: float = 30.0
    # What is due within the same tick is done together: a processor that is woken for each does twice the work.
    tick: float = 0.5
    # However many tasks wait, a client that cannot be made is tried, and a refused one replaced, once in this time.
    client_pause: float = 1.0


REAL_TIME = Timing()
_current = REAL_TIME


def current() -> Timing:
    """Return the value that counts now."""
    return _current


@contextmanager
def replaced(**changes: Any) -> Iterator[Timing]:
    """Let another value count for a while, in the whole process: for tests and campaigns."""
    global _current
    before, _current = _current, dataclasses.replace(_current, **changes)
    try:
        yield _current
    finally:
        _current = before


@lru_cache(maxsize=64)  # all answers of a second have the same one
def http_date(text: str) -> datetime:
    """Return the time that a ``Date`` header says.

    :raises ValueError: It says none. (TypeError, OverflowError and IndexError, too.)
    """
    return parsedate_to_datetime(text)
