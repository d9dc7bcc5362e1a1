"""The hook's way to a client: its connection, credentials, TLS settings, and what guards each client."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, cast

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.exceptions import BotoCoreError

from airflow_provider_amplifybackend._compat import AirflowException, AirflowNotFoundException
from airflow_provider_amplifybackend._errors import request_error
from airflow_provider_amplifybackend._masking import mask_texts
from airflow_provider_amplifybackend.core.addresses import passwords, without_userinfo
from airflow_provider_amplifybackend.core.encodable import fit_to_log
from airflow_provider_amplifybackend.core.secrets import redact_words
from airflow_provider_amplifybackend.core.service_text import ServiceTexts
from airflow_provider_amplifybackend.hooks._botocore_errors import (
    ConnectionLookupError,
    LateStartError,
    client_error,
    stop_at_quota,
)
from airflow_provider_amplifybackend.hooks._client_log import guard_log, watch
from airflow_provider_amplifybackend.hooks._connection_settings import (
    check_config_kwargs,
    check_extra,
    limited,
    read_config_kwargs,
    read_endpoint,
)
from airflow_provider_amplifybackend.hooks._guard import Guard, stand_before
from airflow_provider_amplifybackend.hooks._name_guard import guard_names
from airflow_provider_amplifybackend.hooks._secret_guard import guard_secrets
from airflow_provider_amplifybackend.hooks._tls import read_client_cert, read_verify
from airflow_provider_amplifybackend.hooks._user_agent import with_user_agent
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.parameters.client_config import for_botocore
from airflow_provider_amplifybackend.parameters.identity import as_connection_id, as_region

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
    from boto3.session import Session
    from botocore.config import Config
    from mypy_boto3_amplifybackend import AmplifyBackendClient

# A start is sent once and within bounded time: an attempt that was given up must not send beside the next one.
START_CONNECT_TIMEOUT = 5
START_READ_TIMEOUT = 30
START_CONFIG: dict[str, Any] = {
    "connect_timeout": START_CONNECT_TIMEOUT,
    "read_timeout": START_READ_TIMEOUT,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}


# What Airflow raises where there is no connection, or where it refuses one; both can quote it.
_OWN_NO = (AirflowNotFoundException, AirflowException, PermissionError)


def always() -> bool:
    """Permit a request at any time."""
    return True


def _shown(text: str) -> str:
    """Return what a secrets backend says, which can quote the connection that it has read."""
    return without_userinfo(redact_words(text))


def _external_ids(extra: Mapping[str, Any]) -> list[str]:
    """Return what STS is asked with for a role: whoever knows it can ask, too, if the role trusts its account."""
    options = extra.get("assume_role_kwargs")
    external_id = options.get("ExternalId") if isinstance(options, Mapping) else None
    return [external_id] if isinstance(external_id, str) else []


class ConnectedHook(AwsBaseHook):
    """A hook whose clients are guarded: no path for a name, no secret in a log, no start that comes too late."""

    if TYPE_CHECKING:

        @cached_property
        def conn(self) -> AmplifyBackendClient:
            """The client of boto3. The base class makes it, and cannot say of which service."""

    def __init__(
        self,
        aws_conn_id: str | None = AwsBaseHook.default_conn_name,
        verify: bool | str | None = None,
        region_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(kwargs.get("config"), Mapping):
            kwargs["config"] = for_botocore(kwargs["config"])
        super().__init__(
            as_connection_id("aws_conn_id", aws_conn_id),
            verify,
            as_region("region_name", region_name),
            **kwargs | {"client_type": service_model.SERVICE},
        )
        self._may_send: Callable[[], bool] = always
        # What of the service's texts can be shown: without the secrets of the requests that were made here.
        self.texts = ServiceTexts()
        # Whether the connection was there; None: nobody has looked it up yet. It does not vanish unnoticed afterwards.
        self.connection_found: bool | None = None
        # Time-outs and attempts of somebody who looks on; the neighbours' clients keep to them, too.
        self.limits: Mapping[str, Any] = {}
        # Whether the service has taken its credentials. From then on credentials that cannot be had are a hiccup.
        self.connection_works = False

    @classmethod
    def get_connection(cls, conn_id: str) -> Any:
        """
        Look up a connection; whatever goes wrong then says nothing about the connection.

        :raises BackendParameterError: It was found, and its extra is not a JSON object.
        """
        try:
            connection = super().get_connection(conn_id)
        except (AirflowException, PermissionError) as error:  # there is none, or Airflow's own no
            if fit_to_log(error, _shown):
                raise
            kind = next(kind for kind in _OWN_NO if isinstance(error, kind))
            raise kind(_shown(str(error))) from None
        except Exception as error:  # noqa: BLE001  # it is the cause, unless it cannot be shown
            raise ConnectionLookupError(
                f"the AWS connection aws_conn_id={conn_id!r} could not be looked up: {_shown(str(error))}"
            ) from (error if fit_to_log(error, _shown) else None)
        check_extra(connection, conn_id)
        # Before the amazon provider and botocore log the settings at DEBUG.
        extra = connection.extra_dejson
        mask_texts([*passwords([extra, connection.host or ""]), *_external_ids(extra)])
        read_config_kwargs(connection)
        return connection

    @cached_property
    def conn_config(self) -> AwsConnectionWrapper:
        """The connection. One that was named and does not exist is an error, not a reason to use another identity."""
        try:
            wrapper = super().conn_config
        except (AttributeError, TypeError, ValueError, BotoCoreError):
            if self.aws_conn_id and self._config is None:  # the cause, most likely
                check_config_kwargs(self.get_connection(self.aws_conn_id).extra_dejson, self.aws_conn_id)
            raise
        if wrapper and self._config is None:
            check_config_kwargs(wrapper.extra_config, self.aws_conn_id or "")
        is_optional = self.aws_conn_id == self.default_conn_name and not self.connection_found
        if self.aws_conn_id and not wrapper and not is_optional:
            # The base class has cached it: the next access would go on with another identity.
            self.__dict__.pop("conn_config", None)
            raise AirflowNotFoundException(self._not_found())
        self.connection_found = bool(wrapper)
        return wrapper

    def get_session(self, *args: Any, **kwargs: Any) -> Any:
        """Return a session, of boto3 or aiobotocore; its clients send nothing that has a path for a name."""
        guard_log()
        session = super().get_session(*args, **kwargs)
        guard_names(session)
        guard_secrets(session)
        stand_before(session, self.guard)
        return session

    @cached_property
    def guard(self) -> Guard:
        """The guard, which is asked before anything is deleted or changed with this hook."""
        return Guard(cast("Any", self))  # the calls are added by the class below

    def in_region(self, region: str) -> Self:
        """Return a hook of the same connection in another region."""
        hook = copy.copy(self)
        hook._region_name = region
        hook.__dict__.pop("guard", None)
        hook.renew_clients()
        return hook

    def check_guard(self, api_operation: str, request: Mapping[str, Any]) -> None:
        """
        Ask the guard whether a request may be sent, as it is asked before each one that deletes or changes something.

        :param api_operation: Name of the operation, e.g. ``DeleteBackend``.
        :param request: The API's members.
        :raises BackendGuardError: It is refused. Nothing was sent to AmplifyBackend but reads.
        :raises BackendRequestError: The connection, which may protect something, cannot be looked up.
        """
        try:
            self.guard.check(api_operation, request)
        except ConnectionLookupError as error:
            raise request_error(client_error(api_operation, error, self.texts), request) from error

    def _not_found(self) -> str:
        """Return the message for a missing connection: Airflow reports any failed look-up as a missing one."""
        connection = f"The AWS connection aws_conn_id={self.aws_conn_id!r}"
        if self.connection_found:
            return f"{connection} can no longer be found, although it was found earlier"
        return (
            f"{connection} does not exist, or Airflow cannot reach its database or secrets backend, which looks the "
            "same from here. Create it, or set aws_conn_id=None to use boto3's own credentials."
        )

    @property
    def region_name(self) -> str | None:
        """The region; None leaves it to boto3."""
        # An extra may leave it empty, as the form of a connection does.
        return as_region("region_name", super().region_name or None, self._origin(self._region_name))

    @property
    def verify(self) -> bool | str | None:
        """The ``verify`` setting: True, False or the path of a readable CA bundle."""
        return read_verify(super().verify, self._origin(self._verify))

    @property
    def config(self) -> Config:
        """The configuration of clients, with client certificates that can be read."""
        return limited(read_client_cert(super().config, self._origin(self._config)), self.limits)

    @property
    def endpoint_url(self) -> str | None:
        """The address of the service, if the connection has one of its own."""
        url = self.conn_config.get_service_endpoint_url(service_model.SERVICE)
        return read_endpoint(url, self._origin(None))

    def _origin(self, own: Any) -> str:
        """Return the origin of a setting, for messages."""
        return "" if own is not None else f" in the extra of the connection {self.aws_conn_id!r}"

    @cached_property
    def client_session(self) -> Session:
        """The session of all clients, the neighbours' too: botocore's data and the credentials are read once."""
        session: Session = self.get_session(region_name=self.region_name)
        return session

    def get_client_type(
        self, region_name: str | None = None, config: Config | None = None, deferrable: bool = False
    ) -> Any:
        """
        Return a client of boto3, or what makes one of aiobotocore; what boto3's logs is free of secrets.

        :param region_name: AWS region. Default: that of the connection or of boto3's own configuration.
        :param config: Configuration instead of the hook's own.
        :param deferrable: Whether to return what makes a client of aiobotocore.
        """
        options: dict[str, Any] = {
            "service_name": service_model.SERVICE,
            "endpoint_url": self.endpoint_url,
            "config": with_user_agent(config or self.config),
            "verify": self.verify,
        }
        if deferrable:
            return self.get_session(region_name=region_name, deferrable=True).create_client(**options)
        shared = region_name == self.region_name
        client = (self.client_session if shared else self.get_session(region_name=region_name)).client(**options)
        self._watch(client)
        stop_at_quota(client)
        return client

    def _watch(self, client: Any) -> None:
        """Log the calls of a client, without their secrets."""
        watch(client)

    def renew_clients(self) -> None:
        """Make the next request with a new client, from the connection and the credentials as they are then."""
        for name in ("conn", "_start_conn", "_client", "client_session", "conn_config"):
            self.__dict__.pop(name, None)

    @cached_property
    def _start_conn(self) -> AmplifyBackendClient:
        """The client for starts: the connection's proxies and endpoint, but no retries and bounded time-outs."""
        config = limited(self.config, START_CONFIG)
        client: AmplifyBackendClient = self.get_client_type(region_name=self.region_name, config=config)
        client.meta.events.register("before-send.amplifybackend", self._refuse_late_start)
        return client

    def _refuse_late_start(self, **_: Any) -> None:
        """The last thing before the socket: a process that was stopped since the fence has lost its right to send."""
        if not self._may_send():
            raise LateStartError(
                "nothing was sent: too much time has passed since the intent was stored (the process was paused, or "
                "obtaining credentials took too long)"
            )

    def prepare_start(self) -> None:
        """Make the client for starts now, so that it takes no time between the decision to start and the request."""
        _ = self._start_conn
