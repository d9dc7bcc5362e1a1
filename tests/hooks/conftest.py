from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP, auth


@functools.cache
def _hook_for(endpoint_url: str) -> AmplifyBackendHook:
    return AmplifyBackendHook()


@pytest.fixture
def hook(service: LocalAmplifyBackend) -> AmplifyBackendHook:
    """One for all tests: making its clients takes longer than most of them."""
    return _hook_for(service.endpoint_url)


@pytest.fixture
def accepted(service: LocalAmplifyBackend) -> Callable[..., list[dict[str, Any]]]:
    """The requests that took effect, of one operation."""

    def read(operation: str, **filters: Any) -> list[dict[str, Any]]:
        return service.control.journal(operation, effective=True, **filters)

    return read


@pytest.fixture
def sent(service: LocalAmplifyBackend) -> Callable[[str], int]:
    """How many requests of an operation reached the service, whether they took effect or not."""
    return lambda operation: len(service.control.journal(operation))


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch, service: LocalAmplifyBackend) -> Callable[..., str]:
    """Makes a connection with this extra, and returns its id."""
    from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json

    def make(name: str = "other", *, endpoint_url: str | None = None, **extra: Any) -> str:
        content = connection_json(endpoint_url or service.endpoint_url, **extra)
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", content)
        return name

    return make


@pytest.fixture
def auth_request() -> Mapping[str, Any]:
    """A request for an auth resource, with secrets in it."""
    return {
        "AppId": APP,
        "BackendEnvironmentName": "staging",
        "ResourceName": "main",
        "ResourceConfig": auth(
            OAuth={
                "OAuthGrantType": "CODE",
                "OAuthScopes": ["OPENID"],
                "RedirectSignInURIs": ["https://example.com/"],
                "RedirectSignOutURIs": ["https://example.com/out/"],
                "SocialProviderSettings": {
                    "Google": {"ClientId": "google", "ClientSecret": "hush-google"},
                    "SignInWithApple": {
                        "ClientId": "apple",
                        "KeyId": "key",
                        "PrivateKey": "hush-apple",
                        "TeamId": "team",
                    },
                },
            },
        ),
    }
