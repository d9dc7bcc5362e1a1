"""An aiobotocore client for the triggerer whose creation and refreshes do not block the event loop.

What blocks is the connection look-up, the credentials, and botocore's data files. All of it is done in a thread
with the synchronous session of the hook; the asynchronous session is handed the results. On the assume-role path
that also avoids a data loader of its own for every client, which is most of what a client costs.
"""

from __future__ import annotations

import gzip
import json
import os
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from asgiref.sync import sync_to_async
from botocore import UNSIGNED, loaders
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import NoCredentialsError

from airflow_provider_amplifybackend import __version__
from airflow_provider_amplifybackend.hooks._botocore_errors import stop_at_quota
from airflow_provider_amplifybackend.hooks._client_log import watch
from airflow_provider_amplifybackend.hooks._guard import stand_before
from airflow_provider_amplifybackend.hooks._lean_reader import LeanReader
from airflow_provider_amplifybackend.hooks._name_guard import guard_names
from airflow_provider_amplifybackend.hooks._secret_guard import guard_secrets
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.parameters.service_model import SERVICE

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials

WARMED_DATA = ("endpoints", "partitions", "sdk-default-configuration", "_retry")
ENDPOINTS = "endpoints"


class PlainFiles(loaders.JSONFileLoader):
    """Reads botocore's data files into plain dictionaries, which keep their order, too.

    An ordered one takes twice the time and is one more object for Python's garbage collection to look at, even where a
    plain one holds nothing to look at: a third of the 23,000 of the endpoints.
    """

    def load_file(self, file_path: str) -> Any:
        """Return a file, given without its suffix; None if there is none."""
        for suffix, opened in ((".json", open), (".json.gz", gzip.open)):
            if os.path.isfile(file_path + suffix):
                with opened(file_path + suffix, "rb") as file:
                    return json.loads(file.read())
        return None


class OneServiceLoader(loaders.Loader):
    """A loader that keeps of the endpoints of all services those of ours.

    All of them take 7 MB, for as long as the process lives, and more time of each full garbage collection than all else
    that a client needs.
    """

    def load_data_with_path(self, name: str) -> tuple[Any, str]:
        """Return a data file and where it lies."""
        if name != ENDPOINTS:
            found: tuple[Any, str] = super().load_data_with_path(name)
            return found
        return self._endpoints

    def load_data(self, name: str) -> Any:
        """Return a data file."""
        return self.load_data_with_path(name)[0]

    @cached_property
    def _endpoints(self) -> tuple[Any, str]:
        # Read by another loader, because each keeps what it has read.
        reader = loaders.Loader(extra_search_paths=self.search_paths, file_loader=PlainFiles())
        data, path = reader.load_data_with_path(ENDPOINTS)
        partitions = [
            {**partition, "services": {name: of for name, of in partition["services"].items() if name == SERVICE}}
            for partition in data["partitions"]
        ]
        return {**data, "partitions": partitions}, path


@lru_cache(maxsize=1)
def warmed_loader() -> loaders.Loader:
    """Return a loader of botocore's data files that has read what a client needs."""
    paths = loaders.create_loader(os.environ.get("AWS_DATA_PATH")).search_paths
    loader = OneServiceLoader(paths, file_loader=PlainFiles())
    loader.load_service_model(service_model.SERVICE, "service-2")
    loader.load_service_model(service_model.SERVICE, "endpoint-rule-set-1")
    loader.load_service_model(service_model.SERVICE, "paginators-1")
    for name in WARMED_DATA:
        loader.load_data(name)
    return loader


class ThreadedCredentials(AioCredentials):  # type: ignore[misc]
    """Credentials that are kept, and refreshed in a thread, by botocore's synchronous implementation."""

    def __init__(self, credentials: Credentials) -> None:
        self._synchronous = credentials
        self.method = credentials.method

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the current credentials; a refresh asks STS, so it leaves the event loop."""
        if isinstance(self._synchronous, RefreshableCredentials) and self._synchronous.refresh_needed():
            return await sync_to_async(self._synchronous.get_frozen_credentials, thread_sensitive=False)()
        return self._synchronous.get_frozen_credentials()


class _Provider:
    """The source of credentials that is registered with a session."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials

    async def load_credentials(self) -> ThreadedCredentials | None:
        return ThreadedCredentials(self._credentials) if self._credentials else None


@dataclass(frozen=True)
class _Prepared:
    """The makings of a client, and of its reader."""

    creator: AbstractAsyncContextManager[Any]
    credentials: Credentials | None
    verify: bool | str


async def create_client(stack: AsyncExitStack, **parameters: Any) -> Any:
    """Create a client that lives as long as ``stack``; see :func:`create_client_and_reader`."""
    client, _ = await create_client_and_reader(stack, **parameters)
    return client


async def create_client_and_reader(
    stack: AsyncExitStack, *, connection_found: bool | None = None, **hook_parameters: Any
) -> tuple[Any, LeanReader | None]:
    """Create a client that lives as long as ``stack``, and what reads jobs for it at less cost.

    :param connection_found: Whether whoever began the work has found the connection. Then its identity is used, and if
        not then boto3's own, whatever can be found now. None: not known.
    """
    prepared = await sync_to_async(_prepare, thread_sensitive=False)(connection_found, **hook_parameters)
    client = await stack.enter_async_context(prepared.creator)
    watch(client, masks=False)
    stop_at_quota(client)
    if prepared.credentials is None:
        return client, None
    reader = LeanReader(client, ThreadedCredentials(prepared.credentials), prepared.verify)
    stack.push_async_callback(reader.close)
    return client, reader


def _prepare(connection_found: bool | None, **hook_parameters: Any) -> _Prepared:
    hook = AmplifyBackendHook(**hook_parameters | ({"aws_conn_id": None} if connection_found is False else {}))
    hook.connection_found = connection_found
    synchronous = hook.get_session(region_name=hook.region_name)
    credentials = synchronous.get_credentials()
    if credentials:
        credentials.get_frozen_credentials()
    elif getattr(hook.config, "signature_version", None) is not UNSIGNED:
        # Before there is a client: one without credentials would be made again for each status check.
        raise NoCredentialsError
    # A profile holds more than credentials: the rest is read from it for this client, too. With a role, the profile is
    # only for the client that asks for the role.
    session = AioSession(profile=None if hook.conn_config.role_arn else hook.conn_config.profile_name)
    guard_names(session)
    guard_secrets(session)
    stand_before(session, hook.guard)
    session.register_component("data_loader", warmed_loader())
    session.register_component("credential_provider", _Provider(credentials))
    creator: AbstractAsyncContextManager[Any] = session.create_client(
        service_model.SERVICE,
        region_name=hook.region_name or synchronous.region_name,
        endpoint_url=hook.endpoint_url,
        config=_with_user_agent(hook.config, session),
        verify=hook.verify,
    )
    return _Prepared(creator, credentials, _verify(hook.verify, session))


def _verify(setting: bool | str | None, session: AioSession) -> bool | str:
    """Return how certificates are verified, as botocore reads it where the connection does not say it."""
    bundle = session.get_config_variable("ca_bundle") if setting is None else setting
    return os.environ.get("REQUESTS_CA_BUNDLE", True) if bundle is None else bundle


def _with_user_agent(config: Config, session: AioSession) -> Config:
    """Name the client once: otherwise botocore puts the name together anew for each request, a fifth of its cost."""
    if getattr(config, "user_agent", None):
        return config
    return config.merge(Config(user_agent=f"{session.user_agent()} airflow-provider-amplifybackend/{__version__}"))
