"""moto on the same endpoint: every other AWS service, and there the pools and buckets that our outputs name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

try:
    from a2wsgi import WSGIMiddleware
    from moto.backends import get_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
except ImportError as missing:
    raise ImportError(
        f"{missing.name} is missing: the local AmplifyBackend needs it for other AWS services. "
        'Install it with: pip install "airflow-provider-amplifybackend[local-moto]"'
    ) from missing

from airflow_provider_amplifybackend.local.http.signature import account_of, credential_of
from airflow_provider_amplifybackend.local.service.errors import bad_request

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.http.asgi import ASGIApp, Receive, Send
    from airflow_provider_amplifybackend.local.service.store import Store

Outputs = dict[str, str]


def moto_app() -> ASGIApp:
    """Return moto's own server application, as ASGI."""
    moto = WSGIMiddleware(_with_raw_uri(DomainDispatcherApplication(create_backend_app)))

    async def answer(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        signed = credential_of(scope["headers"], scope["query_string"])
        account = account_of(signed.access_key_id) if signed else None
        if account is not None:
            # The same account in moto as here.
            scope = {**scope, "headers": [*scope["headers"], (b"x-moto-account-id", account.encode())]}
        await moto(scope, receive, send)  # type: ignore[arg-type]

    return answer


def _with_raw_uri(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Give moto the path as it was sent: it reads S3 keys from RAW_URI, because WSGI unquotes the path."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        scope = environ["asgi.scope"]
        query = scope["query_string"].decode("latin-1")
        environ["RAW_URI"] = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        return app(environ, start_response)

    return answer


class MotoObserver:
    """The counterparts in moto of what AmplifyBackend makes and removes in other services.

    It asks moto's backends directly: a request to ourselves would wait for the loop that sends it. moto
    chooses its own ids, so what it made is filed again under the ids that our outputs have.
    """

    def created(self, store: Store, kind: str, outputs: Outputs, config: dict[str, Any]) -> None:
        try:
            if "UserPoolId" in outputs:
                _create_user_pool(store, outputs)
            if "IdentityPoolId" in outputs:
                _create_identity_pool(store, outputs, config)
        except Exception as refusal:  # moto's exceptions share no base that stays
            raise bad_request(f"{kind}: {refusal}") from refusal
        if "BucketName" in outputs:
            with _whatever_moto_says():  # one of that name is there already
                _backend("s3", store).create_bucket(outputs["BucketName"], store.region)

    def removed(self, store: Store, kind: str, outputs: Outputs) -> None:
        # What a user's own clean-up removed before is gone: that is what was wanted.
        with _whatever_moto_says():
            if "UserPoolId" in outputs:
                _backend("cognito-idp", store).delete_user_pool(outputs["UserPoolId"])
        with _whatever_moto_says():
            if "IdentityPoolId" in outputs:
                _backend("cognito-identity", store).delete_identity_pool(outputs["IdentityPoolId"])
        with _whatever_moto_says():
            if "BucketName" in outputs:
                _backend("s3", store).delete_bucket(outputs["BucketName"])

    def buckets(self, store: Store) -> dict[str, float]:
        """Return the account's buckets as S3 has them, those that were made without AmplifyBackend too."""
        buckets = _backend("s3", store).buckets.values()
        return {bucket.name: bucket.creation_date.timestamp() for bucket in buckets}

    def account_of(self, access_key_id: str) -> str | None:
        """Return the account of an access key that moto's IAM or STS gave out, so that of an assumed role."""
        from moto.iam.models import get_account_id_from

        account: str = get_account_id_from(access_key_id)
        return account

    def reset(self) -> None:
        # What moto's own server does on POST /moto-api/reset.
        from moto.moto_api._internal import models

        models.moto_api_backend.reset()


def _whatever_moto_says() -> contextlib.AbstractContextManager[None]:
    """Ignore what goes wrong: a job must not break over what a user did in moto."""
    return contextlib.suppress(Exception)  # moto's exceptions share no base that stays


def _backend(service: str, store: Store) -> Any:
    backends: Any = get_backend(service)  # type: ignore[call-overload]
    return backends[store.account]["aws" if service == "s3" else store.region]


def _create_user_pool(store: Store, outputs: Outputs) -> None:
    backend = _backend("cognito-idp", store)
    pool = backend.create_user_pool(outputs["UserPoolName"], {})
    backend.user_pools[outputs["UserPoolId"]] = backend.user_pools.pop(pool.id)
    pool.id, pool.arn = outputs["UserPoolId"], outputs["UserPoolArn"]
    for member, name in (("AppClientID", "native"), ("AppClientIDWeb", "web")):
        flows = {"ClientName": name, "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]}
        secret = outputs.get("AppClientSecret") if name == "native" else None
        client = backend.create_user_pool_client(pool.id, secret is not None, flows)
        client.secret = secret or client.secret
        pool.clients[outputs[member]] = pool.clients.pop(client.id)
        client.id = outputs[member]


def _create_identity_pool(store: Store, outputs: Outputs, config: dict[str, Any]) -> None:
    backend = _backend("cognito-identity", store)
    open_to_all = config.get("IdentityPoolConfigs", {}).get("UnauthenticatedLogin", False)
    host = f"cognito-idp.{store.region}.amazonaws.com"
    providers = [
        {"ProviderName": f"{host}/{outputs['UserPoolId']}", "ClientId": outputs[member], "ServerSideTokenCheck": False}
        for member in ("AppClientID", "AppClientIDWeb")
    ]
    made = backend.create_identity_pool(
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
    new_id = next(reversed(backend.identity_pools))
    pool = backend.identity_pools.pop(new_id)
    pool.identity_pool_id = outputs["IdentityPoolId"]
    backend.identity_pools[pool.identity_pool_id] = pool
    backend.pools_identities.pop(new_id, None)
    backend.pools_identities[pool.identity_pool_id] = {"IdentityPoolId": pool.identity_pool_id, "Identities": []}
