"""The outputs of environments and resources: names, ids and ARNs as CloudFormation would give them."""

from __future__ import annotations

import copy
import re
from typing import Any

from airflow_provider_amplifybackend.local.service.ids import Ids
from airflow_provider_amplifybackend.local.service.store import App, Environment, Store


def provider_outputs(store: Store, app: App, environment: str, ids: Ids) -> dict[str, str]:
    number = ids.digits("stack", 6)
    stack = f"amplify-{_slug(app.name)}-{_slug(environment)}-{number}"
    arn = f"arn:aws:cloudformation:{store.region}:{store.account}:stack/{stack}/{ids.uuid('stack')}"
    role = f"arn:aws:iam::{store.account}:role"
    return {
        "AuthRoleName": f"{stack}-authRole",
        "UnauthRoleArn": f"{role}/{stack}-unauthRole",
        "AuthRoleArn": f"{role}/{stack}-authRole",
        "Region": store.region,
        "DeploymentBucketName": f"{stack[:50]}-deployment",
        "UnauthRoleName": f"{stack}-unauthRole",
        "StackName": stack,
        "StackId": arn,
        "AmplifyAppId": app.app_id,
    }


def _slug(text: str) -> str:
    """Return the lower case letters and digits of a text: stack and bucket names allow no more."""
    return re.sub(r"[^a-z0-9]", "", text.lower())[:16] or "app"


def deployment_bucket(environment: Environment) -> dict[str, str]:
    return {
        "BucketName": environment.provider["DeploymentBucketName"],
        "Region": environment.provider["Region"],
    }


def resource_outputs(
    kind: str,
    store: Store,
    environment: Environment,
    ids: Ids,
    name: str,
    config: dict[str, Any],
    *,
    client_secret: bool = False,
) -> dict[str, str]:
    if kind == "auth":
        outputs = _auth_outputs(store, environment, ids, config)
        return {**outputs, **native_client_secret(ids)} if client_secret else outputs
    if kind == "api":
        return _api_outputs(store, ids, config)
    return {
        "BucketName": config.get("BucketName") or f"{_slug(name)}{ids.lower('bucket', 12)}-{_slug(environment.name)}",
        "Region": store.region,
    }


def _auth_outputs(store: Store, environment: Environment, ids: Ids, config: dict[str, Any]) -> dict[str, str]:
    pool_id = f"{store.region}_{ids.mixed('pool', 9)}"
    outputs = {
        "UserPoolId": pool_id,
        "UserPoolArn": user_pool_arn(store, pool_id),
        "UserPoolName": f"{config['UserPoolConfigs']['UserPoolName']}-{environment.name}",
        "AppClientID": ids.lower("native client", 26),
        "AppClientIDWeb": ids.lower("web client", 26),
    }
    if config["AuthResources"] == "IDENTITY_POOL_AND_USER_POOL":
        identity = config.get("IdentityPoolConfigs", {}).get("IdentityPoolName", "identitypool")
        outputs["IdentityPoolId"] = f"{store.region}:{ids.uuid('identity pool')}"
        outputs["IdentityPoolName"] = f"{identity}__{environment.name}"
    return outputs


def native_client_secret(ids: Ids) -> dict[str, str]:
    return {"AppClientSecret": ids.lower("native client secret", 51)}


def user_pool_arn(store: Store, pool_id: str) -> str:
    return f"arn:aws:cognito-idp:{store.region}:{store.account}:userpool/{pool_id}"


def _api_outputs(store: Store, ids: Ids, config: dict[str, Any]) -> dict[str, str]:
    host = ids.lower("endpoint", 26)
    outputs = {
        "GraphQLAPIIdOutput": ids.lower("api", 26),
        "GraphQLAPIEndpointOutput": f"https://{host}.appsync-api.{store.region}.amazonaws.com/graphql",
    }
    if "API_KEY" in _auth_modes(config):
        outputs["GraphQLAPIKeyOutput"] = f"da2-{ids.lower('key', 26)}"
    return outputs


def _auth_modes(config: dict[str, Any]) -> set[str]:
    types = [config.get("DefaultAuthType", {}), *config.get("AdditionalAuthTypes", ())]
    # Amplify's default is an API key.
    return {entry["Mode"] for entry in types if "Mode" in entry} or {"API_KEY"}


def cloned_config(kind: str, config: dict[str, Any], target: str) -> dict[str, Any]:
    """Return a clone's configuration: its bucket carries its environment's name, as bucket names are unique."""
    cloned = copy.deepcopy(config)
    if kind == "storage" and cloned.get("BucketName"):
        cloned["BucketName"] = f"{cloned['BucketName'][:45]}-{_slug(target)}"
    return cloned
