"""What goes wrong in the task's own process, and a world in which waiting is short."""

from __future__ import annotations

import os
import random
import threading
import time
from types import SimpleNamespace
from typing import Any

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from tests.faults.airflow_stand_in import Killed

# How often a process dies at such a moment.
DEATHS = {
    "before write": 0.01,
    "after write": 0.02,
    "before start": 0.005,
    "after start": 0.02,
    "sleep": 0.01,
    "while deferred": 0.02,
}
READ_TIMEOUT = 1.0
BOTOCORE_CONFIG = {
    # A start takes the time-outs of the connection where they are shorter than its own.
    "read_timeout": READ_TIMEOUT,
    "connect_timeout": 5.0,
    "retries": {"mode": "standard", "total_max_attempts": 4},
}
# Longer than a late request and a list that lags take together, on a busy machine.
PATIENCE = 6.0


class Chaos:
    """Kills the process of one task instance now and then; the current one is that of the thread."""

    _threads = threading.local()

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.deadly = True
        self.deaths = 0

    def at(self, moment: str) -> None:
        """Die here, perhaps."""
        if self.deadly and self._random.random() < DEATHS[moment]:
            self.deaths += 1
            raise Killed(moment)

    def rule_this_thread(self) -> None:
        self._threads.current = self

    @classmethod
    def current(cls) -> Chaos:
        return getattr(cls._threads, "current", None) or NO_CHAOS


NO_CHAOS = Chaos(0)
NO_CHAOS.deadly = False


def sleep(seconds: float) -> None:
    """Sleep, and perhaps die at it."""
    Chaos.current().at("sleep")
    time.sleep(seconds)


class FragileHook(AmplifyBackendHook):
    """The hook in a process that may die just before and just after a start, and beside which others start jobs."""

    naive_client: Any = None

    @staticmethod
    def stranger() -> None:
        """Replaced for a task that somebody else gets in the way of."""

    def attempt_start(self, api_operation: str, request: Any, **options: Any) -> Any:
        Chaos.current().at("before start")
        self.stranger()
        job = super().attempt_start(api_operation, request, **options)
        Chaos.current().at("after start")
        return job


def hurry() -> None:
    """Shorten every wait of this process; jobs of the campaign take moments."""
    os.environ["AIRFLOW__AMPLIFYBACKEND__START_PATIENCE"] = str(PATIENCE)
    os.environ["AIRFLOW__AMPLIFYBACKEND__MAX_REQUESTS_PER_SECOND"] = "1000"
    delays = timing.replaced(
        sleep=sleep,
        # The jobs of a campaign are over sooner than a first check: what the service forgets with them is never seen.
        not_found_patience=PATIENCE,
        between_checks=0.1,
        before_resend=0.1,
        longest_before_resend=1.0,
        first_check=0.1,
        densest_checks=0.1,
        earliest_event=0.0,
    )
    delays.__enter__()  # for as long as the process lives
    import botocore.endpoint

    vars(botocore.endpoint)["time"] = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 20))
