"""Users and passwords of addresses are in nothing that the local service answers, raises or prints."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.local.control import ControlError, LocalControl
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.service import checks
from tests.local import raw
from tests.samples import APP

HIDDEN = ("hush", "hu/sh")


def assert_hidden(text: str) -> None:
    assert [hidden for hidden in HIDDEN if hidden in text] == []


SHOWN = {
    "https://shop:hush@example.com/in": "'https://example.com/in'",
    "https://hush@example.com:80": "'https://example.com:80'",
    "http://shop:hu/sh@example.com/": "'http://example.com/'",
    "//shop:hush@example.com": "'//example.com'",
    # What only looks like it
    "https://example.com:80/@me": "'https://example.com:80/@me'",
    "https://example.com/?to=a@b.c": "'https://example.com/?to=a@b.c'",
    "dev@example.com": "'dev@example.com'",
}


@pytest.mark.parametrize("address", SHOWN)
def test_an_error_names_a_value_without_them(address: str) -> None:
    assert checks.shown(address) == SHOWN[address]
    assert checks.shown([address]) == f"[{SHOWN[address]}]"


def test_a_refused_value_is_answered_without_them(backend: LocalAmplifyBackend) -> None:
    for change in ({"apps": "http://shop:hush@h"}, {"buckets": [{"http://shop:hu/sh@h": 1}]}):
        with pytest.raises(ControlError) as error:
            backend.control.seed(change)
        assert_hidden(str(error.value))
    with pytest.raises(ControlError) as error:
        backend.control.add_fault("http://shop:hush@h", kind="throttle")
    assert "no operation is called 'http://h'" in str(error.value)


def test_a_request_that_is_refused_is_answered_without_them(
    backend: LocalAmplifyBackend, client: Any, auth_config: dict[str, Any]
) -> None:
    auth_config["UserPoolConfigs"]["SignInMethod"] = "https://shop:hush@example.com"
    with pytest.raises(ClientError) as error:
        client.create_backend_auth(
            AppId=APP, BackendEnvironmentName="staging", ResourceName="more", ResourceConfig=auth_config
        )
    assert_hidden(str(error.value))


@pytest.mark.parametrize("name", ["shop:hush@evil.example", "hush@evil.example:80", "shop:hu/sh@evil.example"])
def test_a_host_or_an_origin_is_answered_without_them(backend: LocalAmplifyBackend, name: str) -> None:
    answer = raw.ask(backend, "GET", "/_amplifybackend/health", host=name)
    assert answer.status == 403
    assert "'evil.example" in answer.body.decode()
    assert_hidden(answer.body.decode())
    origin = {"origin": f"http://{name}"}
    answer = raw.ask(backend, "GET", "/_amplifybackend/health", headers=origin)
    assert answer.status == 403
    assert "'http://evil.example" in answer.body.decode()
    assert_hidden(answer.body.decode())


def test_the_control_interface_is_not_asked_with_them(backend: LocalAmplifyBackend) -> None:
    address = backend.endpoint_url.replace("//", "//shop:hush@")
    with pytest.raises(ValueError, match="has a user or a password in front of its host") as error:
        LocalControl(address).health()
    assert backend.endpoint_url in str(error.value)
    assert_hidden(str(error.value))


class ErrorPage(BaseHTTPRequestHandler):
    """What a proxy answers that stands in the service's place, and names the address that it was asked for."""

    def do_GET(self) -> None:
        content = b"no way to http://shop:hush@h:80/"
        self.send_response(502)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


def test_what_answers_in_its_place_is_quoted_without_them() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), ErrorPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ControlError) as error:
            LocalControl(f"http://127.0.0.1:{server.server_port}").health()
        server.shutdown()
    assert str(error.value) == "HTTP 502: no way to http://h:80/"
