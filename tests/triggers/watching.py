"""What Airflow 3.3 is to an asset watcher: a triggerer with Airflow's own shared streams, events that are stored after
they fired, and a store for each asset that outlives the triggerer."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass
class AssetStore:
    """The store of one asset: JSON, without None. It can be out of order for a while."""

    content: dict[str, str] = field(default_factory=dict)
    is_broken: bool = False

    async def aget(self, key: str, default: Any = None) -> Any:
        self._check()
        return json.loads(self.content[key]) if key in self.content else default

    async def aset(self, key: str, value: Any) -> None:
        assert value is not None
        self._check()
        self.content[key] = json.dumps(value, allow_nan=False)

    def _check(self) -> None:
        if self.is_broken:
            raise RuntimeError("the API server cannot be reached")


@dataclass
class Database:
    """Everything of Airflow that outlives a triggerer."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """The asset events, with their asset."""
    stores: dict[str, AssetStore] = field(default_factory=dict)

    def of(self, asset: str) -> list[dict[str, Any]]:
        return [event for name, event in self.events if name == asset]

    def jobs(self) -> list[str]:
        return [event["job_id"] for _, event in self.events]


class Triggerer:
    """Runs watchers from their serialized form. Events are stored when it says so, or at once.

    :param stores: Whether fired events are stored.
    :param confirms: Whether the streams hear of it.
    """

    def __init__(self, database: Database, *, stores: bool = True, confirms: bool = True) -> None:
        self.database = database
        self.stores = stores
        self.confirms = confirms
        self.fired = 0
        self._streams = importlib.import_module("airflow.triggers.shared_stream").SharedStreamManager()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Triggerer:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Die: nothing more is stored or heard of."""
        self.stores = self.confirms = False
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self._streams.stop_all()

    def watch(self, trigger: Any, *assets: str) -> None:
        """Run a trigger for some assets."""
        path, arguments = json.loads(json.dumps(trigger.serialize()))
        module, _, name = path.rpartition(".")
        rebuilt = getattr(importlib.import_module(module), name)(**arguments)
        stores = {asset: self.database.stores.setdefault(asset, AssetStore()) for asset in assets}
        rebuilt.asset_state_store = SimpleNamespace(_by_name=stores)
        self._tasks.append(asyncio.create_task(self._run(len(self._tasks), rebuilt, assets)))

    async def _run(self, number: int, trigger: Any, assets: tuple[str, ...]) -> None:
        key = trigger.shared_stream_key()
        stream = self._streams.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                self.fired += 1
                sequence = self._streams.bind_pending_event(trigger_id=number, key=key)
                if self.stores:
                    self.database.events += [(asset, event.payload) for asset in assets]
                if self.confirms:
                    asyncio.get_running_loop().call_later(0.01, self._streams.confirm_persisted, [sequence])
        finally:
            await self._streams.unsubscribe(number, key)


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds; it may ask the service."""
    while not await asyncio.to_thread(condition):
        await asyncio.sleep(0.02)
