"""One operation being performed: its parameters, and the look-ups and checks that all handlers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend.local.service.api_model import output_members
from airflow_provider_amplifybackend.local.service.clock import Clock
from airflow_provider_amplifybackend.local.service.effect import Effect
from airflow_provider_amplifybackend.local.service.errors import not_found, pending_job
from airflow_provider_amplifybackend.local.service.job_book import JobRecord, Plan
from airflow_provider_amplifybackend.local.service.provisioner import Provisioner
from airflow_provider_amplifybackend.local.service.runtime import Runtime
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.service.store import App, Environment, Resource, Store
from airflow_provider_amplifybackend.local.service.surroundings import Surroundings

Answer = dict[str, Any]
Handler = Callable[["Invocation"], Answer]


@dataclass(slots=True)
class Invocation:
    """One operation with the state that it works on."""

    runtime: Runtime
    store: Store
    operation: str
    parameters: dict[str, Any]

    @property
    def app_id(self) -> str:
        app_id: str = self.parameters["AppId"]
        return app_id

    @property
    def environment_name(self) -> str:
        name: str = self.parameters["BackendEnvironmentName"]
        return name

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    @property
    def clock(self) -> Clock:
        return self.runtime.clock

    @property
    def provisioner(self) -> Provisioner:
        return self.runtime.provisioner

    def surroundings(self) -> Surroundings:
        return self.runtime.surroundings(self.store)

    def app(self) -> App:
        app = self.store.apps.get(self.app_id)
        if app is None:
            raise not_found("App", f"App {self.app_id}")
        return app

    def environment(self) -> Environment:
        return self.existing_environment(self.environment_name)

    def existing_environment(self, name: str) -> Environment:
        environment = self.app().environments.get(name)
        if environment is None:
            raise not_found("BackendEnvironment", f"Backend environment {name} of app {self.app_id}")
        return environment

    def resource(self, kind: str, name: str | None) -> Resource:
        """Return the named resource, or the only one where the API's callers may leave the name out."""
        resources = self.environment().resources(kind)
        if name is None and len(resources) == 1:
            return next(iter(resources.values()))
        if name is None or name not in resources:
            label = {"auth": "Auth", "api": "API", "storage": "Storage"}[kind]
            what = f"{label} resource {name or ''}".strip()
            raise not_found(f"Backend{label}", f"{what} of backend environment {self.environment_name}")
        return resources[name]

    def refuse_pending(self, *environments: str, shared: bool = False) -> None:
        for environment in environments:
            if self.store.jobs.is_held(self.app_id, environment, shared=shared):
                raise pending_job(self.app_id, environment)

    def start(
        self,
        effect: Effect,
        *,
        lives_in: tuple[str, ...] | None = None,
        holds: Iterable[str] | None = None,
        shares: Iterable[str] = (),
        answer_environment: str | None = None,
    ) -> Answer:
        """Start a job in the environment of the request, unless told otherwise, and answer with it."""
        homes = (self.environment_name,) if lives_in is None else lives_in
        held = frozenset(homes if holds is None else holds)
        plan = Plan(self.app_id, homes, held, frozenset(shares) - held)
        job = self._new_job(plan, effect)
        self.store.jobs.add(job)
        self.runtime.schedule.add(job, self.store, self.settings.job_seconds[self.operation])
        answer = job.row(answer_environment)
        return {name: answer[name] for name in self._answered()}

    def _new_job(self, plan: Plan, effect: Effect) -> JobRecord:
        runtime, wall = self.runtime, self.clock.wall()
        return JobRecord(
            job_id=runtime.new_job_id(),
            account=self.store.account,
            region=self.store.region,
            operation=self.operation,
            plan=plan,
            effect=effect,
            fate=runtime.fate_of(self.operation, self.parameters),
            started=self.clock.now(),
            created_wall=wall,
            updated_wall=wall,
        )

    def _answered(self) -> list[str]:
        members = ["AppId", "BackendEnvironmentName", "JobId", "Status"]
        style = self.settings.operation_in_answers
        # A real DeleteBackend answer leaves out the Operation that its model has (amplify-hosting#2369).
        if style == "always" or (style == "observed" and self.operation != "DeleteBackend"):
            members.append("Operation")
        return [member for member in members if member in output_members(self.operation)]
