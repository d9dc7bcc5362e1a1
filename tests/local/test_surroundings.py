"""What a developer's shell says of proxies and of AWS does not lead away from the local service."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from botocore.config import Config

from airflow_provider_amplifybackend.local.no_proxy import no_proxy_variables
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.front import Front
from tests.local.test_cli import COMMAND

NOWHERE = "http://127.0.0.1:9"
ODD = """
[default]
endpoint_url = http://127.0.0.1:9
services = gone
max_attempts = many
[broken
"""


@pytest.fixture
def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    return monkeypatch


def lists_apps(service: LocalAmplifyBackend, **options: object) -> bool:
    client = service.client("amplify", **options)
    try:
        return bool(client.list_apps()["apps"] == [])
    finally:
        client.close()


@pytest.mark.usefixtures("behind_a_proxy")
def test_a_client_goes_through_no_proxy_of_the_environment(local_amplifybackend: LocalAmplifyBackend) -> None:
    assert lists_apps(local_amplifybackend)
    assert lists_apps(local_amplifybackend, config=Config(read_timeout=17))
    assert lists_apps(local_amplifybackend, config=None)


def test_a_client_goes_through_the_proxy_that_its_caller_names(local_amplifybackend: LocalAmplifyBackend) -> None:
    with Front(behind=local_amplifybackend.endpoint_url).running() as proxy:
        assert lists_apps(local_amplifybackend, config=Config(proxies={"http": proxy.endpoint_url}))
        assert len(proxy.asked) == 1


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_client_needs_no_profile_that_the_environment_names(
    local_amplifybackend: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "gone")
    assert lists_apps(local_amplifybackend)


def test_a_client_comes_here_whatever_the_files_of_aws_say(
    local_amplifybackend: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    odd = tmp_path / "odd"
    for text in (ODD, ODD.removesuffix("[broken\n")):
        odd.write_text(text)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, str(odd))
        assert lists_apps(local_amplifybackend)


def test_a_command_comes_here_without_the_proxy_and_its_own_exceptions_stay(
    behind_a_proxy: pytest.MonkeyPatch,
) -> None:
    behind_a_proxy.setenv("NO_PROXY", "shop.example")
    script = (
        "import os, urllib.request\n"
        "url = os.environ['AWS_ENDPOINT_URL_AMPLIFYBACKEND'] + '/_amplifybackend/health'\n"
        "print(urllib.request.urlopen(url).status, os.environ['NO_PROXY'])"
    )
    arguments = ("--", sys.executable, "-c", script)
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("200 shop.example,127.0.0.1,localhost\n", "")


@pytest.mark.parametrize(
    ("given", "upper", "lower"),
    [
        ({}, "127.0.0.1,localhost", "127.0.0.1,localhost"),
        ({"no_proxy": "a, b,"}, "a,b,127.0.0.1,localhost", "a,b,127.0.0.1,localhost"),
        ({"NO_PROXY": "a", "no_proxy": ""}, "a,127.0.0.1,localhost", "127.0.0.1,localhost"),
        ({"NO_PROXY": "localhost"}, "localhost,127.0.0.1", "localhost,127.0.0.1"),
        ({"NO_PROXY": "*"}, "*", "*"),
    ],
)
def test_exceptions_from_the_proxy_are_extended(given: dict[str, str], upper: str, lower: str) -> None:
    assert no_proxy_variables(given) == {"NO_PROXY": upper, "no_proxy": lower}


@pytest.mark.parametrize("url", ["http://192.168.7.7:4577", "http://[::1]:4577", "http://127.0.0.1:4577"])
def test_the_services_own_host_is_excepted_from_the_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name, value in no_proxy_variables({}, url).items():
        monkeypatch.setenv(name, value)
    assert urllib.request.proxy_bypass(url.removeprefix("http://"))
    assert not urllib.request.proxy_bypass("shop.example:4577")
