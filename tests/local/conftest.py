from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config

# By name and not through the entry point: these tests also run from a checkout that is not installed.
from airflow_provider_amplifybackend.local.pytest_plugin import (  # noqa: F401
    local_amplifybackend,
    local_amplifybackend_server,
)
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP


@pytest.fixture
def backend(local_amplifybackend: LocalAmplifyBackend) -> LocalAmplifyBackend:  # noqa: F811
    """A running service that knows one app with a full `staging`, and whose clock only moves when told."""
    local_amplifybackend.control.set_clock(frozen=True)
    local_amplifybackend.control.seed_app(
        APP,
        {"name": "staging", "auth": {"main": None}, "api": {"graph": None}, "storage": {"files": None}},
        app_name="shop",
    )
    return local_amplifybackend


@pytest.fixture
def client(backend: LocalAmplifyBackend) -> Iterator[Any]:
    """boto3 without retries: every fault is seen, and every request is one entry in the journal."""
    made = backend.client(config=Config(retries={"total_max_attempts": 1}, read_timeout=10))
    yield made
    made.close()


@pytest.fixture
def finish(backend: LocalAmplifyBackend, client: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Let the job of an answer run to its end, and return its row."""

    def run(answer: dict[str, Any]) -> dict[str, Any]:
        backend.control.advance(60)
        row: dict[str, Any] = client.get_backend_job(
            AppId=answer["AppId"],
            BackendEnvironmentName=answer.get("BackendEnvironmentName", "staging"),
            JobId=answer["JobId"],
        )
        return row

    return run


@pytest.fixture
def auth_config() -> dict[str, Any]:
    return {
        "AuthResources": "IDENTITY_POOL_AND_USER_POOL",
        "IdentityPoolConfigs": {"IdentityPoolName": "people", "UnauthenticatedLogin": True},
        "Service": "COGNITO",
        "UserPoolConfigs": {
            "Mfa": {"MFAMode": "OPTIONAL", "Settings": {"MfaTypes": ["TOTP"]}},
            "OAuth": {
                "DomainPrefix": "shop",
                "OAuthGrantType": "CODE",
                "OAuthScopes": ["OPENID"],
                "RedirectSignInURIs": ["https://example.com/"],
                "RedirectSignOutURIs": ["https://example.com/out/"],
                "SocialProviderSettings": {
                    "Google": {"ClientId": "g", "ClientSecret": "gs"},
                    "SignInWithApple": {"ClientId": "a", "KeyId": "k", "PrivateKey": "pk", "TeamId": "t"},
                },
            },
            "PasswordPolicy": {"AdditionalConstraints": ["REQUIRE_DIGIT"], "MinimumLength": 12.0},
            "RequiredSignUpAttributes": ["EMAIL"],
            "SignInMethod": "EMAIL",
            "UserPoolName": "people",
        },
    }


@pytest.fixture
def api_config() -> dict[str, Any]:
    return {
        "ApiName": "notes",
        "DefaultAuthType": {"Mode": "API_KEY", "Settings": {"ExpirationTime": 7.0}},
        "Service": "AppSync",
        "TransformSchema": "type Note @model { id: ID! tags: [String] }",
    }


@pytest.fixture
def storage_config() -> dict[str, Any]:
    return {
        "BucketName": "shop-files",
        "Permissions": {"Authenticated": ["READ"], "UnAuthenticated": ["READ"]},
        "ServiceName": "S3",
    }
