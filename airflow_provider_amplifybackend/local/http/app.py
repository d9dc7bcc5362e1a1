"""The ASGI front: tells apart whom a request is for, and puts the service and all that scripts it together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from airflow_provider_amplifybackend.local.http import live_page, other_services
from airflow_provider_amplifybackend.local.http.asgi import (
    CONTROL_PREFIX,
    ASGIApp,
    ClientGoneError,
    Message,
    Receive,
    Scope,
    Send,
    read_body,
    send_json,
)
from airflow_provider_amplifybackend.local.http.browser_guard import BrowserGuard, Refusal
from airflow_provider_amplifybackend.local.http.control_api import control_api
from airflow_provider_amplifybackend.local.http.kept_answer import KeptAnswer
from airflow_provider_amplifybackend.local.http.protocol import WireFormat
from airflow_provider_amplifybackend.local.http.query import Query
from airflow_provider_amplifybackend.local.http.service_api import ServiceApi
from airflow_provider_amplifybackend.local.http.signature import Credential, credential_of
from airflow_provider_amplifybackend.local.http.wire import Wire
from airflow_provider_amplifybackend.local.keeping.keeper import Keeper
from airflow_provider_amplifybackend.local.keeping.rehearsal import Answering
from airflow_provider_amplifybackend.local.service.api_model import AMPLIFY, CLOUDFORMATION, SERVICE_NAME, service_of
from airflow_provider_amplifybackend.local.service.provisioner import Observer
from airflow_provider_amplifybackend.local.service.service import Service
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.testing.faults import FaultBook
from airflow_provider_amplifybackend.local.testing.journal import Journal


class LocalApp:
    """The service and everything that scripts it, as one ASGI application."""

    def __init__(
        self,
        *,
        settings: dict[str, Any] | None = None,
        strict_apps: bool = False,
        apps: tuple[str, ...] = (),
        observer: Observer | None = None,
        other_services_app: ASGIApp | None = None,
        guard: BrowserGuard | None = None,
        state: str | os.PathLike[str] | None = None,
    ) -> None:
        self._guard = guard or BrowserGuard()
        self._initial_settings = dict(settings or {})
        self.faults = FaultBook()
        self.journal = Journal()
        self.service = Service(apps=apps, strict_apps=strict_apps, observer=observer, fate_of=self.faults.fate_of)
        self.service.settings.update(self._initial_settings)
        scripts = (self.service, self.faults, self.journal)
        self._rest = [Wire(SERVICE_NAME), Wire(AMPLIFY)]
        query = Query(CLOUDFORMATION)
        self._apis = {wire.service: ServiceApi(wire, *scripts) for wire in self._rest}
        # With moto, it has the rest of CloudFormation.
        self._apis[CLOUDFORMATION] = ServiceApi(query, *scripts, elsewhere=other_services_app)
        self._control_api = control_api(self.service, self.faults, self.journal, self.reset)
        answering = _answering([*self._rest, query])
        self.keeper = None if state is None else Keeper(state, self.service, self._initial_settings, answering)
        self._other_services = other_services_app or other_services.not_available

    def open(self) -> None:
        """Read the state file, where there is one, and begin with nothing in the other services.

        :raises StateFileError: It cannot be used.
        """
        if self.keeper is not None:
            self.keeper.open()
        self.service.provisioner.observer.opened()

    def close(self) -> None:
        self.service.provisioner.observer.closed()
        if self.keeper is not None:
            self.keeper.close()

    def reset(self) -> None:
        """Go back to the start: state, faults, journal, clock and settings."""
        self.service.reset()
        self.faults.clear()
        self.journal.clear()
        self.service.settings = Settings()
        self.service.settings.update(self._initial_settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # from another server than ours, which speaks HTTP only
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            raise RuntimeError(f"unexpected ASGI scope {scope['type']!r}")
        try:
            if self.keeper is None:
                await self._pass(scope, receive, send)
            else:
                await self._pass_and_keep(self.keeper, scope, receive, send)
        except ClientGoneError:
            return

    async def _pass_and_keep(self, keeper: Keeper, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer only what is in the state file, so that a process that is killed has forgotten nothing it said."""
        answer = KeptAnswer(keeper, send)
        try:
            await self._pass(scope, receive, answer.send)
        finally:
            await answer.end()

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on: the guard stands before everything, then its path or its signature says whose it is."""
        refusal = self._guard.refusal(scope)
        if refusal is not None:
            await _refuse(refusal, receive, send)
            return
        if f"{scope['path']}/".startswith(f"{CONTROL_PREFIX}/"):
            await self._control_api(scope, receive, self._noting(scope, send))
            return
        if live_page.is_asked(scope):
            await live_page.serve(scope, receive, send)
            return
        signed = credential_of(scope["headers"], scope["query_string"])
        raw_path = scope["raw_path"].decode("latin-1")
        api = self._apis.get(self._asked_service(signed, raw_path))
        if api is not None:
            await api.serve(raw_path, signed, scope, receive, send)
            return
        # A job that is due may make something there.
        self.service.settle()
        await self._other_services(scope, receive, send)

    def _noting(self, scope: Scope, send: Send) -> Send:
        """Return a `send` that takes note of what a request to the control interface may have changed."""

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["method"] != "GET":
                self.service.touch()
            await send(message)

        return noting

    def _asked_service(self, signed: Credential | None, raw_path: str) -> str:
        """Return the service that a request is for: by its signature, or else by its path."""
        if signed is not None:
            return signed.service
        return next((wire.service for wire in self._rest if wire.is_path(raw_path)), "")


def _answering(wires: Sequence[WireFormat]) -> Answering:
    by_service = {wire.service: wire for wire in wires}
    return lambda operation, result: by_service[str(service_of(operation))].answer(operation, result)


async def _refuse(refusal: Refusal, receive: Receive, send: Send) -> None:
    """Answer in both interfaces' own form: SDKs read the code and the message, the control's client the error."""
    await read_body(receive, limit=0)
    content = {"__type": refusal.code, "message": refusal.message, "error": refusal.message}
    headers = ((b"x-amzn-errortype", refusal.code.encode()), (b"connection", b"close"))
    await send_json(send, refusal.status, content, headers)
