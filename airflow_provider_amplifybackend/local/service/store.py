"""The state of one account in one region: apps, their environments and resources, tokens, buckets, stacks."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.local.service.hosting import Hosting
from airflow_provider_amplifybackend.local.service.ids import Ids
from airflow_provider_amplifybackend.local.service.job_book import JobBook
from airflow_provider_amplifybackend.local.service.stack import Stack

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"

Config = dict[str, Any]


@dataclass
class GeneratedModels:
    """The result of GenerateBackendAPIModels; stale once the schema is another one."""

    schema: str
    models: str
    introspection: str


@dataclass
class Resource:
    """An auth, api or storage resource of an environment."""

    name: str
    config: Config
    outputs: dict[str, str]
    imported: bool = False
    models: GeneratedModels | None = None
    stack_id: str | None = None
    """Its nested stack; an imported resource has none."""


@dataclass
class Environment:
    """A backend environment and its resources by kind and name."""

    name: str
    ids: Ids
    provider: dict[str, str]
    created: float = 0.0
    updated: float = 0.0
    auth: dict[str, Resource] = field(default_factory=dict)
    api: dict[str, Resource] = field(default_factory=dict)
    storage: dict[str, Resource] = field(default_factory=dict)
    meta: str | None = None
    """The `AmplifyMetaConfig` that a seed gave, answered as it is."""

    def resources(self, kind: str) -> dict[str, Resource]:
        table: dict[str, Resource] = getattr(self, kind)
        return table


@dataclass
class Token:
    """A challenge token, valid until `expires` on the service's clock."""

    session_id: str
    challenge_code: str
    expires: float
    expires_wall: float


@dataclass
class App:
    """An Amplify app with its backend environments."""

    app_id: str
    name: str
    environments: dict[str, Environment] = field(default_factory=dict)
    admin_config: Config | None = None
    tokens: dict[str, Token] = field(default_factory=dict)
    hosting: Hosting = field(default_factory=Hosting)
    """The rest of it, which AWS Amplify has and AmplifyBackend does not show."""


@dataclass
class Store:
    """One account in one region."""

    account: str
    region: str
    apps: dict[str, App] = field(default_factory=dict)
    jobs: JobBook = field(default_factory=JobBook)
    buckets: dict[str, float] = field(default_factory=dict)
    stacks: dict[str, Stack] = field(default_factory=dict)
    """By their ids, those that are deleted too; with moto only as AmplifyBackend has made them."""
    lives: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often an environment of this app and name was made."""

    def new_ids(self, app_id: str, environment: str) -> Ids:
        """Return the ids of an environment; one that is created again gets others, as its new pools would have."""
        life = self.lives.get((app_id, environment), 0) + 1
        self.lives[app_id, environment] = life
        return Ids(self.account, self.region, app_id, environment, str(life))

    def snapshot(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "region": self.region,
            "apps": [_app_snapshot(app) for app in self.apps.values()],
            "buckets": sorted(self.buckets),
        }

    def new_app(self, app_id: str, name: str, moment: float) -> App:
        """Make an app known, as it would be with the plainest CreateApp."""
        app = App(app_id, name, hosting=Hosting(created=moment, updated=moment))
        return self.apps.setdefault(app_id, app)


RESOURCE_KINDS = ("auth", "api", "storage")


def _app_snapshot(app: App) -> dict[str, Any]:
    return {
        "app_id": app.app_id,
        "app_name": app.name,
        "config": copy.deepcopy(app.admin_config),
        "tokens": sorted(app.tokens),
        **app.hosting.snapshot(),
        "environments": [_environment_snapshot(entry) for entry in app.environments.values()],
    }


def _environment_snapshot(environment: Environment) -> dict[str, Any]:
    return {
        "name": environment.name,
        "provider": dict(environment.provider),
        "created": environment.created,
        "updated": environment.updated,
        **{
            kind: {
                name: {
                    "config": copy.deepcopy(resource.config),
                    "outputs": dict(resource.outputs),
                    "imported": resource.imported,
                    "models": resource.models is not None,
                }
                for name, resource in environment.resources(kind).items()
            }
            for kind in RESOURCE_KINDS
        },
    }
