"""Seeding: apps, environments with resources, jobs and buckets that exist without having been created.

The document's form is in docs/local.md. Configurations are checked as the API would check them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend.local.http.wire import parser_of, service_model
from airflow_provider_amplifybackend.local.service import checks, meta_documents
from airflow_provider_amplifybackend.local.service.errors import ServiceError
from airflow_provider_amplifybackend.local.service.job_book import FINISHED, Fate, Job, Plan
from airflow_provider_amplifybackend.local.service.service import DEFAULT_ACCOUNT, DEFAULT_REGION, Service
from airflow_provider_amplifybackend.local.service.settings import JOB_SECONDS
from airflow_provider_amplifybackend.local.service.store import RESOURCE_KINDS, App, Store
from airflow_provider_amplifybackend.local.testing.faults import job_row

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


_LONGEST_NAME = 255


class SeedError(ValueError):
    """The seed document is not one: the message says where."""


def seed(service: Service, document: Mapping[str, Any]) -> None:
    """Make what the document describes exist; a document that is refused has changed nothing."""
    _only(document, "the seed", "account", "region", "apps", "buckets")
    account = _name(document.get("account", DEFAULT_ACCOUNT), "account")
    region = _name(document.get("region", DEFAULT_REGION), "region")
    apps = [_app(entry) for entry in _list(document.get("apps", ()), "apps")]
    buckets = [_name(entry, "a bucket") for entry in _list(document.get("buckets", ()), "buckets")]
    service.settle()
    _refuse_taken(service, [job.job_id for app in apps for job in app.jobs if job.job_id is not None])
    store = service.store(account, region)
    for app in apps:
        _make_app(service, store, app)
    for name in buckets:
        store.buckets.setdefault(name, service.clock.wall())
        service.provisioner.observer.created(store, "bucket", {"BucketName": name}, {})


# What the document says, checked before anything is made.


@dataclass(frozen=True)
class _Environment:
    name: str
    meta: str | None
    resources: list[tuple[str, str, dict[str, Any]]]


@dataclass(frozen=True)
class _Job:
    environment: str
    operation: str
    status: str
    error: str | None
    seconds: float | None
    age_seconds: float
    job_id: str | None
    shown: dict[str, str | None]


@dataclass(frozen=True)
class _App:
    app_id: str
    name: str
    config: dict[str, Any] | None
    environments: list[_Environment]
    jobs: list[_Job]


def _only(given: Any, what: str, *allowed: str) -> None:
    if not isinstance(given, Mapping):
        raise SeedError(f"{what} must be an object, not {checks.shown(given)}")
    unknown = set(given) - set(allowed)
    if unknown:
        raise SeedError(f"{what} has no {', '.join(sorted(unknown))}; it takes: {', '.join(allowed)}")


def _required(given: Mapping[str, Any], what: str, member: str) -> Any:
    if member not in given:
        raise SeedError(f"{what} needs {member}")
    return given[member]


def _list(given: Any, what: str) -> Sequence[Any]:
    if not isinstance(given, (list, tuple)):
        raise SeedError(f"{what} must be a list, not {checks.shown(given)}")
    return given


def _name(given: Any, what: str) -> str:
    if len(checks.name(given, what)) > _LONGEST_NAME:
        raise SeedError(f"{what} must have 1 to {_LONGEST_NAME} characters")
    return str(given)


def _app(entry: Any) -> _App:
    if isinstance(entry, str):
        entry = {"app_id": entry}
    _only(entry, "an app", "app_id", "app_name", "config", "environments", "jobs")
    app_id = _name(_required(entry, "an app", "app_id"), "app_id")
    return _App(
        app_id=app_id,
        name=checks.text(entry.get("app_name", app_id), "app_name"),
        config=_admin_config(entry["config"]) if "config" in entry else None,
        environments=[_environment(one) for one in _list(entry.get("environments", ()), "environments")],
        jobs=[_job(one) for one in _list(entry.get("jobs", ()), "jobs")],
    )


def _admin_config(config: Any) -> dict[str, Any]:
    model = service_model().operation_model("UpdateBackendConfig").output_shape
    given = {} if config is None else config
    _only(given, "config", *(set(model.members) - {"AppId"}))
    return {
        member: _checked(model.members[member], value, f"config.{member}")
        for member, value in given.items()
        if value is not None
    }


def _environment(entry: Any) -> _Environment:
    if isinstance(entry, str):
        entry = {"name": entry}
    _only(entry, "an environment", "name", "meta", *RESOURCE_KINDS)
    name = _name(_required(entry, "an environment", "name"), "an environment's name")
    resources = []
    for kind in RESOURCE_KINDS:
        given = entry.get(kind, {})
        _only(given, kind, *(given if isinstance(given, Mapping) else ()))
        resources += [(kind, _name(label, kind), _config(name, kind, label, one)) for label, one in given.items()]
    return _Environment(name, _meta(entry.get("meta")), resources)


def _meta(given: Any) -> str | None:
    """A text is answered byte for byte, an object as the real service would write it."""
    if given is None or isinstance(given, str):
        return given
    if not isinstance(given, Mapping):
        raise SeedError(f"meta must be an object or a text, not {checks.shown(given)}")
    return meta_documents.compact(given)


def _config(environment: str, kind: str, label: str, config: Any) -> dict[str, Any]:
    shape = service_model().operation_model(_CREATORS[kind]).input_shape.members["ResourceConfig"]
    given = _PLAIN_CONFIGS[kind] if config is None else config
    checked: dict[str, Any] = _checked(shape, given, "ResourceConfig", f"{kind} resource {label} of {environment}: ")
    return checked


def _checked(shape: Any, given: Any, path: str, where: str = "") -> Any:
    try:
        return parser_of(shape, wire_names=False)(given, path)
    except ServiceError as error:
        raise SeedError(f"{where}{error.message}") from None


def _job(entry: Any) -> _Job:
    _only(
        entry, "a job", "environment", "operation", "status", "seconds", "age_seconds", "error", "job_id", "row"
    )  # fmt: skip
    operation = checks.text(entry.get("operation", "UpdateBackendAPI"), "operation")
    if operation not in JOB_SECONDS:
        raise SeedError(f"{operation} starts no job")
    seconds, error, job_id = entry.get("seconds"), entry.get("error"), entry.get("job_id")
    return _Job(
        environment=_name(_required(entry, "a job", "environment"), "a job's environment"),
        operation=operation,
        status=checks.name(entry.get("status", "COMPLETED"), "status"),
        error=None if error is None else checks.text(error, "error"),
        seconds=None if seconds is None else checks.seconds(seconds, "seconds"),
        age_seconds=checks.seconds(entry.get("age_seconds", 0), "age_seconds", least=-checks.LONGEST_SECONDS),
        job_id=None if job_id is None else _name(job_id, "job_id"),
        shown=job_row(entry.get("row", {})),
    )


# Making it.


def _refuse_taken(service: Service, job_ids: list[str]) -> None:
    taken = set().union(*(store.jobs.by_id for store in service.stores.values()))
    for job_id in job_ids:
        if job_id in taken:
            raise SeedError(f"there is a job {job_id} already")
        taken.add(job_id)


def _make_app(service: Service, store: Store, entry: _App) -> None:
    app = store.apps.setdefault(entry.app_id, App(entry.app_id, entry.name))
    if entry.config is not None:
        app.admin_config = entry.config
    for environment in entry.environments:
        _make_environment(service, store, app, environment)
    for job in entry.jobs:
        _make_job(service, store, app, job)


def _make_environment(service: Service, store: Store, app: App, entry: _Environment) -> None:
    provisioner, now = service.provisioner, service.clock.wall()
    environment = app.environments.get(entry.name) or provisioner.add_environment(store, app, entry.name, now)
    if entry.meta is not None:
        environment.meta = entry.meta
    for kind, name, config in entry.resources:
        try:
            provisioner.add_resource(store, environment, kind, name, config, now)
        except ServiceError as error:
            raise SeedError(f"{kind} resource {name} of {entry.name}: {error.message}") from None


def _make_job(service: Service, store: Store, app: App, entry: _Job) -> None:
    started_wall = service.clock.wall() - entry.age_seconds
    job = Job(
        job_id=entry.job_id or service.new_job_id(),
        account=store.account,
        region=store.region,
        operation=entry.operation,
        plan=_plan_of_seeded(app.app_id, entry.environment),
        fate=Fate(
            ends=entry.seconds is not None,
            error=entry.error,
            fails=entry.error is not None,
            shown_members=entry.shown,
        ),
        started=service.clock.now(),
        created_wall=started_wall,
        updated_wall=started_wall,
        status=entry.status,
    )
    job.error = entry.error if entry.status in FINISHED else None
    store.jobs.add(job)
    if not job.finished and entry.seconds is not None:
        service.schedule.end(job, store.jobs, entry.seconds)


def _plan_of_seeded(app_id: str, environment: str) -> Plan:
    def nothing() -> None:
        pass

    return Plan(app_id, (environment,), frozenset({environment}), frozenset(), nothing, nothing)
