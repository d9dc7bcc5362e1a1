"""The parts that all operations work with, whatever their account and region."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_amplifybackend.local.service.clock import Clock
from airflow_provider_amplifybackend.local.service.job_book import Fate, JobRecord
from airflow_provider_amplifybackend.local.service.job_schedule import Schedule
from airflow_provider_amplifybackend.local.service.provisioner import NoObserver, Observer, Provisioner
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.service.store import Store
from airflow_provider_amplifybackend.local.service.surroundings import Surroundings

FateOf = Callable[[str, Mapping[str, Any]], Fate]


def plain_fate(operation: str, parameters: Mapping[str, Any]) -> Fate:
    """Return the fate of a job to which nothing happens."""
    return Fate()


class Runtime:
    """One clock with the schedule of all jobs, one set of switches, one way to other AWS services.

    :param fate_of: decides how a job that starts will end; so that faults can be scripted without the service
        knowing of scripts.
    """

    def __init__(
        self,
        *,
        strict_apps: bool = False,
        settings: Settings | None = None,
        observer: Observer | None = None,
        fate_of: FateOf = plain_fate,
    ) -> None:
        self.strict_apps = strict_apps
        self.settings = settings or Settings()
        self.clock = Clock()
        self.schedule = Schedule(self.clock, self.surroundings)
        self._touches = 0
        # Not the settings themselves: a reset replaces them.
        self.provisioner = Provisioner(observer or NoObserver(), lambda: self.settings)
        self.fate_of = fate_of
        # One generator for job ids and codes: cheaper than uuid4's system call.
        self.random = random.Random()  # nothing here is a secret

    def touch(self) -> None:
        """Take note that something changes."""
        self._touches += 1

    @property
    def changes(self) -> int:
        """Return the number of changes so far, by requests and by time; it can be too high, never too low."""
        return self._touches + self.schedule.moves

    def surroundings(self, store: Store, job: JobRecord | None = None) -> Surroundings:
        """Return what an effect works with now: of a request, or of a job that ends."""
        leaves = job.fate.leaves if job is not None else ()
        return Surroundings(store, self.provisioner, self.settings, self.clock.wall(), leaves)

    def settle(self) -> None:
        """Let everything happen that is due by now."""
        self.schedule.settle()

    def new_job_id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))
