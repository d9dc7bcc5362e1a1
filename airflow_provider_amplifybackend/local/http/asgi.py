"""ASGI's types, and what both interfaces do with it: read a whole body, send a whole answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# AWS's gateway lets no larger request through; the control interface takes no larger one either.
LARGEST_BODY = 10 * 1024 * 1024


class ClientGoneError(Exception):
    """The client left before its request was complete: nothing happened."""


async def read_body(receive: Receive, limit: int = LARGEST_BODY) -> bytes | None:
    """Return the whole body, or None for one that is larger than the limit.

    A body that is too large is still read to its end: a client that is cut off while it sends sees a broken
    connection and never the answer that says why.
    """
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts) if size <= limit else None


def replaying(body: bytes, receive: Receive) -> Receive:
    """A `receive` for an application behind us, of a body that has been read already."""
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return rest.pop() if rest else await receive()

    return receive_again


async def send_json(
    send: Send, status: int, content: dict[str, Any], headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    body = json.dumps(content).encode()
    length = (b"content-length", str(len(body)).encode())
    all_headers = [(b"content-type", b"application/json"), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})
