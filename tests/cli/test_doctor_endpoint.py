"""What `doctor` says of an endpoint that is not AmplifyBackend, does not answer, or answers with errors."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.cli.doctor import LIMITS, READS
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.certificates import self_signed, server_context
from tests.cli.conftest import Run, marks, texts
from tests.front import Front, serving
from tests.raw_wire import Wire, raw_wire
from tests.samples import APP

SECRET = "hunter2-hunter2"
HTML = b"<html><body>\x1b[31mWelcome, your password=hunter2-hunter2</body></html>"


@pytest.fixture(autouse=True)
def fleet(aws: LocalAmplifyBackend) -> None:
    aws.control.seed_app(APP, "staging", "test", app_name="shop")


@pytest.fixture
def lead(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Leads `aws_default` to an endpoint."""

    def to(endpoint_url: str, **extra: Any) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_json(endpoint_url, **extra))

    return to


@contextmanager
def stranger(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """A server that answers everything with the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Handler) as address:
        yield address


# ------------------------------------------------------------------------------------------------------ who answers


@pytest.mark.parametrize("status", [200, 302, 403, 404, 407, 500, 503])
def test_a_web_server_is_not_taken_for_amplifybackend(run: Run, lead: Callable[..., None], status: int) -> None:
    with stranger(status, HTML, Content_Type="text/html; token=1", Location=f"http://x/?token={SECRET}") as address:
        lead(address)
        ended = run("doctor", "--app-id", APP, "--output", "json")
    assert (ended.status, marks(ended)["endpoint"]) == (1, "WRONG")
    assert texts(ended)["endpoint"] == f"{address} answers, but not as AmplifyBackend: HTTP {status}, text/html"
    assert marks(ended).keys() == {"connection", "region", "endpoint", "triggerer"}
    assert SECRET not in ended.output


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b"{}", {}),
        (200, b"", {}),
        (200, b"[1]", {}),
        (200, b'{"appId": "d1", "backendEnvironmentList": []}', {}),
        (403, b'{"message": "Forbidden"}', {}),
        (404, b"<Error><Code>NoSuchBucket</Code></Error>", {"x_amzn_RequestId": "1"}),
        (404, b'{"message": "?"}', {"x_amzn_RequestId": "1", "x_amzn_ErrorType": "UnknownOperationException"}),
    ],
)
def test_nor_is_what_lacks_the_signs_of_an_answer_of_aws(
    run: Run, lead: Callable[..., None], status: int, body: bytes, headers: dict[str, str]
) -> None:
    with stranger(status, body, Content_Type="application/json", **headers) as address:
        lead(address)
        ended = run("doctor", "--output", "json")
    assert ended.status == 1
    assert texts(ended)["endpoint"].endswith(f"not as AmplifyBackend: HTTP {status}, application/json")
    assert "credentials" not in marks(ended)


def test_a_proxy_that_demands_a_password(run: Run, aws: LocalAmplifyBackend, lead: Callable[..., None]) -> None:
    with Front(behind=aws.endpoint_url, login=f"ann:{SECRET}").running() as proxy:
        lead(aws.endpoint_url, config_kwargs={"proxies": {"http": proxy.endpoint_url}})
        ended = run("doctor", "--output", "json")
        assert ended.status == 1
        assert "not as AmplifyBackend: HTTP 407" in texts(ended)["endpoint"]
        # The connection's own settings hold: with its password, the same proxy leads there.
        lead(
            aws.endpoint_url,
            config_kwargs={"proxies": {"http": proxy.endpoint_url.replace("://", f"://ann:{SECRET}@")}},
        )
        assert run("doctor").status == 0


# ----------------------------------------------------------------------------------------------- who does not answer


@pytest.fixture
def silent_port() -> Iterator[int]:
    with closing(socket.socket()) as silent:  # takes connections, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        yield silent.getsockname()[1]


def test_an_endpoint_that_never_answers_is_asked_once_and_not_for_long(
    run: Run, lead: Callable[..., None], silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "read_timeout", 0.2)
    lead(f"http://127.0.0.1:{silent_port}", config_kwargs={"retries": {"total_max_attempts": 9}})
    ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["endpoint"]) == (1, "WRONG")
    assert "gives no answer: ReadTimeoutError" in texts(ended)["endpoint"]


def test_limits_are_short_and_let_nothing_be_repeated(run: Run, aws: LocalAmplifyBackend) -> None:
    assert LIMITS["connect_timeout"] + LIMITS["read_timeout"] <= 10
    aws.control.add_fault(kind="throttle")
    aws.control.add_fault(kind="throttle", service="amplify")
    ended = run("doctor", "--output", "json")
    assert texts(ended)["unclear"].startswith("GetBackend: TooManyRequestsException; ")
    asked = [entry["operation"] for entry in aws.control.journal(service="amplifybackend")]
    # The first call, and one of each read; the guard has asked nothing, because no app was found.
    assert len(asked) == len(READS) + 1
    assert len(aws.control.journal("ListApps", service="amplify")) == 1


def test_a_connection_that_is_reset(run: Run, lead: Callable[..., None]) -> None:
    with raw_wire() as wire:
        wire.script = lambda wire, connection, head: False
        lead(wire.endpoint_url)
        ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["endpoint"]) == (1, "WRONG")
    assert "gives no answer: ConnectionClosedError" in texts(ended)["endpoint"]


def test_tls_with_what_speaks_none_and_with_a_certificate_of_nobody(
    run: Run, aws: LocalAmplifyBackend, lead: Callable[..., None], tmp_path: Path
) -> None:
    lead(aws.endpoint_url.replace("http://", "https://"))
    ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["endpoint"]) == (1, "WRONG")
    assert "gives no answer: SSLError" in texts(ended)["endpoint"]
    with Front(behind=aws.endpoint_url).running(server_context(self_signed(tmp_path))) as front:
        lead(front.endpoint_url)
        ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["endpoint"]) == (1, "WRONG")
    assert "certificate" in texts(ended)["endpoint"].lower()


def test_a_proxy_that_is_not_there(run: Run, lead: Callable[..., None]) -> None:
    lead("https://amplifybackend.example.com", config_kwargs={"proxies": {"https": "http://127.0.0.1:1"}})
    ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["endpoint"]) == (1, "WRONG")
    assert "ProxyConnectionError" in texts(ended)["endpoint"]


# ------------------------------------------------------------------------------------------------------- what is there


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "denied"}, "AccessDeniedException"),
        ({"kind": "throttle"}, "TooManyRequestsException"),
        ({"kind": "timeout_before"}, "GatewayTimeoutException"),
        ({"kind": "error", "status": 403, "code": "OptInRequired", "message": "no"}, "OptInRequired"),
        ({"kind": "error", "status": 500, "code": "InternalFailure", "message": "no"}, "InternalFailure"),
    ],
)
def test_an_app_is_not_called_missing_because_nobody_answers(
    run: Run, aws: LocalAmplifyBackend, fault: dict[str, Any], told: str
) -> None:
    aws.control.add_fault("GetBackend", app_id=APP, **fault)
    ended = run("doctor", "--app-id", APP, "--environment", "staging", "--output", "json")
    assert marks(ended)["app"] == "unknown"
    assert texts(ended)["app"] == f"{APP}: GetBackend was not answered ({told})"


def test_a_name_that_no_app_can_have(run: Run) -> None:
    ended = run("doctor", "--app-id", "a/b", "--output", "json")
    assert (ended.status, marks(ended)["app"]) == (1, "WRONG")
    assert "a/b" in texts(ended)["app"]


def test_an_account_whose_apps_cannot_be_listed(run: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.add_fault("ListApps", kind="denied")
    ended = run("doctor", "--environment", "staging", "--output", "json")
    assert marks(ended)["app"] == "unknown"
    assert "amplify:ListApps (AccessDeniedException)" in texts(ended)["app"]


def test_each_finding_is_printed_as_soon_as_it_is_known(
    start_process: Callable[..., subprocess.Popen[str]], lead: Callable[..., None]
) -> None:
    seen = threading.Event()

    def answer_late(wire: Wire, connection: socket.socket, head: str) -> bool:
        seen.wait(timeout=60)
        return wire.send(connection, b"{}")

    with raw_wire() as wire:
        wire.script = answer_late
        # Had the line about the region been held back, there would be no answer within the limits.
        lead(wire.endpoint_url)
        with start_process("airflow_provider_amplifybackend.cli.main", "doctor") as process:
            assert process.stdout
            before = next(line for line in process.stdout if "region " in line)
            seen.set()
            after = process.stdout.read()
    assert before == "ok       region       us-east-1\n"
    assert "not as AmplifyBackend" in after
