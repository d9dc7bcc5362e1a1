"""moto on the same endpoint: every other AWS service, and there what AmplifyBackend's outputs and stacks name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar

try:
    from a2wsgi import WSGIMiddleware
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from airflow_provider_amplifybackend.local.http import moto_resources
    from airflow_provider_amplifybackend.local.http.moto_stacks import MotoStacks
except ImportError as missing:
    raise ImportError(
        f"{missing.name} is missing: the local AmplifyBackend needs it for other AWS services. "
        'Install it with: pip install "airflow-provider-amplifybackend[local-moto]"'
    ) from missing

from airflow_provider_amplifybackend.local.http.signature import account_of, credential_of
from airflow_provider_amplifybackend.local.service import stack_parts
from airflow_provider_amplifybackend.local.service.errors import bad_request
from airflow_provider_amplifybackend.local.service.stacks import StackBook

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.http.asgi import ASGIApp, Receive, Send
    from airflow_provider_amplifybackend.local.service.stack import StackResource
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

    # What moto has belongs to the process: these use it now, and this one was the last that began to.
    _users: ClassVar[set[MotoObserver]] = set()
    _latest: ClassVar[MotoObserver | None] = None

    def __init__(self) -> None:
        self.stacks: StackBook = MotoStacks(self.removed)

    def created(self, store: Store, kind: str, outputs: Outputs, config: dict[str, Any]) -> None:
        try:
            if "UserPoolId" in outputs:
                moto_resources.create_user_pool(store, outputs)
            if "IdentityPoolId" in outputs:
                moto_resources.create_identity_pool(store, outputs, config)
            if "GraphQLAPIIdOutput" in outputs:
                moto_resources.create_api(store, outputs, config)
        except Exception as refusal:  # moto's exceptions share no base that stays
            raise bad_request(f"{kind}: {refusal}") from refusal

    def made(self, store: Store, resource: StackResource, moment: float) -> None:
        if resource.type == stack_parts.BUCKET:
            store.buckets.setdefault(resource.physical_id, moment)
        moto_resources.make(store, resource)

    def removed(self, store: Store, resource: StackResource) -> None:
        if resource.type == stack_parts.BUCKET:
            store.buckets.pop(resource.physical_id, None)
        moto_resources.remove(store, resource)

    def forgotten(self, store: Store, app_id: str, environment: str) -> None:
        moto_resources.remove_parameters(store, f"/amplify/{app_id}/{environment}/")

    def buckets(self, store: Store) -> dict[str, float]:
        """Return the account's buckets as S3 has them, those that were made without AmplifyBackend too."""
        buckets = moto_resources.backend("s3", store).buckets.values()
        return {bucket.name: bucket.creation_date.timestamp() for bucket in buckets}

    def account_of(self, access_key_id: str) -> str | None:
        """Return the account of an access key that moto's IAM or STS gave out, so that of an assumed role."""
        from moto.iam.models import get_account_id_from

        account: str = get_account_id_from(access_key_id)
        return account

    def opened(self) -> None:
        """Begin with nothing in moto, as the service itself does.

        What others use stays: another service of this process, a test's `mock_aws`, or this one before a stop.
        """
        if not self._users and self._latest is not self and not _is_mocking():
            self.reset()
        self._users.add(self)
        MotoObserver._latest = self

    def closed(self) -> None:
        self._users.discard(self)

    def reset(self) -> None:
        # What moto's own server does on POST /moto-api/reset.
        from moto.moto_api._internal import models

        models.moto_api_backend.reset()


def _is_mocking() -> bool:
    """Tell whether a `mock_aws` of this process is in use, which moto itself says nowhere in public."""
    from moto.core.models import MockAWS

    return bool(getattr(MockAWS, "_nested_count", 0))
