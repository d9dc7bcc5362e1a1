"""The old place of the driver of a start, for whoever drives one; ``start/driver.py`` has it now."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from airflow_provider_amplifybackend.core.timing import Timing
from airflow_provider_amplifybackend.start import driver
from airflow_provider_amplifybackend.start.actions import Obstacle as Blocked
from airflow_provider_amplifybackend.start.actions import StartPolicy as Policy
from airflow_provider_amplifybackend.start.actions import StartResult as Reached
from airflow_provider_amplifybackend.start.intent import STORE_KEY, arrived, travelling

__all__ = ["STORE_KEY", "Blocked", "Policy", "Reached", "StartOnce", "arrived", "travelling"]


class StartOnce(driver.StartOnce):
    """The driver as it was called before: it took how time is let pass, and its policy could be changed.

    :param sleep: Lets time pass.
    """

    def __init__(self, *args: Any, sleep: Callable[[float], None] = time.sleep, **options: Any) -> None:
        timing = Timing(now=lambda: time.time(), monotonic=lambda: time.monotonic(), sleep=sleep)
        super().__init__(*args, timing=timing, **options)

    @property
    def policy(self) -> Policy:
        """The policy where something is in the way."""
        return self.protocol.policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self.protocol.policy = policy
