"""One good request for each of the 31 operations, and one bad parameter: what the tests of all operators go through."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import botocore.loaders
import botocore.session
import pytest

from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.parameters import service_model

RESOURCES = ("environment", "auth", "api", "storage", "config", "token", "job")
IMPORTS = "\n".join(f"from airflow_provider_amplifybackend.operators.{name} import *" for name in RESOURCES) + "\n"

FULL = {"name": "staging", "auth": {"main": None}, "api": {"graph": None}, "storage": {"files": None}}
BARE = {"name": "staging"}
STAGING = {"BackendEnvironmentName": "staging"}
JOB = "the job"  # stands for the id of a job that is there, one of its own for each operation
SESSION = "the session"  # likewise

AUTH = {
    "AuthResources": "IDENTITY_POOL_AND_USER_POOL",
    "IdentityPoolConfigs": {"IdentityPoolName": "people", "UnauthenticatedLogin": True},
    "Service": "COGNITO",
    "UserPoolConfigs": {
        "Mfa": {"MFAMode": "OPTIONAL", "Settings": {"MfaTypes": ["TOTP"]}},
        "OAuth": {
            "OAuthGrantType": "CODE",
            "OAuthScopes": ["OPENID"],
            "RedirectSignInURIs": ["https://example.com/"],
            "RedirectSignOutURIs": ["https://example.com/out/"],
            "SocialProviderSettings": {
                "Google": {"ClientId": "google-client", "ClientSecret": "s3cret-of-google"},
                "SignInWithApple": {
                    "ClientId": "apple-client",
                    "KeyId": "apple-key",
                    "PrivateKey": "s3cret-of-apple",
                    "TeamId": "apple-team",
                },
            },
        },
        "PasswordPolicy": {"AdditionalConstraints": ["REQUIRE_DIGIT"], "MinimumLength": 12.0},
        "RequiredSignUpAttributes": ["EMAIL"],
        "SignInMethod": "EMAIL",
        "UserPoolName": "people",
    },
}
NEW_AUTH = {
    "AuthResources": "USER_POOL_ONLY",
    "Service": "COGNITO",
    "UserPoolConfigs": {"PasswordPolicy": {"MinimumLength": 14.0}},
}
API = {
    "ApiName": "notes",
    "DefaultAuthType": {"Mode": "API_KEY", "Settings": {"ExpirationTime": 7.0}},
    "TransformSchema": "type Note @model { id: ID! }",
}
STORAGE = {"Permissions": {"Authenticated": ["READ"]}, "ServiceName": "S3"}


@dataclass(frozen=True)
class Case:
    """A request in the API's spelling (AppId is added), and where it meets what it needs."""

    request: dict[str, Any]
    wrong: dict[str, Any]
    """The operator's parameters that make it unsendable."""
    complaints: tuple[str, ...]
    """What the error says: the parameter's path with the bad value, and what would be accepted."""
    environment: dict[str, Any] = field(default_factory=lambda: BARE)
    answer: dict[str, Any] = field(default_factory=dict)
    """What the result has, among other things; of jobs all results look the same."""


def _text(parameter: str) -> dict[str, Any]:
    return {"wrong": {parameter: True}, "complaints": (f"{parameter}=True must be a string",)}


def _missing(parameter: str) -> dict[str, Any]:
    return {"wrong": {parameter: "None"}, "complaints": (f"{parameter}='None' is missing a value: it is required",)}


def _not_accepted(parameter: str, value: Any, path: str, bad: str, accepted: str) -> dict[str, Any]:
    return {
        "wrong": {parameter: value},
        "complaints": (f"{path}={bad!r} is not accepted", f"accepted values: {accepted}"),
    }


_RUNNING_JOB = {"JobId": JOB, "Operation": "UpdateBackendAPI"}
_AUTH_MODES = "API_KEY, AWS_IAM, AMAZON_COGNITO_USER_POOLS, OPENID_CONNECT"

CASES: dict[str, Case] = {
    "CloneBackend": Case(STAGING | {"TargetEnvironmentName": "copy"}, **_missing("target_environment_name")),
    "CreateBackend": Case(
        {"AppName": "shop", "BackendEnvironmentName": "blank", "ResourceName": "blank"},
        wrong={"resource_config": {"Size": 3}},
        complaints=("resource_config.Size is not a member of", "accepted members: none at all"),
    ),
    "DeleteBackend": Case(STAGING, **_missing("backend_environment_name")),
    "RemoveAllBackends": Case(
        {"CleanAmplifyApp": False},
        wrong={"clean_amplify_app": "perhaps"},
        complaints=("clean_amplify_app='perhaps' must be true or false",),
    ),
    "GetBackend": Case(STAGING, answer={"BackendEnvironmentName": "staging"}, **_text("backend_environment_name")),
    "CreateBackendAuth": Case(
        STAGING | {"ResourceName": "people", "ResourceConfig": AUTH},
        **_not_accepted(
            "resource_config",
            AUTH | {"UserPoolConfigs": AUTH["UserPoolConfigs"] | {"Mfa": {"MFAMode": "MAYBE"}}},
            "resource_config.UserPoolConfigs.Mfa.MFAMode",
            "MAYBE",
            "ON, OFF, OPTIONAL",
        ),
    ),
    "UpdateBackendAuth": Case(
        STAGING | {"ResourceName": "main", "ResourceConfig": NEW_AUTH},
        environment=FULL,
        **_not_accepted(
            "resource_config",
            NEW_AUTH | {"UserPoolConfigs": {"PasswordPolicy": {"AdditionalConstraints": ["X"], "MinimumLength": 8}}},
            "resource_config.UserPoolConfigs.PasswordPolicy.AdditionalConstraints[0]",
            "X",
            "REQUIRE_DIGIT, REQUIRE_LOWERCASE, REQUIRE_SYMBOL, REQUIRE_UPPERCASE",
        ),
    ),
    "ImportBackendAuth": Case(
        STAGING
        | {"NativeClientId": "native", "UserPoolId": "us-east-1_A", "WebClientId": "web", "IdentityPoolId": "us:1"},
        **_missing("user_pool_id"),
    ),
    "DeleteBackendAuth": Case(STAGING | {"ResourceName": "main"}, environment=FULL, **_text("resource_name")),
    "GetBackendAuth": Case(
        STAGING | {"ResourceName": "main"}, environment=FULL, answer={"ResourceName": "main"}, **_missing("app_id")
    ),
    "CreateBackendAPI": Case(
        STAGING | {"ResourceName": "notes", "ResourceConfig": API},
        **_not_accepted(
            "resource_config",
            API | {"DefaultAuthType": {"Mode": "PASSWORD"}},
            "resource_config.DefaultAuthType.Mode",
            "PASSWORD",
            _AUTH_MODES,
        ),
    ),
    "UpdateBackendAPI": Case(
        STAGING | {"ResourceName": "graph", "ResourceConfig": {"TransformSchema": "type A @model { id: ID! }"}},
        environment=FULL,
        **_not_accepted(
            "resource_config",
            {"ConflictResolution": {"ResolutionStrategy": "DICE"}},
            "resource_config.ConflictResolution.ResolutionStrategy",
            "DICE",
            "OPTIMISTIC_CONCURRENCY, LAMBDA, AUTOMERGE, NONE",
        ),
    ),
    "DeleteBackendAPI": Case(
        STAGING | {"ResourceName": "graph"},
        environment=FULL,
        **_not_accepted(
            "resource_config",
            {"AdditionalAuthTypes": [{"Mode": "AWS_IAM"}, {"Mode": "NO"}]},
            "resource_config.AdditionalAuthTypes[1].Mode",
            "NO",
            _AUTH_MODES,
        ),
    ),
    "GetBackendAPI": Case(
        STAGING | {"ResourceName": "graph"},
        environment=FULL,
        answer={"ResourceName": "graph"},
        wrong={"resource_config": {"Name": "graph"}},
        complaints=("resource_config.Name is not a member of", "accepted members: AdditionalAuthTypes, ApiName"),
    ),
    "GenerateBackendAPIModels": Case(STAGING | {"ResourceName": "graph"}, environment=FULL, **_missing("app_id")),
    "GetBackendAPIModels": Case(
        STAGING | {"ResourceName": "graph"}, environment=FULL, answer={"Status": "STALE"}, **_missing("resource_name")
    ),
    "CreateBackendStorage": Case(
        STAGING | {"ResourceName": "pictures", "ResourceConfig": STORAGE | {"BucketName": "pictures"}},
        **_not_accepted(
            "resource_config",
            STORAGE | {"Permissions": {"Authenticated": ["READ", "WRITE"]}},
            "resource_config.Permissions.Authenticated[1]",
            "WRITE",
            "READ, CREATE_AND_UPDATE, DELETE",
        ),
    ),
    "UpdateBackendStorage": Case(
        STAGING | {"ResourceName": "files", "ResourceConfig": STORAGE},
        environment=FULL,
        **_not_accepted(
            "resource_config", STORAGE | {"ServiceName": "NFS"}, "resource_config.ServiceName", "NFS", "S3"
        ),
    ),
    "ImportBackendStorage": Case(
        STAGING | {"ServiceName": "S3", "BucketName": "old-pictures"},
        **_not_accepted("service_name", "DynamoDB", "service_name", "DynamoDB", "S3"),
    ),
    "DeleteBackendStorage": Case(
        STAGING | {"ResourceName": "files", "ServiceName": "S3"},
        environment=FULL,
        **_not_accepted("service_name", "s3", "service_name", "s3", "S3"),
    ),
    "GetBackendStorage": Case(
        STAGING | {"ResourceName": "files"}, environment=FULL, answer={"ResourceName": "files"}, **_text("app_id")
    ),
    "ListS3Buckets": Case({}, wrong={"max_items": 0}, complaints=("max_items=0 must be a number, 1 or more",)),
    "CreateBackendConfig": Case({"BackendManagerAppId": "dmanager"}, **_text("backend_manager_app_id")),
    "UpdateBackendConfig": Case(
        {"LoginAuthConfig": {"AwsUserPoolsId": "us-east-1_B", "AwsCognitoRegion": "us-east-1"}},
        answer={"LoginAuthConfig": {"AwsUserPoolsId": "us-east-1_B", "AwsCognitoRegion": "us-east-1"}},
        wrong={"login_auth_config": {"UserPoolId": "us-east-1_B"}},
        complaints=("login_auth_config.UserPoolId is not a member of", "accepted members: AwsCognitoIdentityPoolId"),
    ),
    "RemoveBackendConfig": Case({}, **_missing("app_id")),
    "CreateToken": Case({}, **_text("app_id")),
    "GetToken": Case({"SessionId": SESSION}, answer={"SessionId": SESSION}, **_text("session_id")),
    "DeleteToken": Case({"SessionId": SESSION}, answer={"IsSuccess": True}, **_missing("session_id")),
    "GetBackendJob": Case(STAGING | {"JobId": JOB}, answer=_RUNNING_JOB, **_missing("job_id")),
    "ListBackendJobs": Case(
        STAGING | {"Status": "RUNNING", "MaxResults": 20},
        wrong={"max_results": 26},
        complaints=("max_results=26 is out of range; accepted: 1 to 25",),
    ),
    "UpdateBackendJob": Case(
        STAGING | {"JobId": JOB, "Status": "FAILED"}, answer=_RUNNING_JOB | {"Status": "FAILED"}, **_text("status")
    ),
}
JOBS = tuple(JOB_OPERATIONS)
APPS = {operation: f"dop{index:02}" for index, operation in enumerate(CASES)}


@pytest.fixture(scope="session", autouse=True)
def shared_botocore_data() -> Iterator[None]:
    """Read botocore's data files once: each task makes clients of its own, and here all tasks run in one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lru_cache(botocore.loaders.create_loader))
        yield


def seed(service: Any) -> None:
    """Give each operation an app of its own, so that no operation's job is in another's way."""
    service.control.seed(apps=[_app(operation, case) for operation, case in CASES.items()])


def _app(operation: str, case: Case) -> dict[str, Any]:
    app: dict[str, Any] = {"app_id": APPS[operation], "app_name": "shop", "environments": [case.environment]}
    if operation in ("UpdateBackendConfig", "RemoveBackendConfig"):
        app["config"] = {"BackendManagerAppId": "d9"}
    if operation.endswith(("BackendJob", "BackendJobs")):
        app["jobs"] = [{"environment": "staging", "job_id": f"job-of-{APPS[operation]}", "status": "RUNNING"}]
    return app


def real_ids(service: Any) -> dict[str, dict[str, str]]:
    """What JOB and SESSION stand for, by operation. Makes the sessions."""
    client = service.client()
    return {
        operation: {
            JOB: f"job-of-{app_id}",
            SESSION: client.create_token(AppId=app_id)["SessionId"] if "SessionId" in CASES[operation].request else "",
        }
        for operation, app_id in APPS.items()
    }


def filled(values: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """The values with real ids for JOB and SESSION."""
    return {name: ids.get(value, value) if isinstance(value, str) else value for name, value in values.items()}


def operator_classes() -> dict[str, type[AmplifyBackendOperator]]:
    """Every operator class of the seven modules, by its name."""
    found: dict[str, type[AmplifyBackendOperator]] = {}
    for name in RESOURCES:
        module = importlib.import_module(f"airflow_provider_amplifybackend.operators.{name}")
        for attribute, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__ and not attribute.startswith("_"):
                found[attribute] = value
    return found


def parameters(operation: str, ids: dict[str, str] | None = None) -> dict[str, Any]:
    """The operator's parameters for the request of an operation."""
    given = {"AppId": APPS[operation]} | filled(CASES[operation].request, ids or {})
    names = {member: parameter for parameter, member in service_model.members(operation).items()}
    return {names[member]: value for member, value in given.items() if member in names}


def task(operation: str, ids: dict[str, str] | None = None, **more: Any) -> str:
    """The line of a DAG file that makes the operator of an operation."""
    given = {"task_id": operation} | parameters(operation, ids) | more
    return f"{operation}Operator(" + ", ".join(f"{name}={value!r}" for name, value in given.items()) + ")"
