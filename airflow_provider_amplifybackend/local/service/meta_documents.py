"""`AmplifyMetaConfig` and `AmplifyFeatureFlags`: JSON strings, shaped like real amplify-meta.json and cli.json."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from airflow_provider_amplifybackend.local.service.ids import Ids
from airflow_provider_amplifybackend.local.service.store import App, Environment, Resource, Store

_SERVICES = {"auth": "Cognito", "api": "AppSync", "storage": "S3"}

# What the Amplify CLI writes for a new project (amplify-cli, feature flags).
_FEATURE_FLAGS = {
    "features": {
        "graphqltransformer": {
            "addmissingownerfields": True,
            "improvepluralization": False,
            "validatetypenamereservedwords": True,
            "useexperimentalpipelinedtransformer": True,
            "enableiterativegsiupdates": True,
            "secondarykeyasgsi": True,
            "skipoverridemutationinputtypes": True,
            "transformerversion": 2,
            "suppressschemamigrationprompt": True,
        },
        "auth": {
            "enablecaseinsensitivity": True,
            "useinclusiveterminology": True,
            "breakcirculardependency": True,
        },
        "codegen": {"useappsyncmodelgenplugin": True, "usedocsgeneratorplugin": True},
    }
}


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
    """Lower case letters and digits: stack and bucket names allow no more."""
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
    """A bucket name is unique in the world: the clone's bucket carries its environment's name."""
    cloned = copy.deepcopy(config)
    if kind == "storage" and cloned.get("BucketName"):
        cloned["BucketName"] = f"{cloned['BucketName'][:45]}-{_slug(target)}"
    return cloned


def compact(document: Any) -> str:
    """JSON without spaces, as the real service answers it: scripts grep for it."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def amplify_meta(environment: Environment) -> str:
    if environment.meta is not None:
        return environment.meta
    meta: dict[str, Any] = {"providers": {"awscloudformation": environment.provider}}
    for kind in _SERVICES:
        entries = {name: _entry(kind, environment, resource) for name, resource in environment.resources(kind).items()}
        if entries:
            meta[kind] = entries
    return compact(meta)


def _entry(kind: str, environment: Environment, resource: Resource) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "service": _SERVICES[kind],
        "providerPlugin": "awscloudformation",
        "output": dict(resource.outputs),
    }
    if resource.imported:
        entry["serviceType"] = "imported"
    else:
        bucket = environment.provider["DeploymentBucketName"]
        entry["providerMetadata"] = {
            "s3TemplateURL": f"https://s3.amazonaws.com/{bucket}/amplify-cfn-templates/{kind}/"
            f"{resource.name}/build/template.json",
            "logicalId": f"{kind}{resource.name}",
        }
    return entry


def feature_flags() -> str:
    return compact(_FEATURE_FLAGS)
