"""What Airflow is to a job operator: tries with a context, a state store that outlives them, and a triggerer."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

from airflow_provider_amplifybackend.triggers._poller import shared_poller
from tests.airflow_versions import events_of, execute, outlet_events, task_deferred
from tests.state_store import Crash, StateStore, nothing

EVENT_SECONDS = 120.0


class Killed(BaseException):
    """The task's process dies here."""


class Triggerer:
    """Runs triggers on a loop of its own, each from its serialized form, as a triggerer process does."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="triggerer", daemon=True)
        self._open = AsyncExitStack()

    def __enter__(self) -> Triggerer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._open.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def keep_client(self, **hook_parameters: Any) -> None:
        """Keep the client for this connection, though nobody waits: making one takes longer than a short wait."""

        async def keep() -> None:
            await self._open.enter_async_context(shared_poller(**hook_parameters))

        self._run(keep())

    def event_of(self, trigger: Any) -> Any:
        """Run the trigger until it fires."""
        path, arguments = json.loads(json.dumps(trigger.serialize()))
        module, _, name = path.rpartition(".")
        rebuilt = getattr(importlib.import_module(module), name)(**arguments)
        return json.loads(json.dumps(self._run(_first(rebuilt)).payload))

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(EVENT_SECONDS)


async def _first(trigger: Any) -> Any:
    return await anext(trigger.run())


@dataclass
class TaskInstance:
    """A task instance. Its tries share the state store and nothing else; each deferral ends a process."""

    make: Callable[[], Any]
    """Returns the task's operator, a new one for each process."""
    triggerer: Triggerer
    store: StateStore | None = field(default_factory=StateStore)
    retries: int = 3
    at: Callable[[str], None] = nothing
    """Called with `while deferred`; may raise."""
    try_number: int = 0
    clear_number: int = 0
    max_tries: int = field(init=False)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    events: list[dict[str, Any]] = field(default_factory=list)
    """The asset events that are stored: those of tries that succeeded."""
    dies_before_success: int | None = None
    """The try whose process dies when all is done, before Airflow hears of it."""

    def __post_init__(self) -> None:
        self.max_tries = self.retries

    @property
    def is_last_try(self) -> bool:
        return self.try_number > self.max_tries

    def clear(self) -> None:
        """Clear the task: Airflow then grants it all its retries once more."""
        self.max_tries = self.try_number + self.retries
        self.clear_number += 1

    def attempt(self) -> Any:
        """Make one try, through all of its deferrals."""
        self.try_number += 1
        context = self._context()
        step: Callable[[Any], Any] = partial(execute, context=context)
        while True:
            try:
                return self._succeed(step(self.make()), context)
            except task_deferred() as error:
                deferred: Any = error
                self.at("while deferred")
                step = partial(
                    _resume, deferred=deferred, event=self.triggerer.event_of(deferred.trigger), context=context
                )

    def _succeed(self, result: Any, context: Mapping[str, Any]) -> Any:
        if self.try_number == self.dies_before_success:
            raise Crash
        self.events += events_of(context["outlet_events"])
        return result

    def _context(self) -> dict[str, Any]:
        ti = SimpleNamespace(try_number=self.try_number, max_tries=self.max_tries, xcom_push=lambda **_: None)
        dag_run = SimpleNamespace(clear_number=self.clear_number, start_date=self.began)
        context = {"ti": ti, "dag_run": dag_run, "outlet_events": outlet_events()}
        return context if self.store is None else context | {"task_state_store": self.store}


def _resume(operator: Any, deferred: Any, event: Any, context: Mapping[str, Any]) -> Any:
    return getattr(operator, deferred.method_name)(context, event=event, **(deferred.kwargs or {}))
