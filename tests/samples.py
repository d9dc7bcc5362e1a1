"""What most tests ask for: the app of the session's local service, and configurations that the service takes."""

from __future__ import annotations

from typing import Any

APP = "d1a2b3c4d5"


def auth(**user_pool: Any) -> dict[str, Any]:
    """The configuration of a new auth resource: a user pool with these members beside those that it must have."""
    required = {"RequiredSignUpAttributes": ["EMAIL"], "SignInMethod": "EMAIL", "UserPoolName": "people"}
    return auth_change(**required | user_pool)


def auth_change(**user_pool: Any) -> dict[str, Any]:
    """A change of an auth resource: these members of its user pool."""
    return {"AuthResources": "USER_POOL_ONLY", "Service": "COGNITO", "UserPoolConfigs": user_pool}


def storage(access: str = "READ") -> dict[str, Any]:
    """The configuration of a storage resource."""
    return {"Permissions": {"Authenticated": [access]}, "ServiceName": "S3"}
