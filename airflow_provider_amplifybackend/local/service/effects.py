"""The effects of all jobs. Each is a dataclass of plain values and of what it changes: a state file keeps it so."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend.local.service import cognito_texts, datastore_models
from airflow_provider_amplifybackend.local.service.effect import Effect
from airflow_provider_amplifybackend.local.service.errors import bad_request, not_found
from airflow_provider_amplifybackend.local.service.store import App, Config, Environment, Resource
from airflow_provider_amplifybackend.local.service.surroundings import Surroundings

# Environments


@dataclass(frozen=True)
class CreateEnvironment(Effect):
    """An environment exists once its job has ended, if not before."""

    app: App
    name: str

    def complete(self, around: Surroundings) -> None:
        existing_or_new(around, self.app, self.name)

    def fail(self, around: Surroundings) -> None:
        """Leave an empty environment behind, or none, as the switch says (amplify-hosting#3022, amplify-studio#507)."""
        environment = self.app.environments.get(self.name)
        if around.settings.failed_creation_leaves_environment:
            existing_or_new(around, self.app, self.name)
        elif environment is not None:
            _drop(around, self.app, environment)


@dataclass(frozen=True)
class CloneEnvironment(CreateEnvironment):
    """A new environment `name` has the resources that its source has when the job ends."""

    source: str

    def complete(self, around: Surroundings) -> None:
        source = self.app.environments.get(self.source)
        if source is None:
            raise not_found("BackendEnvironment", f"Backend environment {self.source} of app {self.app.app_id}")
        target = existing_or_new(around, self.app, self.name)
        around.provisioner.copy_resources(around.store, source, target, around.moment)


@dataclass(frozen=True)
class DeleteEnvironment(Effect):
    """An environment goes with its stack."""

    app: App
    environment: Environment

    def complete(self, around: Surroundings) -> None:
        _drop(around, self.app, self.environment)


@dataclass(frozen=True)
class RemoveAll(Effect):
    """All environments of an app go, and the app if so asked."""

    app: App
    with_app: bool

    def complete(self, around: Surroundings) -> None:
        for environment in list(self.app.environments.values()):
            _drop(around, self.app, environment)
        self.app.admin_config = None
        if self.with_app:
            around.store.apps.pop(self.app.app_id, None)


def existing_or_new(around: Surroundings, app: App, name: str) -> Environment:
    existing = app.environments.get(name)
    if existing is not None:
        return existing
    return around.provisioner.add_environment(around.store, app, name, around.moment)


def _drop(around: Surroundings, app: App, environment: Environment) -> None:
    around.provisioner.drop_environment(around.store, app, environment, around.moment, around.leaves)


# Resources


@dataclass(frozen=True)
class CreateResource(Effect):
    """An environment has another resource."""

    environment: Environment
    kind: str
    name: str
    config: Config

    def complete(self, around: Surroundings) -> None:
        _check(self.kind, self.config)
        around.provisioner.add_resource(
            around.store, self.environment, self.kind, self.name, self.config, around.moment
        )  # fmt: skip


@dataclass(frozen=True)
class UpdateResource(Effect):
    """A resource's configuration has these changes: structures merge, lists are replaced."""

    environment: Environment
    kind: str
    resource: Resource
    changes: Config

    def complete(self, around: Surroundings) -> None:
        _check(self.kind, self.changes)
        self.resource.config = merged(self.resource.config, self.changes)
        around.provisioner.refresh(around.store, self.environment, self.kind, self.resource, around.moment)


@dataclass(frozen=True)
class ReplacePermissions(Effect):
    """A storage's permissions are replaced, not merged: a role that is no longer named has none left."""

    resource: Resource
    permissions: dict[str, Any]

    def complete(self, around: Surroundings) -> None:
        self.resource.config["Permissions"] = copy.deepcopy(self.permissions)


@dataclass(frozen=True)
class DeleteResource(Effect):
    """A resource goes with its nested stack."""

    environment: Environment
    kind: str
    name: str

    def complete(self, around: Surroundings) -> None:
        if self.name not in self.environment.resources(self.kind):
            raise not_found(f"Backend{self.kind.title()}", f"Resource {self.name}")
        around.provisioner.drop_resource(around.store, self.environment, self.kind, self.name, around.moment)


@dataclass(frozen=True)
class ImportResource(Effect):
    """An environment uses what exists elsewhere."""

    environment: Environment
    kind: str
    name: str
    config: Config
    outputs: dict[str, str]

    def complete(self, around: Surroundings) -> None:
        around.provisioner.import_resource(self.environment, self.kind, self.name, self.config, self.outputs)


@dataclass(frozen=True)
class GenerateModels(Effect):
    """An API has the models of the schema that it has when the job ends."""

    resource: Resource

    def complete(self, around: Surroundings) -> None:
        self.resource.models = datastore_models.generate(self.resource.config.get("TransformSchema", ""))


@dataclass(frozen=True)
class CreateConfig(Effect):
    """An app has a configuration for Studio."""

    app: App
    manager: str | None

    def complete(self, around: Surroundings) -> None:
        self.app.admin_config = {"BackendManagerAppId": self.manager} if self.manager else {}


def _check(kind: str, config: Config) -> None:
    """Refuse a configuration while the job runs, as another service would: the job ends FAILED."""
    complaint = cognito_texts.complaint(config) if kind == "auth" else None
    if complaint is not None:
        raise bad_request(complaint)


def merged(config: Config, changes: Config) -> Config:
    """Return a configuration after an update that names only its changes: structures merge, lists are replaced."""
    result = copy.deepcopy(config)
    for member, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(member), dict):
            result[member] = merged(result[member], value)
        else:
            result[member] = copy.deepcopy(value)
    return result


EFFECTS: tuple[type[Effect], ...] = (
    CloneEnvironment,
    CreateConfig,
    CreateEnvironment,
    CreateResource,
    DeleteEnvironment,
    DeleteResource,
    GenerateModels,
    ImportResource,
    RemoveAll,
    ReplacePermissions,
    UpdateResource,
)
