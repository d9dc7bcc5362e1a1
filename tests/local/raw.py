"""Requests as no client library sends them, byte for byte."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend

PARSERS = ["h11", "httptools"]


class Answer:
    """A whole answer: one that is cut off raises instead."""

    def __init__(self, response: HTTPResponse) -> None:
        self.body = response.read()
        self.status = response.status
        self.headers = response.headers

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


def address(service: LocalAmplifyBackend) -> tuple[str, int]:
    parts = urlsplit(service.endpoint_url)
    return parts.hostname or "", parts.port or 0


def exchange(service: LocalAmplifyBackend, request: bytes, method: str = "GET") -> Answer:
    """Send these bytes and read one answer."""
    with socket.create_connection(address(service), timeout=20) as connection:
        connection.sendall(request)
        with HTTPResponse(connection, method=method) as response:
            response.begin()
            return Answer(response)


def ask(
    service: LocalAmplifyBackend,
    method: str,
    target: str | bytes,
    body: bytes | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    host: str | None = "",
) -> Answer:
    """One request; `host` is the service's own unless given, and None sends no such header."""
    lines = [*(headers.items() if isinstance(headers, Mapping) else headers)]
    if host is not None:
        lines.insert(0, ("Host", host or "{}:{}".format(*address(service))))
    if body is not None:
        lines.append(("Content-Length", str(len(body))))
    raw_target = target if isinstance(target, bytes) else target.encode("latin-1")
    head = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in lines)
    request = b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method.encode("latin-1"), raw_target, head, body or b"")
    return exchange(service, request, method)


def control(service: LocalAmplifyBackend, method: str, path: str, body: bytes | None = None) -> Answer:
    """A request to the control interface, with the content type that it takes."""
    return ask(service, method, f"/_amplifybackend{path}", body, {"Content-Type": "application/json"})


def use_parser(monkeypatch: pytest.MonkeyPatch, parser: str) -> None:
    """Let servers that start from now on use this HTTP parser: users have either."""
    pytest.importorskip(parser)
    name = {"h11": "h11_impl:H11Protocol", "httptools": "httptools_impl:HttpToolsProtocol"}[parser]
    monkeypatch.setitem(uvicorn_parsers(), "auto", f"uvicorn.protocols.http.{name}")


def uvicorn_parsers() -> dict[Any, Any]:
    from uvicorn import config

    parsers: dict[Any, Any] = config.HTTP_PROTOCOLS
    return parsers
