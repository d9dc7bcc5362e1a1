"""A client that many share, and that outlives its last request by nothing."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.hooks._async_client import create_client_and_reader

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.hooks._lean_reader import LeanReader


class SharedClient:
    """A client, which is closed when it is retired and its last request has returned.

    To close it earlier breaks the requests of others, and aiobotocore before 3.10 leaks sessions then.
    """

    def __init__(self, client: Any, reader: LeanReader | None, stack: AsyncExitStack) -> None:
        self.client = client
        self.reader = reader
        self.created = time.monotonic()
        self._stack = stack
        self._requests = 0
        self._is_retired = False
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def create(cls, **hook_parameters: Any) -> SharedClient:
        """Create a client for a connection."""
        async with AsyncExitStack() as stack:
            client, reader = await create_client_and_reader(stack, **hook_parameters)
            return cls(client, reader, stack.pop_all())

    @property
    def connections(self) -> int:
        """The number of requests that it sends at once."""
        return max(1, self.client.meta.config.max_pool_connections or 1)

    def __enter__(self) -> Any:
        self._requests += 1
        return self.client

    def __exit__(self, *_: object) -> None:
        self._requests -= 1
        self._close_if_done()

    def retire(self) -> None:
        """Begin no further request with it."""
        self._is_retired = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._is_retired and not self._requests and self._closing is None:
            # A task of its own: whoever was last may be cancelled.
            self._closing = asyncio.create_task(self._stack.aclose(), name="amplifybackend close client")

    async def closed(self) -> None:
        """Wait until it is closed."""
        if self._closing is not None:
            await asyncio.shield(self._closing)

    @property
    def is_closed(self) -> bool:
        """Tell whether it is closed."""
        return self._closing is not None and self._closing.done()
