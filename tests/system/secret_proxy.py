"""An HTTP proxy that wants a password, on a free port of 127.0.0.1: for connections whose secret is that password."""

from __future__ import annotations

import base64
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

_HOP_BY_HOP = frozenset({"connection", "proxy-authorization", "transfer-encoding", "content-length", "proxy-connection"})


class Proxy:
    """Forwards whatever comes with a password, and notes that."""

    def __init__(self) -> None:
        self.passwords: set[str] = set()
        passwords = self.passwords

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                kind, _, given = self.headers.get("Proxy-Authorization", "").partition(" ")
                password = base64.b64decode(given).decode().partition(":")[2] if kind == "Basic" else ""
                if not password:
                    self.answer(407, [("Proxy-Authenticate", "Basic")], b"")
                    return
                passwords.add(password)
                target = urlsplit(self.path)
                connection = http.client.HTTPConnection(target.netloc, timeout=30)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
                connection.request(self.command, target._replace(scheme="", netloc="").geturl(), body, headers)
                response = connection.getresponse()
                self.answer(response.status, response.getheaders(), response.read())
                connection.close()

            def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in _HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = forward

            def log_message(self, *_: Any) -> None:
                """Say nothing: the tests listen."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
