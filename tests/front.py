"""A server before the local service, as a proxy or as the endpoint, with TLS or a password if a test wants it."""

from __future__ import annotations

import base64
import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Run a server on a free port of this machine; the value is its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Front:
    """A server before the service that hands on what it is asked, as a proxy or as the endpoint, and remembers it."""

    behind: str
    asked: list[dict[str, str]] = field(default_factory=list)
    # As a proxy, it demands this user and password: `user:password`.
    login: str | None = None
    # It has nothing below this path, whatever is behind it.
    hides: str | None = None
    refused: int = 0
    endpoint_url: str = ""

    @contextmanager
    def running(self, tls: ssl.SSLContext | None = None) -> Iterator[Front]:
        with serving(self._handler(), tls) as self.endpoint_url:
            yield self

    def lets_in(self, authorization: str | None) -> bool:
        """Tell whether a request comes with the login that it takes."""
        if self.login is None:
            return True
        return authorization == f"Basic {base64.b64encode(self.login.encode()).decode()}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def hand_on(self) -> None:
                if not front.lets_in(self.headers.get("Proxy-Authorization")):
                    front.refused += 1
                    self.rfile.read(int(self.headers.get("Content-Length") or 0))
                    self.send_response(407)
                    self.send_header("Proxy-Authenticate", "Basic")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if front.hides and self.path.startswith(front.hides):
                    self.send_error(404)
                    return
                front.asked.append({"target": self.path, **{k.lower(): v for k, v in self.headers.items()}})
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                target = urlsplit(self.path)
                behind = http.client.HTTPConnection(target.netloc or urlsplit(front.behind).netloc)
                behind.request(self.command, target.path, body, dict(self.headers))
                answer = behind.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                with suppress(ConnectionError):  # who was asking has gone: a task that was ended, or has lost patience
                    self.end_headers()
                    self.wfile.write(content)
                behind.close()

            do_GET = do_POST = do_PUT = do_DELETE = hand_on  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
