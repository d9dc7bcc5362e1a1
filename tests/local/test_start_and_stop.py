"""The local AmplifyBackend in a thread: how its connections are made, and when it may be taken for stopped."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local import server
from airflow_provider_amplifybackend.local.http.app import LocalApp
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_packet_waits_for_the_one_before_where_there_is_no_uvloop(host: str) -> None:
    """uvloop sees to it for all its connections; asyncio for those whose socket says that it is TCP."""
    accepted: list[int] = []

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async def connect() -> None:
        with server._listen(host, 0) as listener:
            async with await asyncio.start_server(note, sock=listener):
                reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
                assert await reader.read() == b""
                writer.close()

    try:
        server._listen(host, 0).close()
    except OSError:
        pytest.skip(f"nothing can listen on {host} here")
    asyncio.run(connect())
    assert [bool(nodelay) for nodelay in accepted] == [True]


def test_a_stop_that_did_not_end_it_says_so_keeps_the_state_file_and_can_be_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, free = threading.Event(), threading.Event()

    async def hang(*_: Any) -> None:
        begun.set()
        free.wait(60)  # the loop itself

    monkeypatch.setattr(server, "_STOP_SECONDS", 0.2)
    service = LocalAmplifyBackend(state=tmp_path / "state").start()
    monkeypatch.setattr(LocalApp, "__call__", hang)
    host, port = service.endpoint_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert begun.wait(30)
        try:
            with pytest.raises(RuntimeError, match="did not stop within"):
                service.stop()
            with pytest.raises(RuntimeError, match="already running"):
                service.start()
            with pytest.raises(Exception, match="in use"):
                LocalAmplifyBackend(state=tmp_path / "state").start()
        finally:
            free.set()
    monkeypatch.undo()
    service.stop()
    with LocalAmplifyBackend(state=tmp_path / "state") as after:
        assert after.control.health()["status"] == "ok"
