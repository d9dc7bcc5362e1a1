"""The parts of an environment's stacks: their names, and the resources that its outputs name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_amplifybackend.local.service.ids import Ids
from airflow_provider_amplifybackend.local.service.stack import NESTED, Stack, StackResource
from airflow_provider_amplifybackend.local.service.store import App, Environment, Store

BUCKET = "AWS::S3::Bucket"
ROLE = "AWS::IAM::Role"
TABLE = "AWS::DynamoDB::Table"
USER_POOL = "AWS::Cognito::UserPool"
USER_POOL_CLIENT = "AWS::Cognito::UserPoolClient"
IDENTITY_POOL = "AWS::Cognito::IdentityPool"
API = "AWS::AppSync::GraphQLApi"

DEPLOYMENT_BUCKET = "DeploymentBucket"
DEPLOYMENT_BUCKET_KIND = "deployment_bucket"

# What a deletion can leave behind, by the words of seeds and fault scripts, and which resources that is.
LEFTOVER_TYPES: dict[str, tuple[str, ...]] = {
    "auth": (USER_POOL, USER_POOL_CLIENT, IDENTITY_POOL),
    "api": (API,),
    "tables": (TABLE,),
    "storage": (BUCKET,),
    "roles": (ROLE,),
}
# The deployment bucket, all of the stacks, and the parameters of functions (which no stack has).
LEFTOVERS = ("stack", DEPLOYMENT_BUCKET_KIND, "parameters", *LEFTOVER_TYPES)

# A name of the pools in the outputs, and the resource that has it.
_AUTH = {
    "UserPoolId": ("UserPool", USER_POOL),
    "AppClientID": ("UserPoolClient", USER_POOL_CLIENT),
    "AppClientIDWeb": ("UserPoolClientWeb", USER_POOL_CLIENT),
    "IdentityPoolId": ("IdentityPool", IDENTITY_POOL),
}
_TYPE = re.compile(r"\btype\s+(\w+)")
_MODEL = re.compile(r"@model\b")
_LONGEST_STACK_NAME = 128


def leftover_kind(resource: StackResource) -> str:
    """Return the word for a resource in seeds and fault scripts."""
    if resource.logical_id == DEPLOYMENT_BUCKET:
        return DEPLOYMENT_BUCKET_KIND
    return next((kind for kind, types in LEFTOVER_TYPES.items() if resource.type in types), "")


def root_stack(app: App, environment: Environment, moment: float) -> Stack:
    provider = environment.provider
    return Stack(
        name=provider["StackName"],
        stack_id=provider["StackId"],
        created=moment,
        resources=(
            StackResource(DEPLOYMENT_BUCKET, provider["DeploymentBucketName"], BUCKET),
            StackResource("AuthRole", provider["AuthRoleName"], ROLE),
            StackResource("UnauthRole", provider["UnauthRoleName"], ROLE),
        ),
        outputs={name: value for name, value in provider.items() if name != "AmplifyAppId"},
        # As the Amplify CLI's tags.json has them for a new project.
        tags={"user:Application": app.name[:256], "user:Stack": environment.name},
    )


def nested_stack(
    store: Store, root: Stack, kind: str, name: str, ids: Ids, resources: tuple[StackResource, ...], moment: float
) -> Stack:
    logical_id = logical_id_of(kind, name, ids)
    ending = f"-{logical_id[:40]}-{ids.lower('stack', 12).upper()}"
    stack_name = f"{root.name[: _LONGEST_STACK_NAME - len(ending)]}{ending}"
    return Stack(
        name=stack_name,
        stack_id=stack_arn(store, stack_name, ids.uuid("stack")),
        created=moment,
        resources=resources,
        tags=root.tags,
        parent_id=root.stack_id,
        root_id=root.stack_id,
    )


def stack_arn(store: Store, name: str, unique: str) -> str:
    return f"arn:aws:cloudformation:{store.region}:{store.account}:stack/{name}/{unique}"


def nested_resource(kind: str, name: str, ids: Ids, nested: Stack) -> StackResource:
    return StackResource(logical_id_of(kind, name, ids), nested.stack_id, NESTED)


def logical_id_of(kind: str, name: str, ids: Ids) -> str:
    """Return the name of a nested stack in its root's template: letters and digits, so odd names need an ending."""
    plain = re.sub(r"[^A-Za-z0-9]", "", name)
    return f"{kind}{plain}" if plain == name and name else f"{kind}{plain}{ids.lower('logical', 6)}"


def resources_of(
    kind: str, environment: str, outputs: Mapping[str, str], config: Mapping[str, Any]
) -> tuple[StackResource, ...]:
    """Return the resources of a nested stack: those that the outputs name, and the tables of an API's models."""
    if kind == "auth":
        return tuple(
            StackResource(logical_id, outputs[output], type_)
            for output, (logical_id, type_) in _AUTH.items()
            if output in outputs
        )
    if kind == "storage":
        return (StackResource("S3Bucket", outputs["BucketName"], BUCKET),)
    return (
        StackResource("GraphQLAPI", outputs["GraphQLAPIIdOutput"], API),
        *_tables(environment, outputs["GraphQLAPIIdOutput"], config),
    )


def _tables(environment: str, api_id: str, config: Mapping[str, Any]) -> Iterator[StackResource]:
    """Return a table per model; real ones lie in nested stacks of the API's own, under the same names."""
    # Split rather than matched whole: the time stays linear, whatever the schema.
    _, *parts = _TYPE.split(config.get("TransformSchema") or "")
    models = {name for name, text in zip(parts[::2], parts[1::2], strict=True) if _MODEL.search(text)}
    for model in sorted(models):
        if model.isascii():
            name = re.sub(r"[^A-Za-z0-9_.-]", "", f"{model[:100]}-{api_id}-{environment}")[:255]
            yield StackResource(f"{model.replace('_', '')}Table", name, TABLE)
