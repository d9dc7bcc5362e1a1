"""The resources that outputs and stacks name, made in moto's backends under the same names, and removed there."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from airflow_provider_amplifybackend.local.service import stack_parts

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.service.stack import StackResource
    from airflow_provider_amplifybackend.local.service.store import Store

Outputs = dict[str, str]

# Services whose state moto keeps per account, not per region.
_GLOBAL = frozenset({"s3", "iam"})


def backend(service: str, store: Store) -> Any:
    backends: Any = get_backend(service)  # type: ignore[call-overload]
    return backends[store.account]["aws" if service in _GLOBAL else store.region]


def _whatever_moto_says() -> contextlib.AbstractContextManager[None]:
    """Ignore what goes wrong: a job must not break over what a user did in moto."""
    return contextlib.suppress(Exception)  # moto's exceptions share no base that stays


def _with_known(function: Callable[..., Any], **options: Any) -> Any:
    """Call a function with those of the options that it knows, and None for what else it demands.

    The parameters of moto's backends differ between its versions.
    """
    parameters = inspect.signature(function).parameters.values()
    wanted = {one.name: options.get(one.name) for one in parameters if one.name in options or one.default is one.empty}
    return function(**wanted)


def make(store: Store, resource: StackResource) -> None:
    """Make a bucket, a role or a table; one of that name may be there already."""
    name = resource.physical_id
    with _whatever_moto_says():
        if resource.type == stack_parts.BUCKET:
            backend("s3", store).create_bucket(name, store.region)
        elif resource.type == stack_parts.ROLE:
            _create_role(store, name)
        elif resource.type == stack_parts.TABLE:
            _create_table(store, name)


def remove(store: Store, resource: StackResource) -> None:
    """Remove a resource. What a user's own clean-up removed before is gone: that is what was wanted."""
    name = resource.physical_id
    with _whatever_moto_says():
        match resource.type:
            case stack_parts.BUCKET:
                backend("s3", store).delete_bucket(name)
            case stack_parts.ROLE:
                backend("iam", store).delete_role(name)
            case stack_parts.TABLE:
                backend("dynamodb", store).delete_table(name)
            case stack_parts.USER_POOL:
                backend("cognito-idp", store).delete_user_pool(name)
            case stack_parts.IDENTITY_POOL:
                backend("cognito-identity", store).delete_identity_pool(name)
            case stack_parts.API:
                backend("appsync", store).delete_graphql_api(name)


def remove_parameters(store: Store, prefix: str) -> None:
    """Remove the SSM parameters below a path, where the Amplify CLI keeps the secrets of functions."""
    ssm = backend("ssm", store)
    for name in [name for name in ssm._parameters if name.startswith(prefix)]:
        with _whatever_moto_says():
            ssm.delete_parameter(name)


def _create_role(store: Store, name: str) -> None:
    statement = {"Effect": "Deny", "Principal": {"Federated": "cognito-identity.amazonaws.com"}}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Action": "sts:AssumeRoleWithWebIdentity"}]}
    _with_known(
        backend("iam", store).create_role,
        role_name=name,
        assume_role_policy_document=json.dumps(policy),
        path="/",
        description="",
        tags=[],
        max_session_duration="3600",
    )


def _create_table(store: Store, name: str) -> None:
    _with_known(
        backend("dynamodb", store).create_table,
        name=name,
        schema=[{"AttributeName": "id", "KeyType": "HASH"}],
        attr=[{"AttributeName": "id", "AttributeType": "S"}],
        global_indexes=[],
        indexes=[],
        billing_mode="PAY_PER_REQUEST",
        tags=[],
        deletion_protection_enabled=False,
    )


def create_api(store: Store, outputs: Outputs, config: dict[str, Any]) -> None:
    appsync = backend("appsync", store)
    api = _with_known(
        appsync.create_graphql_api,
        name=config.get("ApiName", "api"),
        authentication_type=config.get("DefaultAuthType", {}).get("Mode", "API_KEY"),
        xray_enabled=False,
        tags={},
        visibility="GLOBAL",
    )
    old_id, api_id = api.api_id, outputs["GraphQLAPIIdOutput"]
    appsync.graphql_apis[api_id] = appsync.graphql_apis.pop(old_id)
    api.api_id, api.arn = api_id, api.arn.replace(old_id, api_id)
    if "GraphQLAPIKeyOutput" in outputs:
        key = api.create_api_key("", None)
        api.api_keys[outputs["GraphQLAPIKeyOutput"]] = api.api_keys.pop(key.key_id)
        key.key_id = outputs["GraphQLAPIKeyOutput"]


def create_user_pool(store: Store, outputs: Outputs) -> None:
    idp = backend("cognito-idp", store)
    pool = idp.create_user_pool(outputs["UserPoolName"], {})
    idp.user_pools[outputs["UserPoolId"]] = idp.user_pools.pop(pool.id)
    pool.id, pool.arn = outputs["UserPoolId"], outputs["UserPoolArn"]
    for member, name in (("AppClientID", "native"), ("AppClientIDWeb", "web")):
        flows = {"ClientName": name, "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]}
        secret = outputs.get("AppClientSecret") if name == "native" else None
        client = idp.create_user_pool_client(pool.id, secret is not None, flows)
        client.secret = secret or client.secret
        pool.clients[outputs[member]] = pool.clients.pop(client.id)
        client.id = outputs[member]


def create_identity_pool(store: Store, outputs: Outputs, config: dict[str, Any]) -> None:
    identity = backend("cognito-identity", store)
    open_to_all = config.get("IdentityPoolConfigs", {}).get("UnauthenticatedLogin", False)
    host = f"cognito-idp.{store.region}.amazonaws.com"
    providers = [
        {"ProviderName": f"{host}/{outputs['UserPoolId']}", "ClientId": outputs[member], "ServerSideTokenCheck": False}
        for member in ("AppClientID", "AppClientIDWeb")
    ]
    made = identity.create_identity_pool(
        identity_pool_name=outputs["IdentityPoolName"].replace("/", "-"),
        allow_unauthenticated_identities=open_to_all,
        supported_login_providers={},
        developer_provider_name="",
        open_id_connect_provider_arns=[],
        cognito_identity_providers=providers,
        saml_provider_arns=[],
        tags={},
    )
    del made  # its form differs between versions of moto: take the pool from the table
    new_id = next(reversed(identity.identity_pools))
    pool = identity.identity_pools.pop(new_id)
    pool.identity_pool_id = outputs["IdentityPoolId"]
    identity.identity_pools[pool.identity_pool_id] = pool
    identity.pools_identities.pop(new_id, None)
    identity.pools_identities[pool.identity_pool_id] = {"IdentityPoolId": pool.identity_pool_id, "Identities": []}
