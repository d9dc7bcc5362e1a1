"""The service itself, without HTTP: one call per API operation, with boto3's names in and out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.api_model import APP_MEMBERS, ENVIRONMENT_MEMBERS, service_of
from airflow_provider_amplifybackend.local.service.errors import bad_request, not_built
from airflow_provider_amplifybackend.local.service.invocation import Answer, Invocation
from airflow_provider_amplifybackend.local.service.names import askable, has_dot_segments
from airflow_provider_amplifybackend.local.service.neighbours import amplify, cloudformation
from airflow_provider_amplifybackend.local.service.operations import HANDLERS as OWN_HANDLERS
from airflow_provider_amplifybackend.local.service.provisioner import Observer
from airflow_provider_amplifybackend.local.service.runtime import FateOf, Runtime, plain_fate
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.service.store import DEFAULT_ACCOUNT, DEFAULT_REGION, Store

HANDLERS = {**OWN_HANDLERS, **amplify.HANDLERS, **cloudformation.HANDLERS}

# These become part of a path, if not in this request then in the next one about the same thing.
_PATH_MEMBERS = (*APP_MEMBERS, *ENVIRONMENT_MEMBERS, "JobId", "SessionId", "branchName", "jobId")

# Operations that change nothing have one of these names, in all three services (a test).
_READING = ("Get", "List", "Describe")


def _check_names(parameters: dict[str, Any]) -> None:
    for member in ENVIRONMENT_MEMBERS:
        name = parameters.get(member)
        if name is not None and not 1 <= len(name) <= checks.LONGEST_NAME:
            raise bad_request(f"{member} must have 1 to {checks.LONGEST_NAME} characters")
    for member in _PATH_MEMBERS:
        name = parameters.get(member)
        if name is not None and has_dot_segments(name):
            raise bad_request(f"{member} must have no dot segments")


class Service(Runtime):
    """All accounts and regions of one local AmplifyBackend."""

    def __init__(
        self,
        *,
        apps: Iterable[str] = (),
        strict_apps: bool = False,
        settings: Settings | None = None,
        observer: Observer | None = None,
        fate_of: FateOf = plain_fate,
    ) -> None:
        super().__init__(strict_apps=strict_apps, settings=settings, observer=observer, fate_of=fate_of)
        self.known_apps = tuple(askable(app_id, "the id of an app") for app_id in apps)
        self.stores: dict[tuple[str, str], Store] = {}

    def store(self, account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION) -> Store:
        store = self.stores.get((account, region))
        if store is None:
            store = Store(account, region)
            for app_id in self.known_apps:
                store.new_app(app_id, app_id, self.clock.wall())
            self.stores[account, region] = store
            self.touch()
        return store

    def store_of_job(self, job_id: str) -> Store | None:
        """Return the store that has a job, whatever the job's account and region."""
        return next((store for store in self.stores.values() if job_id in store.jobs.by_id), None)

    def call(
        self,
        operation: str,
        parameters: dict[str, Any],
        *,
        account: str = DEFAULT_ACCOUNT,
        region: str = DEFAULT_REGION,
    ) -> Answer:
        """Perform one API operation.

        :raises AnsweredError: The service's answer, where it is an error.
        """
        self.settle()
        _check_names(parameters)
        if not operation.startswith(_READING):
            self.touch()
        handler = HANDLERS.get(operation)
        if handler is None:
            raise not_built(str(service_of(operation)), operation)
        return handler(Invocation(self, self.store(account, region), operation, parameters))

    def reset(self) -> None:
        self.provisioner.observer.reset()
        self.stores.clear()
        self.schedule.clear()
        self.clock.reset()
