"""A service that answers with the bytes of a test: what no AmplifyBackend should answer, and one day does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.front import serving


@dataclass
class RawService:
    """What it answers."""

    endpoint_url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=lambda: ["{}"])

    def answer(self, body: str, *, status: int = 200, then: str | None = None, **headers: str) -> None:
        """Answer each request with this from now on, or the next one with `body` and all others with `then`."""
        self.bodies, self.status, self.headers = [body] if then is None else [body, then], status, headers

    def next_body(self) -> bytes:
        return (self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]).encode()


@contextmanager
def raw_service() -> Iterator[RawService]:
    """Run one on a free port of this machine."""
    service = RawService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = service.next_body()
            self.send_response_only(service.status)
            for name, value in {"Date": self.date_time_string(), **service.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with serving(Handler) as service.endpoint_url:
        yield service
