"""The service itself, without HTTP: one call per API operation, with boto3's names in and out."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_amplifybackend.local.service.clock import Clock
from airflow_provider_amplifybackend.local.service.errors import bad_request
from airflow_provider_amplifybackend.local.service.invocation import Answer, Call
from airflow_provider_amplifybackend.local.service.job_book import Fate, Schedule
from airflow_provider_amplifybackend.local.service.operations import HANDLERS
from airflow_provider_amplifybackend.local.service.provisioner import NoObserver, Observer, Provisioner
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.service.store import App, Store

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
_LONGEST_NAME = 255


_ENVIRONMENT_NAMES = ("BackendEnvironmentName", "TargetEnvironmentName")
# What becomes part of a path, if not in this request then in the next one about the same thing.
_PATH_NAMES = ("AppId", *_ENVIRONMENT_NAMES, "JobId", "SessionId")


def _check_names(parameters: dict[str, Any]) -> None:
    for member in _ENVIRONMENT_NAMES:
        name = parameters.get(member)
        if name is not None and not 1 <= len(name) <= _LONGEST_NAME:
            raise bad_request(f"{member} must have 1 to {_LONGEST_NAME} characters")
    for member in _PATH_NAMES:
        if parameters.get(member) in (".", ".."):
            raise bad_request(f"{member} must not be a dot segment")


class Service:
    """All accounts and regions, one clock, one set of switches."""

    def __init__(
        self,
        *,
        apps: Iterable[str] = (),
        strict_apps: bool = False,
        settings: Settings | None = None,
        observer: Observer | None = None,
        fate_of: Callable[[str, dict[str, Any]], Fate] = lambda operation, parameters: Fate(),
    ) -> None:
        self.known_apps = tuple(apps)
        self.strict_apps = strict_apps
        self.settings = settings or Settings()
        self.clock = Clock()
        self.schedule = Schedule(self.clock)
        self.provisioner = Provisioner(observer or NoObserver(), lambda: self.settings)
        self.fate_of = fate_of
        self.stores: dict[tuple[str, str], Store] = {}
        # One generator for job ids and codes: cheaper than uuid4's system call.
        self.random = random.Random()  # nothing here is a secret

    def store(self, account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION) -> Store:
        store = self.stores.get((account, region))
        if store is None:
            store = Store(account, region)
            store.apps = {app_id: App(app_id, app_id) for app_id in self.known_apps}
            self.stores[account, region] = store
        return store

    def settle(self) -> None:
        """Let everything happen that is due by now."""
        self.schedule.settle()

    def call(
        self,
        operation: str,
        parameters: dict[str, Any],
        *,
        account: str = DEFAULT_ACCOUNT,
        region: str = DEFAULT_REGION,
    ) -> Answer:
        """Perform one API operation; ServiceError is what the service would answer instead."""
        self.settle()
        _check_names(parameters)
        return HANDLERS[operation](Call(self, self.store(account, region), operation, parameters))

    def new_job_id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def reset(self) -> None:
        self.provisioner.observer.reset()
        self.stores.clear()
        self.schedule.clear()
        self.clock.reset()
