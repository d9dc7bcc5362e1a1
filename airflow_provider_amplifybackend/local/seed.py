"""Seeding: apps, environments with resources, jobs and buckets that exist without having been created.

The document's form is in docs/local.md. Configurations are checked as the API would check them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend.local.errors import ServiceError
from airflow_provider_amplifybackend.local.jobs import FINISHED, Fate, Job, Plan
from airflow_provider_amplifybackend.local.settings import JOB_SECONDS
from airflow_provider_amplifybackend.local.state import DEFAULT_ACCOUNT, DEFAULT_REGION, Service
from airflow_provider_amplifybackend.local.store import RESOURCE_KINDS, App, Environment, Store
from airflow_provider_amplifybackend.local.wire import parser_of, service_model

_CREATORS = {"auth": "CreateBackendAuth", "api": "CreateBackendAPI", "storage": "CreateBackendStorage"}

# What a seeded resource is where the seed gives null for its configuration.
_PLAIN_CONFIGS: dict[str, dict[str, Any]] = {
    "auth": {
        "AuthResources": "IDENTITY_POOL_AND_USER_POOL",
        "IdentityPoolConfigs": {"IdentityPoolName": "identitypool", "UnauthenticatedLogin": False},
        "Service": "COGNITO",
        "UserPoolConfigs": {
            "RequiredSignUpAttributes": ["EMAIL"],
            "SignInMethod": "EMAIL",
            "UserPoolName": "userpool",
        },
    },
    "api": {
        "ApiName": "api",
        "DefaultAuthType": {"Mode": "API_KEY"},
        "Service": "AppSync",
        "TransformSchema": "type Todo @model { id: ID! name: String! }",
    },
    "storage": {"Permissions": {"Authenticated": ["READ", "CREATE_AND_UPDATE"]}, "ServiceName": "S3"},
}


class SeedError(ValueError):
    """The seed document is not one: the message says where."""


def seed(service: Service, document: Mapping[str, Any]) -> None:
    _only(document, "the seed", "account", "region", "apps", "buckets")
    service.settle()
    store = service.store(document.get("account", DEFAULT_ACCOUNT), document.get("region", DEFAULT_REGION))
    for entry in document.get("apps", ()):
        _seed_app(service, store, entry)
    for name in document.get("buckets", ()):
        store.buckets.setdefault(name, service.clock.wall())
        service.provisioner.observer.created(store, "bucket", {"BucketName": name}, {})


def _only(given: Any, what: str, *allowed: str) -> None:
    if not isinstance(given, Mapping):
        raise SeedError(f"{what} must be an object, not {given!r}")
    unknown = set(given) - set(allowed)
    if unknown:
        raise SeedError(f"{what} has no {', '.join(sorted(unknown))}; it takes: {', '.join(allowed)}")


def _required(given: Mapping[str, Any], what: str, member: str) -> Any:
    if member not in given:
        raise SeedError(f"{what} needs {member}")
    return given[member]


def _seed_app(service: Service, store: Store, entry: Any) -> None:
    if isinstance(entry, str):
        entry = {"app_id": entry}
    _only(entry, "an app", "app_id", "app_name", "config", "environments", "jobs")
    app_id = _required(entry, "an app", "app_id")
    app = store.apps.setdefault(app_id, App(app_id, entry.get("app_name", app_id)))
    if "config" in entry:
        app.admin_config = dict(entry["config"] or {})
    for environment in entry.get("environments", ()):
        _seed_environment(service, store, app, environment)
    for job in entry.get("jobs", ()):
        _seed_job(service, store, app, job)


def _seed_environment(service: Service, store: Store, app: App, entry: Any) -> None:
    if isinstance(entry, str):
        entry = {"name": entry}
    _only(entry, "an environment", "name", *RESOURCE_KINDS)
    name = _required(entry, "an environment", "name")
    environment = app.environments.get(name) or service.provisioner.add_environment(
        store, app, name, service.clock.wall()
    )
    for kind in RESOURCE_KINDS:
        for resource, config in entry.get(kind, {}).items():
            _seed_resource(service, store, environment, kind, resource, config)


def _seed_resource(service: Service, store: Store, environment: Environment, kind: str, name: str, config: Any) -> None:
    model = service_model().operation_model(_CREATORS[kind])
    parse = parser_of(model.input_shape.members["ResourceConfig"], wire_names=False)
    try:
        checked = parse(_PLAIN_CONFIGS[kind] if config is None else config, "ResourceConfig")
    except ServiceError as error:
        raise SeedError(f"{kind} resource {name} of {environment.name}: {error.message}") from None
    service.provisioner.add_resource(store, environment, kind, name, checked, service.clock.wall())


def _seed_job(service: Service, store: Store, app: App, entry: Any) -> None:
    _only(entry, "a job", "environment", "operation", "status", "seconds", "age_seconds", "error", "job_id")
    environment = _required(entry, "a job", "environment")
    operation = entry.get("operation", "UpdateBackendAPI")
    if operation not in JOB_SECONDS:
        raise SeedError(f"{operation} starts no job")
    status, seconds = entry.get("status", "COMPLETED"), entry.get("seconds")
    job = Job(
        job_id=entry.get("job_id") or service.new_job_id(),
        account=store.account,
        region=store.region,
        operation=operation,
        plan=_plan_of_seeded(app.app_id, environment),
        fate=Fate(ends=seconds is not None, error=entry.get("error"), fails=entry.get("error") is not None),
        started=service.clock.now(),
        created_wall=service.clock.wall() - entry.get("age_seconds", 0),
        updated_wall=service.clock.wall() - entry.get("age_seconds", 0),
        status=status,
    )
    job.error = entry.get("error") if status in FINISHED else None
    store.jobs.add(job)
    if not job.finished and seconds is not None:
        service.schedule.end(job, store.jobs, seconds)


def _plan_of_seeded(app_id: str, environment: str) -> Plan:
    def nothing() -> None:
        pass

    return Plan(app_id, (environment,), frozenset({environment}), frozenset(), nothing, nothing)
