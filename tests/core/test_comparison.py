"""What a completed job left, compared with what was asked for."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import comparison as effects
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError

HERE = {"AppId": "d1", "BackendEnvironmentName": "staging"}
AUTH: dict[str, Any] = {
    "AuthResources": "IDENTITY_POOL_AND_USER_POOL",
    "IdentityPoolConfigs": {"IdentityPoolName": "people", "UnauthenticatedLogin": False},
    "Service": "COGNITO",
    "UserPoolConfigs": {
        "OAuth": {
            "OAuthGrantType": "CODE",
            "OAuthScopes": ["OPENID", "EMAIL"],
            "SocialProviderSettings": {"Google": {"ClientId": "g", "ClientSecret": "hush"}},
        },
        "PasswordPolicy": {"AdditionalConstraints": ["REQUIRE_DIGIT"], "MinimumLength": 12.0},
        "RequiredSignUpAttributes": ["EMAIL", "NAME"],
        "SignInMethod": "EMAIL",
        "UserPoolName": "people",
    },
}
CREATE_AUTH = {**HERE, "ResourceName": "main", "ResourceConfig": AUTH}
MISSING = ServiceError(FaultKind.NOT_FOUND, "Get", "NotFoundException", "no")


def compare(operation: str, request: dict[str, Any], answer: dict[str, Any] | ServiceError) -> str | None:
    looking = effects.difference(operation, request)
    try:
        next(looking)
        if isinstance(answer, ServiceError):
            looking.throw(answer)
        else:
            looking.send(answer)
    except StopIteration as end:
        difference: str | None = end.value
        return difference
    raise AssertionError("one look is enough")


def changed(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(AUTH)
    *parents, name = path.split(".")
    place = config
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[name]
    else:
        place[name] = value
    return config


SAME = {
    "more than was asked for": changed("UserPoolConfigs.Mfa", {"MFAMode": "OFF"}),
    "a redacted secret": changed("UserPoolConfigs.OAuth.SocialProviderSettings.Google.ClientSecret", "***"),
    "no secret at all": changed("UserPoolConfigs.OAuth.SocialProviderSettings.Google.ClientSecret", None),
    "constraints left out": changed("UserPoolConfigs.PasswordPolicy.AdditionalConstraints", None),
    "another order": changed("UserPoolConfigs.OAuth.OAuthScopes", ["EMAIL", "OPENID"]),
    "a whole number": changed("UserPoolConfigs.PasswordPolicy.MinimumLength", 12),
    "the environment's name appended": changed("UserPoolConfigs.UserPoolName", "people-staging"),
    "what is off left out": changed("IdentityPoolConfigs.UnauthenticatedLogin", None),
}
OTHER = {
    "UserPoolConfigs.PasswordPolicy.MinimumLength": 8,
    "UserPoolConfigs.PasswordPolicy.AdditionalConstraints": ["REQUIRE_SYMBOL"],
    "UserPoolConfigs.UserPoolName": "peoples",
    "UserPoolConfigs.OAuth.OAuthScopes": ["OPENID"],
    "UserPoolConfigs.OAuth.SocialProviderSettings.Google.ClientId": "other",
    "UserPoolConfigs.RequiredSignUpAttributes": ["EMAIL", "NAME", "PHONE_NUMBER"],
    "UserPoolConfigs.SignInMethod": None,
    "IdentityPoolConfigs.UnauthenticatedLogin": True,
}


@pytest.mark.parametrize("what", SAME)
def test_a_configuration_that_holds_what_was_asked_for_is_no_difference(what: str) -> None:
    assert compare("CreateBackendAuth", CREATE_AUTH, {"ResourceConfig": SAME[what]}) is None


@pytest.mark.parametrize("path", OTHER)
@pytest.mark.parametrize("operation", ["CreateBackendAuth", "UpdateBackendAuth"])
def test_a_member_that_is_not_as_asked_for_is_named_without_its_value(operation: str, path: str) -> None:
    found = compare(operation, CREATE_AUTH, {"ResourceConfig": changed(path, OTHER[path])})
    assert found == f"auth main differs in ResourceConfig.{path}"


def test_api_types_are_compared_in_any_order() -> None:
    types = [{"Mode": "AWS_IAM"}, {"Mode": "API_KEY", "Settings": {"ExpirationTime": 7.0}}]
    wanted = {"AdditionalAuthTypes": types, "TransformSchema": "type A @model {\n  id: ID!\n}"}
    shown = {"AdditionalAuthTypes": types[::-1], "TransformSchema": "type A @model { id: ID! }", "ApiName": "a"}
    request = {**HERE, "ResourceName": "graph", "ResourceConfig": wanted}
    assert compare("UpdateBackendAPI", request, {"ResourceConfig": shown}) is None
    commented = shown | {"TransformSchema": "type A # @model { id: ID! }"}
    assert "TransformSchema" in str(compare("UpdateBackendAPI", request, {"ResourceConfig": commented}))
    fewer = shown | {"AdditionalAuthTypes": types[:1]}
    assert "AdditionalAuthTypes" in str(compare("UpdateBackendAPI", request, {"ResourceConfig": fewer}))


@pytest.mark.parametrize("resource", ["Auth", "API", "Storage"])
def test_a_resource_is_there_after_its_creation_and_gone_after_its_removal(resource: str) -> None:
    request = {**HERE, "ResourceName": "main", "ResourceConfig": {}}
    assert compare(f"CreateBackend{resource}", request, {"ResourceConfig": {}}) is None
    assert "does not exist" in str(compare(f"CreateBackend{resource}", request, MISSING))
    assert compare(f"DeleteBackend{resource}", request, MISSING) is None
    assert "still exists" in str(compare(f"DeleteBackend{resource}", request, {"ResourceConfig": {}}))


POOL = {"UserPoolId": "us-east-1_A", "AppClientID": "native", "AppClientIDWeb": "web"}
IMPORTS = {
    "ImportBackendAuth": (
        {**HERE, "NativeClientId": "native", "UserPoolId": "us-east-1_A", "WebClientId": "web"},
        "auth",
        POOL,
    ),
    "ImportBackendStorage": ({**HERE, "ServiceName": "S3", "BucketName": "b"}, "storage", {"BucketName": "b"}),
}


@pytest.mark.parametrize("operation", IMPORTS)
def test_an_import_is_seen_in_the_outputs(operation: str) -> None:
    request, category, outputs = IMPORTS[operation]

    def document(*found: dict[str, Any]) -> dict[str, Any]:
        entries = {f"name{number}": {"output": output} for number, output in enumerate(found)}
        return {"AmplifyMetaConfig": json.dumps({category: entries | {"odd": None}})}

    assert compare(operation, request, document({"more": "x"}, outputs)) is None
    name = next(iter(outputs))
    assert name in str(compare(operation, request, document(outputs | {name: "other"})))
    assert name in str(compare(operation, request, document()))
    assert compare(operation, request, {"BackendEnvironmentList": ["staging"]}) is None  # nothing is shown
    assert compare(operation, request, {"BackendEnvironmentList": []}) == "environment staging does not exist"


@pytest.mark.parametrize("operation", ["CloneBackend", "CreateBackend"])
def test_an_environment_exists_after_its_creation(operation: str) -> None:
    request = {"AppId": "d1", "BackendEnvironmentName": "pr1"}
    if operation == "CloneBackend":
        request = {**HERE, "TargetEnvironmentName": "pr1"}
    assert compare(operation, request, {"BackendEnvironmentList": ["staging", "pr1"]}) is None
    assert compare(operation, request, {"BackendEnvironmentList": ["staging"]}) == "environment pr1 does not exist"
    assert compare(operation, request, MISSING) == "environment pr1 does not exist"


def test_an_error_is_not_a_difference() -> None:
    with pytest.raises(ServiceError):
        compare("CreateBackendAuth", CREATE_AUTH, ServiceError(FaultKind.THROTTLED, "Get", "429", "slow"))


@pytest.mark.parametrize("operation", sorted(JOB_OPERATIONS))
def test_every_operation_is_compared_or_documented_as_not_comparable(operation: str) -> None:
    request = {**HERE, "ResourceName": "main", "TargetEnvironmentName": "pr1"}
    first = next(effects.difference(operation, request), None)
    not_compared = ("DeleteBackend", "RemoveAllBackends", "GenerateBackendAPIModels", "CreateBackendConfig")
    assert (first is None) == (operation in not_compared)
    assert effects.__doc__
    assert first or operation in effects.__doc__
