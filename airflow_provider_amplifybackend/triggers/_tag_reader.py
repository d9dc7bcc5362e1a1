"""An app's tags, read once for all who wait there for room: with one client, however many they are.

What others have just read serves everybody: a place in the queue depends on the time of the read, and the worker reads
once more before it continues.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow_provider_amplifybackend.guard.lease import Tags

# By event loop: a lock belongs to the loop in which it is waited for.
_readers: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[str, TagReader]] = WeakKeyDictionary()


class TagReader:
    """Reads the tags of one app with one connection, one read at a time."""

    def __init__(self, app_id: str, hook_parameters: Mapping[str, Any], *, connection_found: bool | None) -> None:
        self._app_id = app_id
        self._hook_parameters = hook_parameters
        self._connection_found = connection_found
        self._leases: Any = None
        self._tags: Tags | None = None
        self._asked_at = 0.0
        self._reading = asyncio.Lock()

    async def read(self, *, after: datetime, within: float) -> Tags:
        """Return the tags as they were read after a moment, by the service's clock, and within the last seconds.

        :raises Exception: They cannot be read, for whatever reason.
        """
        async with self._reading:
            if self._tags is None or self._tags.now < after or time.monotonic() - self._asked_at > within:
                begun = time.monotonic()
                # In a thread: making a client and reading both block.
                self._tags = await asyncio.to_thread(self._read)
                self._asked_at = begun
            return self._tags

    def _read(self) -> Tags:
        leases = self._leases or self._make_leases()
        self._leases = None  # after an error, a new client has the credentials of that moment
        tags: Tags = leases.read()
        self._leases = leases
        return tags

    def _make_leases(self) -> Any:
        # A triggerer that waits for no room does not pay for these.
        hooks = import_module("airflow_provider_amplifybackend.hooks.amplify_backend")
        leases = import_module("airflow_provider_amplifybackend.hooks._leases")
        hook = hooks.AmplifyBackendHook(**self._hook_parameters)
        if self._connection_found:
            hook.connection_found = True
        return leases.Leases(hook, self._app_id)


def tag_reader(app_id: str, *, connection_found: bool | None, **hook_parameters: Any) -> TagReader:
    """Return the reader of an app's tags; it lives as long as somebody holds it."""
    key = json.dumps([app_id, connection_found, hook_parameters], sort_keys=True, default=str)
    readers = _readers.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    reader = readers.get(key)
    if reader is None:
        reader = readers[key] = TagReader(app_id, hook_parameters, connection_found=connection_found)
    return reader
