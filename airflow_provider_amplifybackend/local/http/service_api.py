"""The service's own interface over HTTP: parses a request, lets faults strike, asks the service, keeps the journal."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.local.http.asgi import Receive, Scope, Send, read_body
from airflow_provider_amplifybackend.local.http.fault_answers import CONNECTION_RESET, error_of, sent_part
from airflow_provider_amplifybackend.local.http.router import has_dot_segments
from airflow_provider_amplifybackend.local.http.signature import Credential, account_of
from airflow_provider_amplifybackend.local.http.transport import abort_connection
from airflow_provider_amplifybackend.local.http.wire import Operation, Wire
from airflow_provider_amplifybackend.local.service.api_model import SERVICE_NAME
from airflow_provider_amplifybackend.local.service.errors import AnsweredError, bad_request
from airflow_provider_amplifybackend.local.service.service import Service
from airflow_provider_amplifybackend.local.service.store import DEFAULT_ACCOUNT, DEFAULT_REGION
from airflow_provider_amplifybackend.local.testing.faults import Fault, FaultBook
from airflow_provider_amplifybackend.local.testing.journal import Journal


@dataclass(slots=True)
class Request:
    """One request to AmplifyBackend on its way through the service."""

    operation: Operation | None
    account: str
    region: str
    parameters: dict[str, Any] = field(default_factory=dict)
    refusal: AnsweredError | None = None
    delay: Fault | None = None
    fault: Fault | None = None


@dataclass(slots=True)
class Reply:
    """The answer that the caller gets and the journal keeps; status 0: the connection is reset instead."""

    status: int
    body: bytes
    error_code: str | None = None
    effective: bool = False
    job_id: str | None = None


class ServiceApi:
    """Everything between a request to AmplifyBackend and its answer."""

    def __init__(self, wire: Wire, service: Service, faults: FaultBook, journal: Journal) -> None:
        self._wire = wire
        self._service = service
        self._faults = faults
        self._journal = journal
        self._request_ids = random.Random()

    def is_asked(self, signed: Credential | None, raw_path: str) -> bool:
        """Return true for a request to AmplifyBackend: by its signature, or else by its path."""
        if signed is not None:
            return signed.service == SERVICE_NAME
        router = self._wire.router
        return router.knows(raw_path) or (has_dot_segments(raw_path) and router.concerns(raw_path))

    async def serve(self, raw_path: str, signed: Credential | None, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        request = self._parse(scope["method"], raw_path, signed, body)
        self._strike(request)
        delay = request.delay
        if delay is not None and delay.before_effect:
            await asyncio.sleep(delay.options["seconds"])
        reply = self._perform(request)
        if delay is not None and not delay.before_effect:
            await asyncio.sleep(delay.options["seconds"])
        part = sent_part(request.fault, reply.body)
        await self._answer(reply, part, send)
        if reply.status == 0 or part is not None:
            abort_connection(scope, gently=reply.status != 0)
            # Until it is gone; else uvicorn would report an application that forgot to answer.
            await receive()

    def _parse(self, method: str, raw_path: str, signed: Credential | None, body: bytes | None) -> Request:
        operation, labels = self._wire.router.match(method, raw_path) or (None, {})
        request = Request(operation, self._account(signed), signed.region if signed else DEFAULT_REGION)
        # Signed as one operation and sent as another, if anybody on the way resolves them.
        dotted = bad_request("The path must not have dot segments") if has_dot_segments(raw_path) else None
        if operation is None:
            request.refusal = dotted or AnsweredError(
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
        except AnsweredError as refusal:
            request.refusal = refusal
        return request

    def _account(self, signed: Credential | None) -> str:
        if signed is None:
            return DEFAULT_ACCOUNT
        known_elsewhere = self._service.provisioner.observer.account_of
        return account_of(signed.access_key_id) or known_elsewhere(signed.access_key_id) or DEFAULT_ACCOUNT

    def _strike(self, request: Request) -> None:
        if request.operation is not None:
            name, parameters = request.operation.name, request.parameters
            request.delay = self._faults.delay_for(name, parameters)
            request.fault = self._faults.answer_for(name, parameters)

    def _perform(self, request: Request) -> Reply:
        fault = request.fault
        if fault is not None and fault.before_effect:
            reply = self._scripted(fault, request)
        else:
            reply = self._performed(request)
            if fault is not None:
                reply = self._disturbed(reply, fault, request)
        self._write_journal(request, reply)
        return reply

    def _performed(self, request: Request) -> Reply:
        operation = request.operation
        try:
            if request.refusal is not None or operation is None:
                raise request.refusal or bad_request("No operation")
            result = self._service.call(
                operation.name, request.parameters, account=request.account, region=request.region
            )
        except AnsweredError as error:
            return self._error(error)
        return Reply(200, operation.answer(result), effective=True, job_id=result.get("JobId"))

    def _error(self, error: AnsweredError) -> Reply:
        return Reply(error.status, self._wire.error(error), error_code=error.code)

    def _scripted(self, fault: Fault, request: Request) -> Reply:
        error = error_of(fault, request.parameters)
        return Reply(0, b"", error_code=CONNECTION_RESET) if error is None else self._error(error)

    def _disturbed(self, reply: Reply, fault: Fault, request: Request) -> Reply:
        """Return another reply of a request that took effect (if it could)."""
        if fault.kind == "empty":
            reply.body = b""
        elif fault.kind == "answer":
            if reply.status == 200 and request.operation is not None:
                reply.body = request.operation.altered(reply.body, fault.options["members"])
        elif fault.kind != "truncate":
            scripted = self._scripted(fault, request)
            reply = Reply(scripted.status, scripted.body, scripted.error_code, reply.effective, reply.job_id)
        return reply

    def _write_journal(self, request: Request, reply: Reply) -> None:
        self._journal.add(
            time=self._service.clock.wall(),
            account=request.account,
            region=request.region,
            operation=request.operation.name if request.operation else None,
            parameters=request.parameters,
            status_code=reply.status,
            error_code=reply.error_code,
            effective=reply.effective,
            job_id=reply.job_id,
            faults=[fault.kind for fault in (request.delay, request.fault) if fault is not None],
        )

    async def _answer(self, reply: Reply, part: bytes | None, send: Send) -> None:
        if reply.status == 0:
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": self._headers(reply)})
        if part is None:
            await send({"type": "http.response.body", "body": reply.body})
        else:
            await send({"type": "http.response.body", "body": part, "more_body": True})

    def _headers(self, reply: Reply) -> list[tuple[bytes, bytes]]:
        request_id = f"{self._request_ids.getrandbits(128):032x}"
        headers = [
            (b"date", self._service.clock.http_date().encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(reply.body)).encode()),
            (b"x-amzn-requestid", request_id.encode()),
        ]
        if reply.error_code is not None:
            headers.append((b"x-amzn-errortype", reply.error_code.encode()))
        return headers
