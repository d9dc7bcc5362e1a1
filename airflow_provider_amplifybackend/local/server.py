"""The local AmplifyBackend in a thread: `with LocalAmplifyBackend() as service: service.endpoint_url`."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

import uvicorn

from airflow_provider_amplifybackend.local.control import LocalControl
from airflow_provider_amplifybackend.local.http.app import LocalApp
from airflow_provider_amplifybackend.local.http.asgi import ASGIApp
from airflow_provider_amplifybackend.local.http.browser_guard import BrowserGuard, is_wildcard
from airflow_provider_amplifybackend.local.http.transport import remembering
from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.api_model import SERVICES
from airflow_provider_amplifybackend.local.service.store import DEFAULT_REGION

_START_SECONDS = 30
_STOP_SECONDS = 10
_LAST_PORT = 65535
# botocore's session variables: option in the file, environment variable, default, conversion. The profile that a
# developer's shell names can be missing and a file broken, and a client with keys and an endpoint needs neither.
_NOBODYS_FILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class _AnnouncingServer(uvicorn.Server):
    """uvicorn's server, which says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


class LocalAmplifyBackend:
    """A local AmplifyBackend on a free port of the loopback address, unless told otherwise.

    :param job_seconds: how long jobs take: one number for all, or a mapping by operation.
    :param with_moto: answer all other AWS services from moto, on the same endpoint.
    :param strict_apps: know only `apps`; without it CreateBackend makes an app known.
    :param settings: further switches (docs/local.md).
    :param allow_hosts: names under which callers may reach it, beside the loopback's and `host`.
    :param state: a file that keeps everything between two starts (docs/local.md). One process at a time uses it.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        job_seconds: float | Mapping[str, float] | None = None,
        with_moto: bool = False,
        strict_apps: bool = False,
        apps: Iterable[str] = (),
        settings: Mapping[str, Any] | None = None,
        allow_hosts: Iterable[str] = (),
        state: str | os.PathLike[str] | None = None,
    ) -> None:
        if state is not None and with_moto:
            raise ValueError("state and with_moto are mutually exclusive: moto keeps what it has in memory only")
        self._host = _checked_host(host)
        self._port = checks.whole(port, "port", least=0, most=_LAST_PORT)
        changes = dict(settings or {})
        if job_seconds is not None:
            changes["job_seconds"] = job_seconds
        self.app = _local_app(changes, strict_apps, tuple(apps), with_moto, _guard(host, allow_hosts), state)
        self._server: _AnnouncingServer | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    @property
    def endpoint_url(self) -> str:
        if self._socket is None:
            raise RuntimeError("the local AmplifyBackend is not running: use it as a context manager, or start() it")
        host, port = self._socket.getsockname()[:2]
        if is_wildcard(host):  # nobody's address: from here, the loopback's is the one to ask
            host = "::1" if ":" in host else "127.0.0.1"
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def endpoint_variables(self) -> dict[str, str]:
        """Return the variables that send AmplifyBackend's requests here, and those of what stands beside it.

        Where the environment names a proxy, NO_PROXY must except this endpoint's host, too.
        """
        return endpoint_variables(self.endpoint_url)

    @property
    def control(self) -> LocalControl:
        return LocalControl(self.endpoint_url)

    def client(self, service_name: str = "amplifybackend", **options: Any) -> Any:
        """Return a boto3 client with dummy credentials: of this service or a neighbour; with moto of any.

        It comes here whatever proxy and profile the environment names. `options` are those of boto3's `client`.
        """
        import boto3
        import botocore.session
        from botocore.config import Config

        defaults = {
            "endpoint_url": self.endpoint_url,
            "region_name": DEFAULT_REGION,
            "aws_access_key_id": "testing",
            "aws_secret_access_key": "testing",
        }
        config = Config(proxies={})  # those of the environment cannot reach a loopback address
        if (given := options.pop("config", None)) is not None:
            config = config.merge(given)
        session: Any = boto3.session.Session(botocore_session=botocore.session.Session(session_vars=_NOBODYS_FILES))
        return session.client(service_name, **{**defaults, **options}, config=config)

    def start(self) -> LocalAmplifyBackend:
        if self._thread is not None:
            raise RuntimeError("the local AmplifyBackend is already running")
        self._socket = _listen(self._host, self._port)
        try:
            self.app.open()
        except BaseException:
            self._socket.close()
            self._socket = None
            raise
        self._server = _AnnouncingServer(_config(self.app))
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="local-amplifybackend", daemon=True
        )
        self._thread.start()
        if not self._server.is_up.wait(_START_SECONDS):
            raise RuntimeError(f"the local AmplifyBackend did not start within {_START_SECONDS} seconds")
        return self

    def stop(self) -> None:
        """Stop it, if it runs.

        :raises RuntimeError: It has not ended, and may still answer. It can be asked again.
        """
        if self._server is None or self._thread is None or self._socket is None:
            return
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():  # and what it answers must still go to the state file
            raise RuntimeError(f"the local AmplifyBackend did not stop within {_STOP_SECONDS} seconds")
        self._socket.close()
        self._server = self._thread = self._socket = None
        self.app.close()

    def __enter__(self) -> LocalAmplifyBackend:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def endpoint_variables(endpoint_url: str) -> dict[str, str]:
    return {f"AWS_ENDPOINT_URL_{service.upper()}": endpoint_url for service in SERVICES}


def _checked_host(host: str) -> str:
    # The system takes an empty one for all interfaces.
    if not checks.text(host, "host").strip():
        raise ValueError(
            f"host must be an address to listen on, not {host!r}: 127.0.0.1 is for this machine alone, 0.0.0.0 for all "
            "interfaces, on which nobody is authenticated"
        )
    return host


def _guard(host: str, allow_hosts: Iterable[str]) -> BrowserGuard:
    # One name is a likely slip where a list is asked for, and its letters are names, too.
    names = [allow_hosts] if isinstance(allow_hosts, str) else [*allow_hosts]
    return BrowserGuard(names if is_wildcard(host) else [host, *names])


def _local_app(
    settings: dict[str, Any],
    strict_apps: bool,
    apps: tuple[str, ...],
    with_moto: bool,
    guard: BrowserGuard,
    state: str | os.PathLike[str] | None,
) -> LocalApp:
    if not with_moto:
        return LocalApp(settings=settings, strict_apps=strict_apps, apps=apps, guard=guard, state=state)
    from airflow_provider_amplifybackend.local.http import moto_mount

    return LocalApp(
        settings=settings,
        strict_apps=strict_apps,
        apps=apps,
        observer=moto_mount.MotoObserver(),
        other_services_app=moto_mount.moto_app(),
        guard=guard,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket of our own, so that the port is known before the server runs."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said in full, since asyncio looks for it: without, an answer's second packet waits 40 ms for the client's word.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    return listener


def _config(app: ASGIApp) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        lifespan="off",
        # The Date header comes from the service's own clock.
        date_header=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        ws="none",
        # Before 0.36, uvicorn would set its event loop for the whole process: for the user's tests, too.
        loop="auto" if hasattr(uvicorn.Config, "get_loop_factory") else "none",
        # An idle connection that closes just as a client uses it looks like a fault that nobody scripted.
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=1,
    )
    config.load()
    config.http_protocol_class = remembering(config)
    return config
