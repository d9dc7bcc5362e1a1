"""A program on this machine may drive the service, a web page in a browser on it may not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.http.app import LocalApp
from airflow_provider_amplifybackend.local.http.browser_guard import BrowserGuard
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.local import raw
from tests.samples import APP

DELETE = f"/backend/{APP}/environments/staging/remove"
HEALTH = "/_amplifybackend/health"


@pytest.fixture(scope="module", params=raw.PARSERS)
def running(request: pytest.FixtureRequest) -> Iterator[LocalAmplifyBackend]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        raw.use_parser(monkeypatch, request.param)
        with LocalAmplifyBackend(allow_hosts=["amplify", "*.shop.example"]) as service:
            yield service


@pytest.fixture
def guarded(running: LocalAmplifyBackend) -> LocalAmplifyBackend:
    running.control.reset()
    running.control.seed_app(APP, "staging")
    return running


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:1", "LOCALHOST:80", "localhost.", "localhost.:8080", "bucket.localhost:4577",
        "a.b.s3.localhost", "127.0.0.1", "127.0.0.1:65535", "127.8.9.10", "[::1]", "[::1]:4577", "[0:0::1]",
        "[::ffff:127.0.0.1]:80", "amplify", "AMPLIFY:4577", "one.shop.example", "a.b.shop.example:1",
    ],
)  # fmt: skip
def test_names_of_this_machine_are_served(guarded: LocalAmplifyBackend, host: str) -> None:
    assert raw.ask(guarded, "GET", HEALTH, host=host).status == 200


FOREIGN = [
    "evil.example",
    "localhost.evil.example",
    "localhost.evil.com:4577",
    "evillocalhost",
    "127.0.0.1.evil.example",
    "evil.example.",
    "0.0.0.0:4577",
    "[::]",
    "10.0.0.1",
    "169.254.169.254",
    "[fe80::1]",
    "[::ffff:10.0.0.1]",
    "localhost@evil.example",
    "evil.example@localhost",
    "localhost:80:80",
    "localhost:",
    "localhost:port",
    "localhost evil.example",
    "[::1",
    "::1",
    "[localhost]",
    ".localhost",
    "a..localhost",
    "2130706433",
    "0x7f.1",
    "127.1",
    "shop.example",
    "amplify.example",
    "localhost,evil.example",
    "localhost/evil.example",
    "localhost\\evil",
    "löcalhost",
    "localhost;",
    "*",
]


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize(("method", "path"), [("GET", HEALTH), ("POST", DELETE), ("GET", "/other-service")])
def test_another_host_is_refused_before_everything(
    guarded: LocalAmplifyBackend, host: str, method: str, path: str
) -> None:
    answer = raw.ask(guarded, method, path, b"", host=host)
    # h11 itself takes no line like some of these.
    assert answer.status in (403, 400)
    if answer.status == 403:
        assert "--allow-host" in answer.content["message"]
        assert "allow_hosts" in answer.content["error"]
    assert guarded.control.journal() == guarded.control.jobs() == []


def test_boto3_shows_the_refusal_and_the_way_out(running: LocalAmplifyBackend) -> None:
    from botocore.exceptions import ClientError

    client = running.client()

    def rebound(request: Any, **_: Any) -> None:
        request.headers["Host"] = "evil.example"

    client.meta.events.register("before-send.amplifybackend", rebound)
    with pytest.raises(ClientError, match="--allow-host NAME") as refusal:
        client.get_backend(AppId=APP)
    assert refusal.value.response["Error"]["Code"] == "AccessDeniedException"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "file://"},
        {"Origin": "chrome-extension://abc"},
        {"Referer": "https://evil.example/page"},
        {"Referer": "http://127.0.0.1.evil.example"},
        {"Referer": "about:blank"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "SAME-SITE "},
        {"Sec-Fetch-Site": ""},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", DELETE), ("POST", "/_amplifybackend/reset"), ("GET", HEALTH), ("OPTIONS", DELETE), ("GET", "/else")],
)
def test_a_web_page_is_refused(guarded: LocalAmplifyBackend, headers: dict[str, str], method: str, path: str) -> None:
    answer = raw.ask(guarded, method, path, b"", {"Content-Type": "application/json", **headers})
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert guarded.control.journal() == guarded.control.jobs() == []
    assert guarded.control.state() != []


def test_a_preflight_allows_nothing(guarded: LocalAmplifyBackend) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = raw.ask(guarded, "OPTIONS", "/_amplifybackend/reset", headers=headers)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_the_services_own_pages_and_the_address_bar_are_served(guarded: LocalAmplifyBackend) -> None:
    own = {"Origin": guarded.endpoint_url, "Sec-Fetch-Site": "same-origin", "Referer": f"{guarded.endpoint_url}/a/b"}
    assert raw.ask(guarded, "GET", HEALTH, headers=own).status == 200
    assert raw.ask(guarded, "GET", HEALTH, headers={"Sec-Fetch-Site": "none"}).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("action", ["DeleteStack", "", "deleteStack", "DescribeStacks&Action=DeleteStack"])
def test_no_image_of_a_web_page_changes_anything(guarded: LocalAmplifyBackend, method: str, action: str) -> None:
    guarded.control.seed(stacks=["s1"])
    signed = "X-Amz-Credential=AK%2F20260101%2Fus-east-1%2Fcloudformation%2Faws4_request&X-Amz-Signature=0"
    answer = raw.ask(guarded, method, f"/?Action={action}&StackName=s1&{signed}")
    assert answer.status >= 400
    assert not guarded.control.journal(effective=True)
    read = raw.ask(guarded, "GET", f"/?Action=DescribeStacks&StackName=s1&{signed}")
    assert read.status == 200
    assert b"CREATE_COMPLETE" in read.body


def test_one_host_header_is_needed(guarded: LocalAmplifyBackend) -> None:
    assert raw.ask(guarded, "GET", HEALTH, host=None).status == 400
    assert raw.ask(guarded, "GET", HEALTH, headers=[("Host", "evil.example")]).status == 400
    assert raw.exchange(guarded, b"GET /_amplifybackend/health HTTP/1.0\r\n\r\n").status == 400


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/_amplifybackend/health",
        "http://127.0.0.1/_amplifybackend/health",
        f"http://evil.example{DELETE}",
        "//evil.example/_amplifybackend/health",
        "*",
        "evil.example:80",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "CONNECT"])
def test_a_target_that_names_a_host_reaches_nothing(guarded: LocalAmplifyBackend, method: str, target: str) -> None:
    answer = raw.ask(guarded, method, target, b"")
    assert 400 <= answer.status < 600
    assert b"requests" not in answer.body
    assert guarded.control.journal() == guarded.control.jobs() == []


@pytest.mark.parametrize("path", ["/", HEALTH, DELETE, f"/backend/{APP}/details"])
@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_an_upgrade_is_refused_and_harms_nobody(guarded: LocalAmplifyBackend, path: str, protocol: str) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": protocol,
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    answer = raw.ask(guarded, "GET", path, headers=headers)
    assert answer.status == 400
    assert "upgraded" in answer.content["message"]
    assert guarded.control.health()["status"] == "ok"


def test_another_server_closes_a_websocket_for_us() -> None:
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        await LocalApp()({"type": "websocket", "path": "/", "headers": []}, receive, send)

    asyncio.run(run())
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/reset"),
        ("POST", "/faults"),
        ("PATCH", "/settings"),
        ("POST", "/clock/advance"),
        ("DELETE", "/journal"),
    ],
)
def test_the_control_interface_takes_json_only(
    guarded: LocalAmplifyBackend, content_type: str | None, method: str, path: str
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = raw.ask(guarded, method, f"/_amplifybackend{path}", b"{}", headers)
    assert answer.status == 415
    assert "application/json" in answer.content["error"]
    assert guarded.control.state() != []


def test_json_may_name_its_charset(guarded: LocalAmplifyBackend) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert raw.ask(guarded, "POST", "/_amplifybackend/seed", b'{"apps": ["d2"]}', headers).status == 200
    assert raw.ask(guarded, "DELETE", "/_amplifybackend/journal").status == 200


def test_the_control_interface_has_a_body_limit(guarded: LocalAmplifyBackend) -> None:
    body = b'{"apps": ["' + b"d" * (10 * 1024 * 1024) + b'"]}'
    answer = raw.control(guarded, "POST", "/seed", body)
    assert answer.status == 413
    assert "larger than" in answer.content["error"]
    assert [app["app_id"] for store in guarded.control.state() for app in store["apps"]] == [APP]


def test_moto_is_behind_the_guard() -> None:
    pytest.importorskip("a2wsgi")
    pytest.importorskip("flask_cors")
    with LocalAmplifyBackend(with_moto=True) as service:
        service.client("s3").create_bucket(Bucket="ours")
        for path in ("/moto-api/data.json", "/moto-api/reset", "/"):
            assert raw.ask(service, "POST", path, b"", host="evil.example").status == 403
            assert raw.ask(service, "OPTIONS", path, headers={"Origin": "https://evil.example"}).status == 403
        assert raw.ask(service, "GET", "/", host="ours.localhost").status < 500
        assert [bucket["Name"] for bucket in service.client("s3").list_buckets()["Buckets"]] == ["ours"]


def test_a_wildcard_is_listened_on_but_is_nobodys_name() -> None:
    with LocalAmplifyBackend(host="0.0.0.0") as service:
        assert service.endpoint_url.startswith("http://127.0.0.1:")
        assert service.control.health()["status"] == "ok"
        assert raw.ask(service, "GET", HEALTH, host="0.0.0.0").status == 403


def test_the_host_that_is_listened_on_is_a_name_of_ours() -> None:
    assert BrowserGuard(["192.0.2.7"]).refusal(scope("192.0.2.7:4577")) is None
    assert BrowserGuard(["2001:DB8:0::7"]).refusal(scope("[2001:db8::7]:4577")) is None
    assert BrowserGuard(["[2001:db8::7]"]).refusal(scope("[2001:db8::7]")) is None
    assert BrowserGuard(["build-7."]).refusal(scope("Build-7")) is None
    assert BrowserGuard([]).refusal(scope("192.0.2.7")) is not None
    with LocalAmplifyBackend(host="localhost", allow_hosts="amplify") as service:
        assert raw.ask(service, "GET", HEALTH, host="amplify").status == 200


def scope(host: str) -> dict[str, Any]:
    return {"method": "GET", "raw_path": b"/", "query_string": b"", "headers": [(b"host", host.encode())]}


@pytest.mark.parametrize("name", ["", "*", "http://amplify", "amplify:80", "a b", "a/b", "*.", "*.*.example", "a..b"])
def test_what_is_no_host_cannot_be_allowed(name: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        LocalAmplifyBackend(allow_hosts=[name])


@pytest.mark.parametrize("parser", raw.PARSERS)
def test_no_access_log_whoever_sets_up_logging(
    parser: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    raw.use_parser(monkeypatch, parser)
    access = logging.getLogger("uvicorn.access")
    before = access.propagate, list(access.handlers)
    with caplog.at_level("DEBUG"), LocalAmplifyBackend() as service:
        assert (access.propagate, access.handlers) == before, "somebody else's uvicorn may log in this process"
        access.propagate = True
        service.control.health()
        service.control.seed_app(APP)
        service.client().get_backend(AppId=APP)
        raw.ask(service, "GET", HEALTH, host="evil.example")
    assert not [record for record in caplog.records if record.name == "uvicorn.access"]
