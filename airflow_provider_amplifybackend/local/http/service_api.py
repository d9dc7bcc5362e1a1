"""One service's interface over HTTP: reads a request, lets faults strike, asks the service, keeps the journal."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend.local.http.asgi import ASGIApp, Receive, Scope, Send, captured, read_body
from airflow_provider_amplifybackend.local.http.fault_answers import CONNECTION_RESET, error_of, sent_part
from airflow_provider_amplifybackend.local.http.protocol import Asked, WireFormat
from airflow_provider_amplifybackend.local.http.signature import Credential, account_of
from airflow_provider_amplifybackend.local.http.transport import abort_connection
from airflow_provider_amplifybackend.local.service.errors import AnsweredError, broken_elsewhere
from airflow_provider_amplifybackend.local.service.service import HANDLERS, Service
from airflow_provider_amplifybackend.local.service.store import DEFAULT_ACCOUNT, DEFAULT_REGION
from airflow_provider_amplifybackend.local.testing.faults import Fault, FaultBook
from airflow_provider_amplifybackend.local.testing.journal import Journal


@dataclass(slots=True)
class Request:
    """One request on its way through the service."""

    asked: Asked
    account: str
    region: str
    scope: Scope
    body: bytes
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
    result: Mapping[str, Any] | None = None
    """What the body says, where the service itself has answered."""


class ServiceApi:
    """Everything between a request to one service and its answer.

    :param elsewhere: answers the operations that this service has not; None: nobody does.
    """

    def __init__(
        self,
        wire: WireFormat,
        service: Service,
        faults: FaultBook,
        journal: Journal,
        elsewhere: ASGIApp | None = None,
    ) -> None:
        self._wire = wire
        self._service = service
        self._faults = faults
        self._journal = journal
        self._elsewhere = elsewhere
        self._request_ids = random.Random()

    async def serve(self, raw_path: str, signed: Credential | None, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        request = Request(
            asked=self._wire.read(scope["method"], raw_path, scope["query_string"], body),
            account=self._account(signed),
            region=signed.region if signed else DEFAULT_REGION,
            scope=scope,
            body=body or b"",
        )
        self._strike(request)
        delay = request.delay
        if delay is not None and delay.before_effect:
            await asyncio.sleep(delay.options["seconds"])
        reply = await self._perform(request)
        if delay is not None and not delay.before_effect:
            await asyncio.sleep(delay.options["seconds"])
        part = sent_part(request.fault, reply.body)
        await self._answer(reply, part, send)
        if reply.status == 0 or part is not None:
            abort_connection(scope, gently=reply.status != 0)
            # Until it is gone; else uvicorn would report an application that forgot to answer.
            await receive()

    def _account(self, signed: Credential | None) -> str:
        if signed is None:
            return DEFAULT_ACCOUNT
        known_elsewhere = self._service.provisioner.observer.account_of
        return account_of(signed.access_key_id) or known_elsewhere(signed.access_key_id) or DEFAULT_ACCOUNT

    def _strike(self, request: Request) -> None:
        name, parameters = request.asked.operation, request.asked.parameters
        if name is not None:
            request.delay = self._faults.delay_for(name, parameters)
            request.fault = self._faults.answer_for(name, parameters)

    async def _perform(self, request: Request) -> Reply:
        fault = request.fault
        if fault is not None and fault.before_effect:
            reply = self._scripted(fault, request)
        else:
            reply = await self._performed(request)
            if fault is not None:
                reply = self._disturbed(reply, fault, request)
        self._write_journal(request, reply)
        return reply

    async def _performed(self, request: Request) -> Reply:
        asked = request.asked
        # What a malformed request to somebody else means, that one decides.
        if self._elsewhere is not None and asked.operation is not None and asked.operation not in HANDLERS:
            return await self._performed_elsewhere(self._elsewhere, request)
        try:
            if asked.refusal is not None:
                raise asked.refusal
            assert asked.operation is not None
            result = self._service.call(
                asked.operation, asked.parameters, account=request.account, region=request.region
            )
        except AnsweredError as error:
            return self._error(error)
        body = self._wire.answer(asked.operation, result)
        return Reply(200, body, effective=True, job_id=result.get("JobId"), result=result)

    async def _performed_elsewhere(self, elsewhere: ASGIApp, request: Request) -> Reply:
        self._service.settle()
        try:
            status, body = await captured(elsewhere, request.scope, request.body)
        except Exception:  # noqa: BLE001  # whatever goes wrong in moto, the connection stays
            status, body = 500, b""
        if status >= 500:
            # No client can read moto's page, and SDKs would repeat the request.
            return self._error(broken_elsewhere(str(request.asked.operation)))
        return Reply(status, body, error_code=None if status < 400 else str(status), effective=status < 400)

    def _error(self, error: AnsweredError) -> Reply:
        return Reply(error.status, self._wire.error(error), error_code=error.code)

    def _scripted(self, fault: Fault, request: Request) -> Reply:
        error = error_of(fault, self._wire.service, request.asked, request.account)
        return Reply(0, b"", error_code=CONNECTION_RESET) if error is None else self._error(error)

    def _disturbed(self, reply: Reply, fault: Fault, request: Request) -> Reply:
        """Return another reply of a request that took effect (if it could)."""
        if fault.kind == "empty":
            reply.body = b""
        elif fault.kind == "answer":
            if reply.result is not None and request.asked.operation is not None:
                reply.body = self._wire.altered(request.asked.operation, reply.result, fault.options["members"])
        elif fault.kind != "truncate":
            scripted = self._scripted(fault, request)
            reply = Reply(scripted.status, scripted.body, scripted.error_code, reply.effective, reply.job_id)
        return reply

    def _write_journal(self, request: Request, reply: Reply) -> None:
        self._journal.add(
            size=len(request.body),
            time=self._service.clock.wall(),
            account=request.account,
            region=request.region,
            service=self._wire.service,
            operation=request.asked.operation,
            parameters=request.asked.parameters,
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
            (b"content-type", self._wire.content_type),
            (b"content-length", str(len(reply.body)).encode()),
            (b"x-amzn-requestid", request_id.encode()),
        ]
        if reply.error_code is not None:
            headers.append((b"x-amzn-errortype", reply.error_code.encode()))
        return headers
