"""Auth resources: Cognito user pools and identity pools."""

from __future__ import annotations

import copy
from typing import Any

from airflow_provider_amplifybackend.local.service import stack_outputs
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation
from airflow_provider_amplifybackend.local.service.operations import _resource

_KIND = "auth"


def create_auth(invocation: Invocation) -> Answer:
    return _resource.create(invocation, _KIND)


def update_auth(invocation: Invocation) -> Answer:
    return _resource.update(invocation, _KIND)


def delete_auth(invocation: Invocation) -> Answer:
    return _resource.delete(invocation, _KIND)


def get_auth(invocation: Invocation) -> Answer:
    resource = invocation.resource(_KIND, invocation.parameters["ResourceName"])
    config = copy.deepcopy(resource.config)
    if invocation.settings.auth_omits_additional_constraints:
        config["UserPoolConfigs"].get("PasswordPolicy", {}).pop("AdditionalConstraints", None)
    return _resource.read(invocation, resource, config)


def import_auth(invocation: Invocation) -> Answer:
    parameters = invocation.parameters
    outputs = {
        "UserPoolId": parameters["UserPoolId"],
        "UserPoolArn": stack_outputs.user_pool_arn(invocation.store, parameters["UserPoolId"]),
        "AppClientID": parameters["NativeClientId"],
        "AppClientIDWeb": parameters["WebClientId"],
    }
    if "IdentityPoolId" in parameters:
        outputs["IdentityPoolId"] = parameters["IdentityPoolId"]
    if invocation.settings.native_client_secret:
        outputs |= stack_outputs.native_client_secret(invocation.environment().ids.child(_KIND, "imported"))
    return _resource.import_(invocation, _KIND, _imported_config(parameters), outputs)


def _imported_config(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration for GetBackendAuth to answer: an import tells only the ids of one."""
    config: dict[str, Any] = {
        "AuthResources": "USER_POOL_ONLY",
        "Service": "COGNITO",
        "UserPoolConfigs": {
            "RequiredSignUpAttributes": [],
            "SignInMethod": "USERNAME",
            "UserPoolName": parameters["UserPoolId"],
        },
    }
    if "IdentityPoolId" in parameters:
        config["AuthResources"] = "IDENTITY_POOL_AND_USER_POOL"
        config["IdentityPoolConfigs"] = {
            "IdentityPoolName": parameters["IdentityPoolId"],
            "UnauthenticatedLogin": False,
        }
    return config


HANDLERS: dict[str, Handler] = {
    "CreateBackendAuth": create_auth,
    "UpdateBackendAuth": update_auth,
    "DeleteBackendAuth": delete_auth,
    "GetBackendAuth": get_auth,
    "ImportBackendAuth": import_auth,
}
