"""The control interface over HTTP: seed, faults, journal, settings, clock, jobs. Its client is control.py.

What a caller gives is checked before anything changes, and every answer is ASCII: texts with half a surrogate pair
travel as JSON escapes, both ways.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from airflow_provider_amplifybackend.local.http import strict_json
from airflow_provider_amplifybackend.local.http.asgi import (
    CONTROL_PREFIX,
    IDENTITY,
    LARGEST_BODY,
    ASGIApp,
    Receive,
    Scope,
    Send,
    read_body,
    replaying,
    send_json,
)
from airflow_provider_amplifybackend.local.http.overview import overview
from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.api_model import SERVICES
from airflow_provider_amplifybackend.local.service.job_book import FINISHED
from airflow_provider_amplifybackend.local.service.service import Service
from airflow_provider_amplifybackend.local.service.store import Store
from airflow_provider_amplifybackend.local.testing.faults import FaultBook
from airflow_provider_amplifybackend.local.testing.journal import Journal
from airflow_provider_amplifybackend.local.testing.seed import seed

Endpoint = Callable[[Request], Awaitable[Response]]

# A browser sends JSON to another origin only after it has asked, and it is refused then.
_CONTENT_TYPE = "application/json"
_JOURNAL_FILTERS = ("service", "operation", "app_id", "environment")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class _UnknownError(Exception):
    """A request for an id that does not exist."""


def control_api(service: Service, faults: FaultBook, journal: Journal, reset: Callable[[], None]) -> ASGIApp:
    """Return the control interface as an application.

    :param reset: brings all of it back to how it started.
    """
    control = _Control(service, faults, journal, reset)
    routes = [
        Route("/health", control.health, methods=["GET"]),
        Route("/reset", control.reset, methods=["POST"]),
        Route("/seed", control.seed, methods=["POST"]),
        Route("/faults", control.list_faults, methods=["GET"]),
        Route("/faults", control.add_fault, methods=["POST"]),
        Route("/faults", control.clear_faults, methods=["DELETE"]),
        Route("/faults/{fault_id:int}", control.remove_fault, methods=["DELETE"]),
        Route("/journal", control.read_journal, methods=["GET"]),
        Route("/journal", control.clear_journal, methods=["DELETE"]),
        Route("/settings", control.read_settings, methods=["GET"]),
        Route("/settings", control.change_settings, methods=["PATCH"]),
        Route("/clock", control.read_clock, methods=["GET"]),
        Route("/clock", control.set_clock, methods=["PATCH"]),
        Route("/clock/advance", control.advance, methods=["POST"]),
        Route("/jobs", control.list_jobs, methods=["GET"]),
        Route("/jobs/{job_id}/end", control.end_job, methods=["POST"]),
        Route("/state", control.state, methods=["GET"]),
        Route("/overview", control.overview, methods=["GET"]),
    ]
    routed = Starlette(
        routes=[Mount(CONTROL_PREFIX, routes=routes)],
        exception_handlers={ValueError: _refused, _UnknownError: _unknown, HTTPException: _no_such_request},
    )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is None:
            await send_json(send, 413, {"error": f"the body is larger than {LARGEST_BODY} bytes"})
        elif (scope["method"] in _WITH_BODY or body) and not _is_json(scope):
            await send_json(send, 415, {"error": f"the content type must be {_CONTENT_TYPE}"})
        else:
            await routed(scope, replaying(body, receive), send)

    return answer


def _is_json(scope: Scope) -> bool:
    types = [value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"]
    return [text.partition(";")[0].strip().lower() for text in types] == [_CONTENT_TYPE]


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(content, separators=(",", ":")), status_code=status, media_type=_CONTENT_TYPE)


async def _refused(request: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 400)


async def _unknown(request: Request, error: Exception) -> Response:
    return _json({"error": f"there is no {error}"}, 404)


async def _no_such_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    return _json({"error": f"{request.method} {request.url.path}: {error.detail}"}, status)


async def _json_object(request: Request, *members: str) -> dict[str, Any]:
    """Return the body's members, which must be among those that are named, if any are."""
    content = strict_json.read_object(await request.body())
    unknown = set(content) - set(members)
    if members and unknown:
        raise ValueError(f"there is no member {', '.join(sorted(unknown))}; there are: {', '.join(members)}")
    return content


class _Control:
    def __init__(self, service: Service, faults: FaultBook, journal: Journal, reset: Callable[[], None]) -> None:
        self._service = service
        self._faults = faults
        self._journal = journal
        self._reset = reset

    async def health(self, request: Request) -> Response:
        """Say who this is: whoever is about to send requests here can know that it is not AWS."""
        services = list(SERVICES)
        return _json({"service": IDENTITY, "status": "ok", "answers": services, "requests": self._journal.count})

    async def reset(self, request: Request) -> Response:
        self._reset()
        return _json({})

    async def seed(self, request: Request) -> Response:
        seed(self._service, await _json_object(request))
        return _json({})

    async def list_faults(self, request: Request) -> Response:
        return _json({"faults": [fault.as_dict() for fault in self._faults.all()]})

    async def add_fault(self, request: Request) -> Response:
        script = await _json_object(request)
        if "kind" not in script:
            raise ValueError("a fault needs kind")
        fault = self._faults.add(**script)
        return _json(fault.as_dict(), 201)

    async def clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return _json({})

    async def remove_fault(self, request: Request) -> Response:
        fault_id = request.path_params["fault_id"]
        if not self._faults.remove(fault_id):
            raise _UnknownError(f"fault {fault_id}")
        return _json({})

    async def read_journal(self, request: Request) -> Response:
        entries = self._journal.read(**_journal_filters(request))
        return _json({"entries": [entry.as_dict() for entry in entries], "dropped": self._journal.dropped})

    async def clear_journal(self, request: Request) -> Response:
        self._journal.clear()
        return _json({})

    async def read_settings(self, request: Request) -> Response:
        return _json(self._service.settings.as_dict())

    async def change_settings(self, request: Request) -> Response:
        self._service.settings.update(await _json_object(request))
        return await self.read_settings(request)

    async def read_clock(self, request: Request) -> Response:
        clock = self._service.clock
        return _json({"time": clock.wall(), "skew_seconds": clock.skew_seconds, "frozen": clock.frozen})

    async def set_clock(self, request: Request) -> Response:
        changes = await _json_object(request, "skew_seconds", "frozen")
        clock = self._service.clock
        limit = checks.LONGEST_SECONDS
        skew = checks.number(changes.get("skew_seconds", clock.skew_seconds), "skew_seconds", least=-limit, most=limit)
        frozen = checks.flag(changes.get("frozen", clock.frozen), "frozen")
        clock.skew(skew)
        clock.freeze(frozen)
        return await self.read_clock(request)

    async def advance(self, request: Request) -> Response:
        changes = await _json_object(request, "seconds")
        limit = checks.LONGEST_SECONDS
        self._service.clock.advance(checks.number(changes.get("seconds"), "seconds", least=-limit, most=limit))
        self._service.settle()
        return await self.read_clock(request)

    async def list_jobs(self, request: Request) -> Response:
        self._service.settle()
        stores = self._service.stores.values()
        return _json({"jobs": [job.internals() for store in stores for job in store.jobs.all()]})

    async def end_job(self, request: Request) -> Response:
        changes = await _json_object(request, "status", "error")
        status, error = changes.get("status", "COMPLETED"), changes.get("error")
        if checks.text(status, "status") not in FINISHED:
            raise ValueError(f"status must be one of {', '.join(sorted(FINISHED))}, not {checks.shown(status)}")
        if error is not None:
            checks.text(error, "error")
        self._service.settle()
        job_id = request.path_params["job_id"]
        store = self._service.store_of_job(job_id)
        if store is None:
            raise _UnknownError(f"job {checks.shown(job_id)}")
        job = store.jobs.by_id[job_id]
        if not job.finished:
            self._service.schedule.move(job, store, status, at=self._service.clock.now(), error=error)
        return _json(job.internals())

    async def state(self, request: Request) -> Response:
        self._service.settle()
        return _json({"stores": [self._shown(store) for store in self._service.stores.values()]})

    async def overview(self, request: Request) -> Response:
        given = request.query_params
        # Numbers of another journal, from before a start or a reset, say nothing about this one.
        after = _number(given.get("after", "0"), "after") if given.get("run") == self._journal.run else 0
        return _json(overview(self._service, self._faults, self._journal, after))

    def _shown(self, store: Store) -> dict[str, Any]:
        stacks = self._service.provisioner.stacks.all(store)
        return {**store.snapshot(), "stacks": [asdict(stack) for stack in stacks]}


def _journal_filters(request: Request) -> dict[str, Any]:
    query = request.scope["query_string"].decode("latin-1")
    given = dict(parse_qsl(query, keep_blank_values=True, errors="surrogatepass"))
    filters: dict[str, Any] = {name: given.pop(name, None) for name in _JOURNAL_FILTERS}
    filters["after"] = _number(given.pop("after", "0"), "after")
    effective = given.pop("effective", None)
    if effective not in (None, "true", "false"):
        raise ValueError("effective must be 'true' or 'false'")
    filters["effective"] = None if effective is None else effective == "true"
    if given:
        raise ValueError(f"the journal has no filter {', '.join(sorted(given))}")
    return filters


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f"{what} must be a whole number, not {checks.shown(text)}")
    return int(text)
