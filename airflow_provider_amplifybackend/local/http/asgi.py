"""ASGI's types, and a whole body read and a whole answer sent with them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# The control interface's place, for the service and for its client.
CONTROL_PREFIX = "/_amplifybackend"

# What GET /_amplifybackend/health says under `service`. Nothing of AWS answers there, and nothing else says so.
IDENTITY = "amplifybackend-local"

# AWS's gateway lets no larger request through; the control interface takes no larger one either.
LARGEST_BODY = 10 * 1024 * 1024


class ClientGoneError(Exception):
    """The client left before its request was complete; nothing happened."""


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
    """Return a `receive` for an application behind us, of a body that has been read already."""
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return rest.pop() if rest else await receive()

    return receive_again


async def captured(app: ASGIApp, scope: Scope, body: bytes) -> tuple[int, bytes]:
    """Ask an application behind us, and return its answer's status and body."""
    status, parts = 500, []

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def take(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await app(scope, replaying(body, gone), take)
    return status, b"".join(parts)


async def send_json(
    send: Send, status: int, content: dict[str, Any], headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    await send_whole(send, status, b"application/json", json.dumps(content).encode(), headers)


async def send_whole(
    send: Send, status: int, content_type: bytes, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    length = (b"content-length", str(len(body)).encode())
    all_headers = [(b"content-type", content_type), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})
