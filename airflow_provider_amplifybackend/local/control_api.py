"""The control interface over HTTP: seed, faults, journal, settings, clock, jobs. Its client is control.py."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from airflow_provider_amplifybackend.local.jobs import FINISHED
from airflow_provider_amplifybackend.local.seed import seed

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.app import LocalApp

Endpoint = Callable[[Request], Awaitable[Response]]


def control_api(local: LocalApp) -> Starlette:
    control = _Control(local)
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
    ]
    return Starlette(
        routes=[Mount("/_amplifybackend", routes=routes)],
        exception_handlers={ValueError: _refused, TypeError: _refused, KeyError: _unknown},
    )


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


async def _unknown(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"there is no {error}"}, status_code=404)


async def _json_object(request: Request) -> dict[str, Any]:
    body = await request.body()
    content = json.loads(body) if body else {}
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")
    return content


class _Control:
    def __init__(self, local: LocalApp) -> None:
        self._local = local

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "requests": self._local.journal.count})

    async def reset(self, request: Request) -> Response:
        self._local.reset()
        return JSONResponse({})

    async def seed(self, request: Request) -> Response:
        seed(self._local.service, await _json_object(request))
        return JSONResponse({})

    async def list_faults(self, request: Request) -> Response:
        return JSONResponse({"faults": [fault.as_dict() for fault in self._local.faults.all()]})

    async def add_fault(self, request: Request) -> Response:
        fault = self._local.faults.add(**await _json_object(request))
        return JSONResponse(fault.as_dict(), status_code=201)

    async def clear_faults(self, request: Request) -> Response:
        self._local.faults.clear()
        return JSONResponse({})

    async def remove_fault(self, request: Request) -> Response:
        self._local.faults.remove(request.path_params["fault_id"])
        return JSONResponse({})

    async def read_journal(self, request: Request) -> Response:
        entries = self._local.journal.read(**_journal_filters(request))
        return JSONResponse({"entries": [entry.as_dict() for entry in entries], "dropped": self._local.journal.dropped})

    async def clear_journal(self, request: Request) -> Response:
        self._local.journal.clear()
        return JSONResponse({})

    async def read_settings(self, request: Request) -> Response:
        return JSONResponse(self._local.service.settings.as_dict())

    async def change_settings(self, request: Request) -> Response:
        self._local.service.settings.update(await _json_object(request))
        return await self.read_settings(request)

    async def read_clock(self, request: Request) -> Response:
        clock = self._local.service.clock
        return JSONResponse({"time": clock.wall(), "skew_seconds": clock.skew_seconds, "frozen": clock.frozen})

    async def set_clock(self, request: Request) -> Response:
        changes = await _json_object(request)
        unknown = set(changes) - {"skew_seconds", "frozen"}
        if unknown:
            raise ValueError(f"the clock has no {', '.join(sorted(unknown))}")
        clock = self._local.service.clock
        clock.skew_seconds = float(changes.get("skew_seconds", clock.skew_seconds))
        clock.freeze(bool(changes.get("frozen", clock.frozen)))
        return await self.read_clock(request)

    async def advance(self, request: Request) -> Response:
        changes = await _json_object(request)
        self._local.service.clock.advance(float(changes["seconds"]))
        self._local.service.settle()
        return await self.read_clock(request)

    async def list_jobs(self, request: Request) -> Response:
        self._local.service.settle()
        stores = self._local.service.stores.values()
        return JSONResponse({"jobs": [job.internals() for store in stores for job in store.jobs.all()]})

    async def end_job(self, request: Request) -> Response:
        changes = {"status": "COMPLETED", "error": None, **await _json_object(request)}
        if changes["status"] not in FINISHED:
            raise ValueError(f"status must be one of {', '.join(sorted(FINISHED))}")
        service = self._local.service
        service.settle()
        job_id = request.path_params["job_id"]
        book = next((store.jobs for store in service.stores.values() if job_id in store.jobs.by_id), None)
        if book is None:
            raise KeyError(job_id)
        job = book.by_id[job_id]
        if not job.finished:
            now = service.clock.now()
            service.schedule.move(job, book, changes["status"], at=now, error=changes["error"])
        return JSONResponse(job.internals())

    async def state(self, request: Request) -> Response:
        self._local.service.settle()
        return JSONResponse({"stores": [store.snapshot() for store in self._local.service.stores.values()]})


def _journal_filters(request: Request) -> dict[str, Any]:
    given = dict(request.query_params)
    filters: dict[str, Any] = {name: given.pop(name, None) for name in ("operation", "app_id", "environment")}
    filters["after"] = int(given.pop("after", 0))
    effective = given.pop("effective", None)
    if effective not in (None, "true", "false"):
        raise ValueError("effective must be 'true' or 'false'")
    filters["effective"] = None if effective is None else effective == "true"
    if given:
        raise ValueError(f"the journal has no filter {', '.join(sorted(given))}")
    return filters
