"""A server that answers with the very bytes of a test, connection by connection: what no HTTP library would send."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

ROW = {"appId": "d1", "backendEnvironmentName": "staging", "jobId": "job-1", "operation": "UpdateBackendAPI"}


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return an answer with a length."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def row(status: str = "RUNNING", **members: Any) -> bytes:
    """Return the body of a job."""
    return json.dumps(ROW | {"status": status} | members).encode()


@dataclass
class Wire:
    """What was asked, and what is answered."""

    endpoint_url: str = ""
    # The heads of requests, each with whether botocore has sent it.
    heads: list[str] = field(default_factory=list)
    # Writes an answer to a connection. What it returns says whether the connection is kept.
    script: Callable[[Wire, socket.socket, str], bool] = lambda wire, connection, head: wire.send(connection, row())

    @property
    def lean(self) -> list[str]:
        """Those that botocore has not sent."""
        return [head for head in self.heads if "amz-sdk-invocation-id" not in head]

    @property
    def slow(self) -> list[str]:
        """Those that it has."""
        return [head for head in self.heads if "amz-sdk-invocation-id" in head]

    def send(self, connection: socket.socket, body: bytes, *headers: str, status: str = "200 OK") -> bool:
        """Answer properly."""
        connection.sendall(answer(body, *headers, status=status))
        return True

    def serve(self, connection: socket.socket) -> None:
        received = b""
        with connection, suppress(OSError):
            while data := connection.recv(65536):
                received += data
                while b"\r\n\r\n" in received:
                    head, _, received = received.partition(b"\r\n\r\n")
                    self.heads.append(head.decode().lower())
                    if not self.script(self, connection, self.heads[-1]):
                        return


@contextmanager
def raw_wire() -> Iterator[Wire]:
    """Run one on a free port of this machine."""
    wire = Wire()
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire.endpoint_url = f"http://127.0.0.1:{server.getsockname()[1]}"

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=wire.serve, args=[server.accept()[0]], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield wire
        server.shutdown(socket.SHUT_RDWR)
