"""The connection below a request, to reset it for real."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uvicorn.config import Config

# The two addresses of a connection.
Ends = tuple[tuple[str, int], tuple[str, int]]

# ASGI has no word for "reset the connection", so the protocol leaves its transport here, by its addresses.
_transports: dict[Ends, asyncio.Transport] = {}

# l_onoff=1, l_linger=0: close() sends RST instead of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def remembering(config: Config) -> type[asyncio.Protocol]:
    """Return the HTTP protocol that uvicorn would take by itself, made to remember its transport and request target.

    It writes no access log: `Config(access_log=False)` would turn off the one of every uvicorn in this process, and
    whatever sets up logging later (Airflow does) turns it on again.
    """
    base: Any = config.http_protocol_class

    class RememberingProtocol(base):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.access_log = False
            self.remembered_as = _ends(transport)
            _transports[self.remembered_as] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            _transports.pop(self.remembered_as, None)
            super().connection_lost(exc)

        def _unsupported_upgrade_warning(self) -> None:
            """Log nothing: the caller is told, and uvicorn would advise to install a library."""

    if not hasattr(base, "on_headers_complete"):
        return RememberingProtocol

    class TargetRememberingProtocol(RememberingProtocol):
        """The protocol with httptools, which splits a target like `http://host/path` and forgets the host."""

        def on_headers_complete(self) -> None:
            self.scope["amplifybackend.target"] = self.url
            super().on_headers_complete()

    return TargetRememberingProtocol


def _ends(transport: asyncio.Transport) -> Ends:
    own, peer = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    return (own[0], own[1]), (peer[0], peer[1])


def abort_connection(scope: MutableMapping[str, Any], *, gently: bool = False) -> None:
    """End the connection with RST, or `gently`: what was sent arrives, and then the end."""
    transport = _transports.get((tuple(scope["server"]), tuple(scope["client"])))
    if transport is None:  # the caller was faster
        return
    if gently:
        transport.close()
        return
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
