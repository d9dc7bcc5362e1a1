"""A status check without botocore on its way counts if it is a good one; whatever else comes is asked for again."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.job import JobRef
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from airflow_provider_amplifybackend.triggers import _events as events
from airflow_provider_amplifybackend.triggers import _poller as poller
from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger
from tests.certificates import self_signed, server_context
from tests.front import Front
from tests.raw_wire import Wire, answer, raw_wire, row
from tests.triggers.test_job_trigger import HOOK, Run, event_of

Script = Callable[[Wire, socket.socket, str], bool]
ONCE = {"retries": {"total_max_attempts": 1}}


def only_lean(way: str) -> None:
    """Skip a test of what only the lean way meets."""
    if way == "slow":
        pytest.skip("only the lean way meets this")


@pytest.fixture
def wire(way: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with raw_wire() as wire:
        monkeypatch.setenv("AIRFLOW_CONN_WIRE", connection_json(wire.endpoint_url))
        yield wire


def trigger(job_id: str = "job-1", **options: Any) -> BackendJobTrigger:
    common = {"deadline": time.time() + 30, "waiter_delay": 0.05, "aws_conn_id": "wire", "connection_found": True}
    parameters: dict[str, Any] = {"app_id": "d1", "job_id": job_id, "environments": ["staging"]} | common | options
    return BackendJobTrigger(**parameters)


def ends_after(answers: int, odd: Script) -> Script:
    """Answer well to botocore, and to us once; then in an odd way so often; then the job has completed."""
    counts = {"lean": 0}

    def script(wire: Wire, connection: socket.socket, head: str) -> bool:
        if "amz-sdk-invocation-id" in head:
            return wire.send(connection, row("RUNNING" if counts["lean"] <= answers else "COMPLETED"))
        counts["lean"] += 1
        if 1 < counts["lean"] <= answers + 1:
            return odd(wire, connection, head)
        return wire.send(connection, row("RUNNING" if counts["lean"] == 1 else "COMPLETED"))

    return script


def raw(data: bytes, *, keep: bool = False) -> Script:
    def script(wire: Wire, connection: socket.socket, head: str) -> bool:
        connection.sendall(data)
        return keep

    return script


def chunked(body: bytes) -> bytes:
    parts = [body[start : start + 7] for start in range(0, len(body), 7)]
    lines = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + lines + b"0\r\n\r\n"


ODD: dict[str, Script] = {
    "no JSON": raw(answer(b"<html>"), keep=True),
    "an empty body": raw(answer(b""), keep=True),
    "a list": raw(answer(b"[]"), keep=True),
    "no status": raw(answer(b"{}"), keep=True),
    "a status that is none": raw(answer(b'{"status": 7}'), keep=True),
    "half surrogates": raw(answer(b'{"status": "\xff\xfe"}'), keep=True),
    "nested a thousand deep": raw(answer(b'{"status":' + b"[" * 100_000 + b"}"), keep=True),
    "no length, cut": raw(b'HTTP/1.1 200 OK\r\n\r\n{"stat'),
    "cut in the body": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"status"'),
    "cut in the head": raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "no HTTP": raw(b"\x00\x01\x02 hello\r\n\r\n"),
    "nothing": raw(b""),
    "a redirect": raw(answer(b"", "Location: http://127.0.0.1:9/elsewhere", status="302 Found"), keep=True),
    "a redirect for good": raw(answer(b"", "Location: /elsewhere", status="308 Permanent Redirect"), keep=True),
    "an error": raw(answer(b'{"message": "no"}', status="500 Internal Server Error"), keep=True),
    "a gateway's error": raw(answer(b"<html>busy</html>", status="504 Gateway Timeout"), keep=True),
    "not now": raw(answer(b"", status="204 No Content"), keep=True),
    "compressed nonsense": raw(answer(b"nonsense", "Content-Encoding: gzip"), keep=True),
    "an endless head": raw(b"HTTP/1.1 200 OK\r\n" + b"X-Pad: " + b"a" * 200_000 + b"\r\n\r\n"),
}


REPEATED = ("nothing", "cut in the head")


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_answer_is_asked_for_again_through_botocore(wire: Wire, run: Run, way: str, odd: str) -> None:
    only_lean(way)
    wire.script = ends_after(1, ODD[odd])
    assert events.job_of_event(run(event_of(trigger(botocore_config=ONCE)))).is_completed
    # The first one makes the client, and shows how to ask; another asks again. Where a kept connection ended before an
    # answer began, aiohttp has sent the request again.
    assert len(wire.slow) == 2 - (odd in REPEATED)
    assert len(wire.lean) >= 2


GOOD = {
    "plain": raw(answer(row("COMPLETED")), keep=True),
    "chunked": raw(chunked(row("COMPLETED")), keep=True),
    "without a length": raw(b"HTTP/1.1 200 OK\r\n\r\n" + row("COMPLETED")),
    "compressed": raw(answer(gzip.compress(row("COMPLETED")), "Content-Encoding: gzip"), keep=True),
    "closed afterwards": raw(answer(row("COMPLETED"), "Connection: close")),
    "HTTP/1.0": raw(answer(row("COMPLETED")).replace(b"HTTP/1.1", b"HTTP/1.0")),
}


@pytest.mark.parametrize("good", GOOD)
def test_a_good_answer_is_enough_in_whatever_wrapping(wire: Wire, run: Run, way: str, good: str) -> None:
    only_lean(way)
    wire.script = ends_after(1, GOOD[good])
    assert events.job_of_event(run(event_of(trigger()))).is_completed
    assert (len(wire.slow), len(wire.lean)) == (1, 2)


def test_a_connection_that_was_closed_while_it_was_kept_is_opened_again(wire: Wire, run: Run, way: str) -> None:
    def closes(wire: Wire, connection: socket.socket, head: str) -> bool:
        wire.send(connection, row("RUNNING" if len(wire.heads) < 6 else "COMPLETED"))
        connection.shutdown(socket.SHUT_WR)
        return False

    wire.script = closes
    assert events.job_of_event(run(event_of(trigger()))).is_completed
    assert len(wire.slow) == (1 if way == "lean" else len(wire.heads))


def test_a_body_that_never_ends_does_not_outlast_the_deadline(
    wire: Wire, run: Run, pace: Callable[..., None], way: str
) -> None:
    pace(last_check=0.2)

    def drips(wire: Wire, connection: socket.socket, head: str) -> bool:
        if len(wire.heads) < 3:
            return wire.send(connection, row())
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1\r\n \r\n")
            time.sleep(0.05)

    wire.script = drips
    event = run(event_of(trigger(deadline=time.time() + 2)))
    assert event["kind"] == events.TIMEOUT


def test_a_body_that_is_too_large_is_not_kept(wire: Wire, run: Run, way: str) -> None:
    only_lean(way)
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000000\r\n\r\n" + b" " * 100_000
    wire.script = ends_after(1, raw(large))
    assert events.job_of_event(run(event_of(trigger()))).is_completed
    assert len(wire.slow) == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"message": "Rate exceeded"}', "429"),
        (b'{"message": "Rate", "__type": "TooManyRequestsException"}', "TooManyRequestsException"),
        (b"", "429"),
        (b"<html>slow down</html>", "429"),
    ],
    ids=["a message", "a type", "no body", "no JSON"],
)
def test_a_429_slows_down_and_is_not_asked_again_at_once(
    wire: Wire, run: Run, way: str, caplog: pytest.LogCaptureFixture, body: bytes, code: str
) -> None:
    only_lean(way)
    caplog.set_level("INFO", "tests.lean")
    wire.script = ends_after(2, raw(answer(body, status="429 Too Many Requests"), keep=True))
    rates: list[float] = []

    async def watch() -> Any:
        waiting = asyncio.create_task(event_of(waits))
        while not waiting.done():
            for pollers in poller._pollers.values():
                rates.extend(shared.pace.rate for shared in pollers.values())
            await asyncio.sleep(0.002)
        return await waiting

    waits = trigger(waiter_delay=0.01, botocore_config=ONCE)
    waits._log = logging.getLogger("tests.lean")  # type: ignore[assignment]
    event = run(watch())
    assert events.job_of_event(event).is_completed
    assert min(rates) < max(rates) == poller.DEFAULT_REQUESTS_PER_SECOND
    assert len(wire.slow) == 1
    [line] = [record.getMessage() for record in caplog.records if "Retrying after" in record.getMessage()]
    assert f"GetBackendJob: {code}: " in line


def test_a_quota_ends_the_wait(wire: Wire, run: Run, way: str) -> None:
    only_lean(way)
    body = b'{"message": "Full", "__type": "LimitExceededException"}'
    wire.script = ends_after(1, raw(answer(body, status="429 Too Many Requests"), keep=True))
    assert run(event_of(trigger()))["kind"] == events.ERROR
    assert len(wire.slow) == 1


# Which way


def asked(wire: Wire, run: Run, **options: Any) -> tuple[int, int]:
    """Wait with a connection, and return how often botocore asked and how often we did."""
    wire.script = lambda wire, connection, head: wire.send(
        connection, row("RUNNING" if len(wire.heads) < 4 else "COMPLETED")
    )
    assert events.job_of_event(run(event_of(trigger(**options)))).is_completed
    return len(wire.slow), len(wire.lean)


def test_the_first_check_goes_through_botocore_and_shows_how_to_ask(wire: Wire, run: Run, way: str) -> None:
    assert asked(wire, run) == ((1, 3) if way == "lean" else (4, 0))
    if way == "lean":
        theirs, ours = (dict(line.split(": ", 1) for line in head.split("\r\n")[1:]) for head in wire.heads[:2])
        assert wire.heads[0].split("\r\n")[0] == wire.heads[1].split("\r\n")[0]
        same = ("host", "user-agent", "accept-encoding")
        assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_takes_all_of_it(
    wire: Wire, run: Run, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WIRE", connection_json("http://amplifybackend.example"))
    monkeypatch.setenv(variable, wire.endpoint_url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    if variable == "HTTP_PROXY":
        assert asked(wire, run) == (4, 0)
        assert all("http://amplifybackend.example/" in head for head in wire.heads)


def test_a_no_proxy_alone_is_no_proxy(wire: Wire, run: Run, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    assert asked(wire, run) == ((1, 3) if way == "lean" else (4, 0))


def test_what_the_environment_excepts_from_its_proxy_is_asked_without(
    wire: Wire, run: Run, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert asked(wire, run) == ((1, 3) if way == "lean" else (4, 0))


def test_somebody_elses_handler_takes_all_of_it(wire: Wire, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from aiobotocore.session import AioSession

    def mark(request: Any, **_: Any) -> None:
        request.headers["X-Trace"] = "1"

    create = AioSession._create_client

    async def create_with_handler(self: Any, *arguments: Any, **options: Any) -> Any:
        client = await create(self, *arguments, **options)
        client.meta.events.register("before-send", mark)
        return client

    monkeypatch.setattr(AioSession, "_create_client", create_with_handler)
    assert asked(wire, run) == (4, 0)
    assert all("x-trace: 1" in head for head in wire.heads)


@pytest.mark.parametrize("token", [None, "AQoDYXdzEPT//////////wEXAMPLE"])
def test_the_credentials_are_those_of_the_client(
    wire: Wire, run: Run, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    extra = {"aws_session_token": token} if token else {}
    monkeypatch.setenv("AIRFLOW_CONN_WIRE", connection_json(wire.endpoint_url, **extra))
    asked(wire, run)
    for head in wire.heads:
        assert ("x-amz-security-token: " + (token or "").lower() in head) is bool(token)
        assert "/eu-west-1/" not in head


def seed_running(service: LocalAmplifyBackend, *environments: str) -> None:
    job = {"environment": "staging", "operation": "UpdateBackendAPI", "status": "RUNNING", "job_id": "job-1"}
    service.control.seed_app("d1", *environments, jobs=[job | {"seconds": 1}])


def test_the_service_takes_our_signature_for_the_account_it_belongs_to(
    service: LocalAmplifyBackend, run: Run, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "airflow_provider_amplifybackend.hooks._client_log")
    seed_running(service, "staging")
    run(event_of(trigger(aws_conn_id="aws_default", waiter_delay=0.2)))
    entries = service.control.journal("GetBackendJob")
    assert {entry["account"] for entry in entries} == {"123456789012"}
    lines = [record.getMessage() for record in caplog.records if "GetBackendJob {" in record.getMessage()]
    assert len(lines) == len(entries)
    assert all(": 200 in " in line and "request id " in line for line in lines)


def test_credentials_that_expire_in_mid_wait_are_replaced(
    wire: Wire, run: Run, monkeypatch: pytest.MonkeyPatch, way: str, pace: Callable[..., None]
) -> None:
    pace(client_pause=0.0)
    expired = json.dumps({"message": "expired", "__type": "ExpiredTokenException"}).encode()
    first_key = "AKIAFIRST"

    def with_key(key: str) -> str:
        return json.dumps(json.loads(connection_json(wire.endpoint_url)) | {"login": key})

    def script(wire: Wire, connection: socket.socket, head: str) -> bool:
        if first_key.lower() in head and len(wire.heads) >= 4:
            monkeypatch.setenv("AIRFLOW_CONN_WIRE", with_key("AKIASECOND"))
            return wire.send(connection, expired, status="403 Forbidden")
        return wire.send(connection, row("RUNNING" if len(wire.heads) < 9 else "COMPLETED"))

    wire.script = script
    monkeypatch.setenv("AIRFLOW_CONN_WIRE", with_key(first_key))
    assert events.job_of_event(run(event_of(trigger(botocore_config=ONCE)))).is_completed
    assert "akiasecond" in wire.heads[-1]
    if way == "lean":
        assert any("akiasecond" in head for head in wire.lean)


@pytest.mark.parametrize("verify", ["the bundle", False])
def test_tls_is_that_of_the_client(
    service: LocalAmplifyBackend,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    tmp_path: Path,
    verify: str | bool,
) -> None:
    certificate = self_signed(tmp_path)
    seed_running(service, "staging")
    with Front(service.endpoint_url).running(server_context(certificate)) as front:
        bundle = str(certificate) if verify else False
        monkeypatch.setenv("AIRFLOW_CONN_TLS", connection_json(front.endpoint_url, verify=bundle))
        assert events.job_of_event(run(event_of(trigger(aws_conn_id="tls", waiter_delay=0.2)))).is_completed
        by_botocore = [asked for asked in front.asked if "amz-sdk-invocation-id" in asked]
        assert len(by_botocore) == (1 if way == "lean" else len(front.asked))


def test_a_date_beyond_all_dates_ends_no_wait(wire: Wire, run: Run, way: str) -> None:
    only_lean(way)
    far = answer(row("COMPLETED", updateTime="1617375915764"), "Date: Thu, 29 Nov 99999999999 12:00:00 GMT")
    wire.script = ends_after(1, raw(far, keep=True))
    assert events.job_of_event(run(event_of(trigger()))).is_completed


def test_a_check_whose_client_is_retired_while_it_waits_for_its_turn_is_made_with_the_next_one(
    service: LocalAmplifyBackend, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__MAX_REQUESTS_PER_SECOND", "1")
    service.control.set_clock(frozen=True)
    seed_running(service, "staging")
    ref = JobRef("d1", "job-1", ("staging",))

    async def retire() -> Any:
        async with poller.shared_poller(**HOOK) as shared:
            with shared.watch(ref, waiter_delay=0.05, deadline=time.time() + 60) as waiter:
                await waiter.news(time.time() + 30)  # it runs
                while not shared._turns.is_waited_for:  # until the next check waits for its turn
                    await asyncio.sleep(0.01)
                shared._retire()
                await shared._retired[0].closed()
                service.control.advance(10)
                return await waiter.news(time.time() + 30)

    assert run(retire()).is_completed


def test_an_address_that_moves_is_found_again(wire: Wire, run: Run, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """As after a change of DNS: the connection breaks, and the name leads elsewhere."""
    with raw_wire() as elsewhere:
        port = int(wire.endpoint_url.rpartition(":")[2])
        target = {"port": port}
        real = socket.getaddrinfo

        def look_up(host: Any, number: Any, *arguments: Any, **options: Any) -> Any:
            if host == "moving.example":
                return real("127.0.0.1", target["port"], *arguments, **options)
            return real(host, number, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setenv("AIRFLOW_CONN_WIRE", connection_json(f"http://moving.example:{port}"))

        def moves(wire: Wire, connection: socket.socket, head: str) -> bool:
            wire.send(connection, row())
            target["port"] = int(elsewhere.endpoint_url.rpartition(":")[2])
            return len(wire.heads) < 3

        wire.script = moves
        elsewhere.script = lambda wire, connection, head: wire.send(connection, row("COMPLETED"))
        assert events.job_of_event(run(event_of(trigger()))).is_completed
        assert elsewhere.heads


def test_a_job_that_may_be_in_several_environments_is_read_leanly_where_it_was_found(
    service: LocalAmplifyBackend, run: Run, way: str
) -> None:
    seed_running(service, "staging", "pr7")
    run(event_of(trigger(environments=["pr7", "staging"], aws_conn_id="aws_default", waiter_delay=0.2)))
    asked = [entry["parameters"]["BackendEnvironmentName"] for entry in service.control.journal("GetBackendJob")]
    if way == "lean":
        assert asked == ["pr7", "staging", *["staging"] * (len(asked) - 2)]


def test_ten_thousand_waits_end_in_one_process(
    wire: Wire, run: Run, way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    only_lean(way)
    logging.disable(logging.INFO)
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__MAX_REQUESTS_PER_SECOND", "100000")
    wire.script = lambda wire, connection, head: wire.send(connection, row("COMPLETED"))

    async def wait_for_all() -> Any:
        return await asyncio.gather(
            *(event_of(trigger(f"job-{number}", deadline=time.time() + 300)) for number in range(10_000))
        )

    try:
        found = run(wait_for_all())
    finally:
        logging.disable(logging.NOTSET)
    assert {event["kind"] for event in found} == {events.FINISHED}
    assert len(found) == 10_000
    assert len(wire.slow) == 1


# Waits for environments


def test_those_who_wait_for_environments_of_one_app_share_its_list(service: LocalAmplifyBackend, run: Run) -> None:
    from airflow_provider_amplifybackend.core.status_check import Condition, EnvironmentCondition
    from airflow_provider_amplifybackend.triggers.environment import BackendEnvironmentTrigger

    service.control.seed_app("d1", *(f"e{number}" for number in range(20)))
    deadline = time.time() + 4

    def waits(number: int) -> Any:
        condition = Condition.EXISTS if number % 2 else Condition.GONE
        name = f"x{number}" if number % 2 else f"e{number}"
        return BackendEnvironmentTrigger.waiting_for(
            EnvironmentCondition("d1", name, condition), deadline=deadline, waiter_delay=0.5
        )

    async def together() -> Any:
        return await asyncio.gather(*(event_of(waits(number)) for number in range(20)))

    assert {event["kind"] for event in run(together())} == {events.TIMEOUT}
    # One wait alone asks some ten times; twenty of them would ask two hundred times.
    assert len(service.control.journal("GetBackend")) < 40
