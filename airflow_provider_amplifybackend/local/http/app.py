"""The ASGI front: finds the operation, lets faults strike, asks the state, answers, keeps the journal."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.local.http import other_services, signature
from airflow_provider_amplifybackend.local.http.asgi import (
    ASGIApp,
    ClientGoneError,
    Receive,
    Scope,
    Send,
    read_body,
    send_json,
)
from airflow_provider_amplifybackend.local.http.browser_guard import Guard, Refusal
from airflow_provider_amplifybackend.local.http.control_api import control_api
from airflow_provider_amplifybackend.local.http.transport import abort_connection
from airflow_provider_amplifybackend.local.http.wire import SERVICE_NAME, Operation, Wire, has_dot_segments
from airflow_provider_amplifybackend.local.service.errors import (
    ServiceError,
    bad_request,
    gateway_timeout,
    pending_job,
    too_many_requests,
)
from airflow_provider_amplifybackend.local.service.provisioner import Observer
from airflow_provider_amplifybackend.local.service.service import DEFAULT_ACCOUNT, DEFAULT_REGION, Service
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.testing.faults import Fault, FaultBook
from airflow_provider_amplifybackend.local.testing.journal import Journal

CONTROL_PREFIX = "/_amplifybackend"

Route = tuple[Operation, dict[str, str]]


@dataclass(slots=True)
class Request:
    """One request to AmplifyBackend on its way through the service."""

    operation: Operation | None
    account: str
    region: str
    parameters: dict[str, Any] = field(default_factory=dict)
    refusal: ServiceError | None = None
    faults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Reply:
    """What the caller gets and the journal keeps; status 0: the connection is reset instead."""

    status: int
    body: bytes
    error_code: str | None = None
    effective: bool = False
    job_id: str | None = None


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
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard or Guard()
        self._initial_settings = dict(settings or {})
        self.wire = Wire()
        self.faults = FaultBook(self.wire.operation_names)
        self.journal = Journal()
        self.service = Service(apps=apps, strict_apps=strict_apps, observer=observer, fate_of=self.faults.fate_of)
        self.service.settings.update(self._initial_settings)
        self._control: ASGIApp = control_api(self)
        self._other_services = other_services_app or other_services.not_here
        self._request_ids = random.Random()

    def reset(self) -> None:
        """Back to the start: state, faults, journal, clock and settings."""
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
            await self._pass(scope, receive, send)
        except ClientGoneError:
            return

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The guard stands before everything; then the path or the signature says whose the request is."""
        refusal = self._guard.refusal(scope)
        if refusal is not None:
            await _refuse(refusal, receive, send)
            return
        if f"{scope['path']}/".startswith(f"{CONTROL_PREFIX}/"):
            await self._control(scope, receive, send)
            return
        signed = signature.scope_of(scope["headers"], scope["query_string"])
        raw_path = scope["raw_path"].decode("latin-1")
        if not self._is_ours(signed, raw_path):
            self.service.settle()
            await self._other_services(scope, receive, send)
            return
        await self._serve(scope["method"], raw_path, signed, scope, receive, send)

    def _is_ours(self, signed: signature.Scope | None, raw_path: str) -> bool:
        if signed is not None:
            return signed.service == SERVICE_NAME
        router = self.wire.router
        return router.knows(raw_path) or (has_dot_segments(raw_path) and router.concerns(raw_path))

    async def _serve(
        self,
        method: str,
        raw_path: str,
        signed: signature.Scope | None,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        body = await read_body(receive)
        request = self._parse(self.wire.router.match(method, raw_path), raw_path, signed, body)
        delay, fault = self._strike(request)
        if delay is not None and delay.before_effect:
            await asyncio.sleep(delay.options["seconds"])
        reply = self._perform(request, fault)
        if delay is not None and not delay.before_effect:
            await asyncio.sleep(delay.options["seconds"])
        await self._answer(reply, fault, send)
        if reply.status == 0 or (fault is not None and fault.kind == "truncate"):
            abort_connection(scope, gently=reply.status != 0)
            # Until it is gone; else uvicorn would report an application that forgot to answer.
            await receive()

    def _parse(
        self,
        route: Route | None,
        raw_path: str,
        signed: signature.Scope | None,
        body: bytes | None,
    ) -> Request:
        operation, labels = route if route is not None else (None, {})
        request = Request(operation, self._account(signed), signed.region if signed else DEFAULT_REGION)
        # Signed as one operation and sent as another, if anybody on the way resolves them.
        dotted = bad_request("The path must not have dot segments") if has_dot_segments(raw_path) else None
        if operation is None:
            request.refusal = dotted or ServiceError(
                "UnknownOperationException", "No operation has this method and path", status=404
            )
            return request
        # Faults and the journal want to know the environment even of a request that is refused.
        request.parameters = {operation.labels[label]: text for label, text in labels.items()}
        try:
            if dotted is not None:
                raise dotted
            if body is None:
                raise bad_request("The request body is too large")
            request.parameters = operation.parse(labels, body)
        except ServiceError as refusal:
            request.refusal = refusal
        return request

    def _account(self, signed: signature.Scope | None) -> str:
        if signed is None:
            return DEFAULT_ACCOUNT
        own = signature.account_of(signed.access_key_id)
        return own or self.service.provisioner.observer.account_of(signed.access_key_id) or DEFAULT_ACCOUNT

    def _strike(self, request: Request) -> tuple[Fault | None, Fault | None]:
        if request.operation is None:
            return None, None
        name, parameters = request.operation.name, request.parameters
        delay, fault = self.faults.delay_for(name, parameters), self.faults.answer_for(name, parameters)
        request.faults = [entry.kind for entry in (delay, fault) if entry is not None]
        return delay, fault

    def _perform(self, request: Request, fault: Fault | None) -> Reply:
        if fault is not None and fault.before_effect:
            reply = self._scripted(request, fault)
        else:
            reply = self._performed(request)
            if fault is not None:
                reply = self._disturbed(reply, request, fault)
        self._write_journal(request, reply)
        return reply

    def _performed(self, request: Request) -> Reply:
        operation = request.operation
        try:
            if request.refusal is not None or operation is None:
                raise request.refusal or bad_request("No operation")
            result = self.service.call(
                operation.name, request.parameters, account=request.account, region=request.region
            )
        except ServiceError as error:
            return self._error(error)
        return Reply(200, operation.answer(result), effective=True, job_id=result.get("JobId"))

    def _error(self, error: ServiceError) -> Reply:
        return Reply(error.status, self.wire.error(error), error_code=error.code)

    def _scripted(self, request: Request, fault: Fault) -> Reply:
        """The answer that a fault gives of its own."""
        options = fault.options
        if fault.kind == "throttle":
            return self._error(too_many_requests(options["limit_type"], options["message"]))
        if fault.kind in ("timeout_before", "timeout_after"):
            return self._error(gateway_timeout(options["message"]))
        if fault.kind == "pending":
            parameters = request.parameters
            return self._error(pending_job(parameters.get("AppId", ""), parameters.get("BackendEnvironmentName", "")))
        if fault.kind == "error":
            return self._error(ServiceError(options["code"], options["message"], status=options["status"]))
        return Reply(0, b"", error_code="ConnectionReset")

    def _disturbed(self, reply: Reply, request: Request, fault: Fault) -> Reply:
        """The request took effect (if it could), but its answer does not arrive as it should."""
        if fault.kind == "empty":
            reply.body = b""
        elif fault.kind == "answer":
            if reply.status == 200 and request.operation is not None:
                reply.body = request.operation.altered(reply.body, fault.options["members"])
        elif fault.kind != "truncate":
            disturbed = self._scripted(request, fault)
            reply = Reply(disturbed.status, disturbed.body, disturbed.error_code, reply.effective, reply.job_id)
        return reply

    def _write_journal(self, request: Request, reply: Reply) -> None:
        self.journal.add(
            time=self.service.clock.wall(),
            account=request.account,
            region=request.region,
            operation=request.operation.name if request.operation else None,
            parameters=request.parameters,
            status_code=reply.status,
            error_code=reply.error_code,
            effective=reply.effective,
            job_id=reply.job_id,
            faults=request.faults,
        )

    async def _answer(self, reply: Reply, fault: Fault | None, send: Send) -> None:
        if reply.status == 0:
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": self._headers(reply)})
        if fault is None or fault.kind != "truncate":
            await send({"type": "http.response.body", "body": reply.body})
            return
        keep = fault.options["keep_bytes"]
        part = reply.body[: len(reply.body) // 2 if keep is None else keep]
        await send({"type": "http.response.body", "body": part, "more_body": True})

    def _headers(self, reply: Reply) -> list[tuple[bytes, bytes]]:
        request_id = f"{self._request_ids.getrandbits(128):032x}"
        headers = [
            (b"date", self.service.clock.http_date().encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(reply.body)).encode()),
            (b"x-amzn-requestid", request_id.encode()),
        ]
        if reply.error_code is not None:
            headers.append((b"x-amzn-errortype", reply.error_code.encode()))
        return headers


async def _refuse(refusal: Refusal, receive: Receive, send: Send) -> None:
    """In both interfaces' own form: SDKs read the code and the message, the control's client the error."""
    await read_body(receive, limit=0)
    content = {"__type": refusal.code, "message": refusal.message, "error": refusal.message}
    headers = ((b"x-amzn-errortype", refusal.code.encode()), (b"connection", b"close"))
    await send_json(send, refusal.status, content, headers)
