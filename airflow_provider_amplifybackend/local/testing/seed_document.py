"""Seed documents, checked before anything is made of them: configurations as the API would check them.

Their form is in docs/local.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.api_model import input_members, output_members
from airflow_provider_amplifybackend.local.service.errors import AnsweredError
from airflow_provider_amplifybackend.local.service.meta_documents import compact
from airflow_provider_amplifybackend.local.service.names import askable
from airflow_provider_amplifybackend.local.service.settings import JOB_SECONDS
from airflow_provider_amplifybackend.local.service.shapes import parser_of
from airflow_provider_amplifybackend.local.service.store import DEFAULT_ACCOUNT, DEFAULT_REGION, RESOURCE_KINDS
from airflow_provider_amplifybackend.local.testing import seed_checks as read
from airflow_provider_amplifybackend.local.testing.fault_kinds import job_row
from airflow_provider_amplifybackend.local.testing.seed_checks import SeedError
from airflow_provider_amplifybackend.local.testing.seed_neighbours import (
    SIGN_MEMBERS,
    SeededBranch,
    SeededSigns,
    SeededStack,
    read_branch,
    read_signs,
    read_stack,
    read_tags,
    read_variables,
)

if TYPE_CHECKING:
    from botocore.model import Shape

# What AWS Amplify knows of an app, and AmplifyBackend does not.
_HOSTING_MEMBERS = ("variables", "tags", "age_seconds", "branches")

_CREATORS = {"auth": "CreateBackendAuth", "api": "CreateBackendAPI", "storage": "CreateBackendStorage"}

# A seeded resource is one of these where the seed gives null for its configuration.
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


@dataclass(frozen=True)
class SeededEnvironment:
    """An environment with its resources: each a kind, a name and a configuration."""

    name: str
    meta: str | None
    resources: list[tuple[str, str, dict[str, Any]]]
    signs: SeededSigns


@dataclass(frozen=True)
class SeededJob:
    """A job that has ended, or that ends `seconds` from now; without them it is stuck."""

    environment: str
    operation: str
    status: str
    error: str | None
    seconds: float | None
    age_seconds: float
    job_id: str | None
    shown: dict[str, str | None]


@dataclass(frozen=True)
class SeededApp:
    """An app with its environments and jobs."""

    app_id: str
    name: str
    config: dict[str, Any] | None
    variables: dict[str, str | None]
    tags: dict[str, str | None]
    age_seconds: float | None
    environments: list[SeededEnvironment]
    branches: list[SeededBranch]
    jobs: list[SeededJob]


@dataclass(frozen=True)
class Seed:
    """A whole document."""

    account: str
    region: str
    apps: list[SeededApp]
    buckets: list[str]
    stacks: list[SeededStack]


def read_seed(document: Mapping[str, Any]) -> Seed:
    """Check a document, and return what it describes.

    :raises SeedError: It is not one.
    """
    read.only(document, "the seed", "account", "region", "apps", "buckets", "stacks")
    return Seed(
        account=checks.short_name(document.get("account", DEFAULT_ACCOUNT), "account"),
        region=checks.short_name(document.get("region", DEFAULT_REGION), "region"),
        apps=[_app(entry) for entry in read.entries(document.get("apps", ()), "apps")],
        buckets=[
            checks.short_name(entry, "a bucket") for entry in read.entries(document.get("buckets", ()), "buckets")
        ],
        stacks=[read_stack(entry) for entry in read.entries(document.get("stacks", ()), "stacks")],
    )


def _app(entry: Any) -> SeededApp:
    if isinstance(entry, str):
        entry = {"app_id": entry}
    read.only(entry, "an app", "app_id", "app_name", "config", "environments", "jobs", *_HOSTING_MEMBERS)
    app_id = askable(read.required(entry, "an app", "app_id"), "app_id")
    return SeededApp(
        app_id=app_id,
        name=checks.text(entry.get("app_name", app_id), "app_name"),
        config=_admin_config(entry["config"]) if "config" in entry else None,
        variables=read_variables(entry.get("variables", {})),
        tags=read_tags(entry.get("tags", {})),
        age_seconds=read.optional_age(entry),
        branches=[read_branch(one) for one in read.entries(entry.get("branches", ()), "branches")],
        environments=[_environment(one) for one in read.entries(entry.get("environments", ()), "environments")],
        jobs=[_job(one) for one in read.entries(entry.get("jobs", ()), "jobs")],
    )


def _admin_config(config: Any) -> dict[str, Any]:
    members = output_members("UpdateBackendConfig")
    given = {} if config is None else config
    read.only(given, "config", *(set(members) - {"AppId"}))
    return {
        member: _checked(members[member], value, f"config.{member}")
        for member, value in given.items()
        if value is not None
    }


def _environment(entry: Any) -> SeededEnvironment:
    if isinstance(entry, str):
        entry = {"name": entry}
    read.only(entry, "an environment", "name", "meta", *RESOURCE_KINDS, *SIGN_MEMBERS)
    name = askable(read.required(entry, "an environment", "name"), "an environment's name")
    resources = []
    for kind in RESOURCE_KINDS:
        given = entry.get(kind, {})
        read.only(given, kind, *(given if isinstance(given, Mapping) else ()))
        resources += [
            (kind, checks.short_name(label, kind), _config(name, kind, label, one)) for label, one in given.items()
        ]
    return SeededEnvironment(name, _meta(entry.get("meta")), resources, read_signs(entry))


def _meta(given: Any) -> str | None:
    """Return the text to answer: a given text byte for byte, an object as the real service would write it."""
    if given is None or isinstance(given, str):
        return given
    if not isinstance(given, Mapping):
        raise SeedError(f"meta must be an object or a string, not {checks.shown(given)}")
    return compact(given)


def _config(environment: str, kind: str, label: str, config: Any) -> dict[str, Any]:
    shape = input_members(_CREATORS[kind])["ResourceConfig"]
    given = _PLAIN_CONFIGS[kind] if config is None else config
    checked: dict[str, Any] = _checked(shape, given, "ResourceConfig", f"{kind} resource {label} of {environment}: ")
    return checked


def _checked(shape: Shape, given: Any, path: str, where: str = "") -> Any:
    try:
        return parser_of(shape)(given, path)
    except AnsweredError as error:
        raise SeedError(f"{where}{error.message}") from None


def _job(entry: Any) -> SeededJob:
    read.only(
        entry, "a job", "environment", "operation", "status", "seconds", "age_seconds", "error", "job_id", "row"
    )  # fmt: skip
    operation = checks.text(entry.get("operation", "UpdateBackendAPI"), "operation")
    if operation not in JOB_SECONDS:
        raise SeedError(f"{operation} starts no job")
    seconds, error, job_id = entry.get("seconds"), entry.get("error"), entry.get("job_id")
    return SeededJob(
        environment=askable(read.required(entry, "a job", "environment"), "a job's environment"),
        operation=operation,
        status=checks.name(entry.get("status", "COMPLETED"), "status"),
        error=None if error is None else checks.text(error, "error"),
        seconds=None if seconds is None else checks.seconds(seconds, "seconds"),
        age_seconds=read.age(entry.get("age_seconds", 0)),
        job_id=None if job_id is None else askable(job_id, "job_id"),
        shown=job_row(entry.get("row", {})),
    )
