"""Each example of docs/connection.md is taken from there and shown to have its effect, on workers and in triggers."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_amplifybackend.hooks import _client_log as client_log
from airflow_provider_amplifybackend.hooks._async_client import create_client
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.botocore_model import members_of
from tests.certificates import self_signed, server_context
from tests.dag_run import DagRunner
from tests.fixture_types import MakeConnection
from tests.front import Front
from tests.operators.requests_by_operation import shared_botocore_data  # noqa: F401
from tests.samples import APP, auth
from tests.sts import Sts

TEXT = (Path(__file__).parents[2] / "docs" / "connection.md").read_text(encoding="utf-8")
SECTIONS = {
    match["title"]: match["body"]
    for match in re.finditer(r"^### (?P<title>.+)\n(?P<body>(?:(?!^##).*\n?)*)", TEXT, re.MULTILINE)
}
ACCOUNT, ROLE_ACCOUNT = "210987654321", "111122223333"
IMPORTS = "from airflow_provider_amplifybackend.operators.environment import *\n"
# What an example has to name, and a test has elsewhere.
KEYS = {"AKIAIOSFODNN7EXAMPLE": ACCOUNT, "ASIAIOSFODNN7EXAMPLE": ACCOUNT}


def example(title: str, **elsewhere: str) -> str:
    """The code of a section, with other names for what is elsewhere here."""
    (code,) = re.findall(r"```\w+\n(.*?)```", SECTIONS[title], re.DOTALL)
    for name, here in (KEYS | elsewhere).items():
        code = code.replace(name, here)
    return str(code)


def deferred(code: str) -> str:
    """A clone that is waited for in the triggerer, with the parameters of an example of GetBackend."""
    assert code.startswith("GetBackendOperator(")
    return code.replace("GetBackendOperator(", CLONE_PARAMETERS)


CLONE_PARAMETERS = """CloneBackendOperator(
    backend_environment_name="staging", target_environment_name="copy", waiter_delay=0.1, deferrable=True, """
CLONE = CLONE_PARAMETERS + f'task_id="clone", app_id="{APP}", aws_conn_id="example")'


@pytest.fixture
def connect(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> MakeConnection:
    """Makes the connection of an example, and leads boto3 to the local service where the example says nothing of it."""

    def make(code: str, endpoint_url: str | None = service.endpoint_url) -> str:
        json.loads(code)
        monkeypatch.setenv("AIRFLOW_CONN_EXAMPLE", code)
        if endpoint_url:
            monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
        return "example"

    return make


def seed(service: LocalAmplifyBackend, account: str = ACCOUNT, region: str = "us-east-1") -> None:
    service.control.seed_app(APP, "staging", account=account, region=region)


def clone(dags: DagRunner, service: LocalAmplifyBackend, code: str = CLONE) -> set[tuple[str, str]]:
    """Clone and wait in a trigger; return the accounts and regions that asked for anything."""
    service.control.set(job_seconds=1.5)  # longer than the start takes, so that it is deferred
    service.control.clear_journal()
    run = dags.run(IMPORTS + code)
    assert set(run.states.values()) == {"success"}, run.errors(*run.states)
    assert "running trigger in line" in run.log
    looks = service.control.journal("GetBackendJob")
    assert len(looks) >= 2  # the worker's first, and the trigger's
    return {(entry["account"], entry["region"]) for entry in service.control.journal()}


@pytest.fixture
def front(service: LocalAmplifyBackend) -> Iterator[Front]:
    with Front(service.endpoint_url).running() as running:
        yield running


# Credentials


def test_static_keys(dags: DagRunner, service: LocalAmplifyBackend, connect: MakeConnection) -> None:
    seed(service)
    connect(example("Static keys"))
    assert clone(dags, service) == {(ACCOUNT, "us-east-1")}


def test_a_session_token_goes_with_every_request(
    dags: DagRunner, service: LocalAmplifyBackend, connect: MakeConnection, front: Front
) -> None:
    seed(service)
    connect(example("Session token"), front.endpoint_url)
    assert clone(dags, service) == {(ACCOUNT, "us-east-1")}
    assert len(front.asked) == len(service.control.journal())
    assert {request["x-amz-security-token"] for request in front.asked} == {"the session token"}


def test_a_profile_gives_credentials_and_everything_else_that_it_sets(
    dags: DagRunner,
    service: LocalAmplifyBackend,
    connect: MakeConnection,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    seed(service)
    files = tmp_path / "config"
    files.write_text(
        f"[profile amplify]\naws_access_key_id = {ACCOUNT}\naws_secret_access_key = any\n"
        f"endpoint_url = {service.endpoint_url}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(files))
    connect(example("Profile"), endpoint_url=None)
    assert clone(dags, service) == {(ACCOUNT, "us-east-1")}


@pytest.fixture(scope="module")
def with_moto() -> Iterator[LocalAmplifyBackend]:
    pytest.importorskip("moto")
    with LocalAmplifyBackend(with_moto=True) as running:
        yield running


@pytest.fixture
def sts(with_moto: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> LocalAmplifyBackend:
    """The local service with moto's STS, and keys of the worker's own."""
    with_moto.control.reset()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    seed(with_moto, ROLE_ACCOUNT)
    return with_moto


def test_an_assumed_role(dags: DagRunner, sts: LocalAmplifyBackend, connect: MakeConnection) -> None:
    connect(example("Assume role"), sts.endpoint_url)
    assert clone(dags, sts) == {(ROLE_ACCOUNT, "us-east-1")}


def test_a_web_identity(
    dags: DagRunner, sts: LocalAmplifyBackend, connect: MakeConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    token = tmp_path / "token"
    token.write_text("a token that moto takes")
    connect(example("Web identity", **{"/var/run/secrets/aws/token": str(token)}), sts.endpoint_url)
    assert clone(dags, sts) == {(ROLE_ACCOUNT, "us-east-1")}


@pytest.mark.parametrize("what", [str, deferred], ids=["as it is", "deferred"])
def test_boto3s_own_search(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, what: Callable[[str], str]
) -> None:
    seed(service)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_ENDPOINT_URL_AMPLIFYBACKEND", service.endpoint_url)
    run = dags.run(IMPORTS + what(example("Boto3's own search")))
    assert set(run.states.values()) == {"success"}
    assert {entry["account"] for entry in service.control.journal()} == {ACCOUNT}


# Where


def test_the_region_of_a_task_comes_before_the_connections(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    seed(service, "123456789012", "eu-west-1")
    code = example("Region")
    run = dags.run(IMPORTS + code)
    assert run.states == {"get": "success"}
    assert {entry["region"] for entry in service.control.journal()} == {"eu-west-1"}
    assert clone(dags, service, deferred(code)) == {("123456789012", "eu-west-1")}


def test_an_endpoint_of_the_connection(dags: DagRunner, service: LocalAmplifyBackend, connect: MakeConnection) -> None:
    connect(example("Custom endpoint", **{"http://127.0.0.1:40121": service.endpoint_url}), endpoint_url=None)
    assert clone(dags, service) == {("123456789012", "us-east-1")}


def test_endpoints_of_single_services(dags: DagRunner, sts: LocalAmplifyBackend, connect: MakeConnection) -> None:
    code = example("Custom endpoint of one service", **{"http://127.0.0.1:40121": sts.endpoint_url})
    connect(code, endpoint_url=None)
    assert clone(dags, sts) == {(ROLE_ACCOUNT, "us-east-1")}


@pytest.mark.parametrize(
    ("title", "endpoint_url"),
    [
        ("FIPS endpoint", "https://amplifybackend-fips.us-east-1.amazonaws.com"),
        ("Dual-stack endpoint", "https://amplifybackend.us-east-1.api.aws"),
    ],
)
def test_fips_and_dual_stack_endpoints_hold_for_every_client(
    dags: DagRunner, connect: MakeConnection, title: str, endpoint_url: str
) -> None:
    connect(example("Static keys"), endpoint_url=None)
    task = dags.load(IMPORTS + example(title).replace("app_id=", 'aws_conn_id="example", app_id=')).get_task("get")
    assert task.hook.conn.meta.endpoint_url == endpoint_url
    assert task.hook._start_conn.meta.endpoint_url == endpoint_url

    async def of_trigger() -> str:
        parameters = task.aws_parameters
        async with AsyncExitStack() as stack:
            client = await create_client(stack, config=parameters.pop("botocore_config"), **parameters)
            return str(client.meta.endpoint_url)

    assert asyncio.run(of_trigger()) == endpoint_url


# How


def test_the_attempts_are_as_many_as_set(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.add_fault("GetBackend", kind="throttle")
    run = dags.run(IMPORTS + example("Retry mode and attempts"))
    assert "TooManyRequestsException" in run.error("get")
    assert len(service.control.journal("GetBackend")) == 3


def test_an_attempt_ends_at_its_time_out(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.add_fault("GetBackend", kind="delay", seconds=2)
    run = dags.run(IMPORTS + example("Time-outs"))
    assert "ReadTimeoutError" in run.error("get")
    while not service.control.journal("GetBackend"):  # it still takes effect, and must not do so in the next test
        time.sleep(0.1)


def test_requests_of_workers_and_triggers_go_through_the_proxy(
    dags: DagRunner, service: LocalAmplifyBackend, connect: MakeConnection, front: Front
) -> None:
    seed(service)
    connect(example("Proxies", **{"http://proxy.example.com:3128": front.endpoint_url}))
    assert clone(dags, service) == {(ACCOUNT, "us-east-1")}
    assert len(front.asked) == len(service.control.journal())
    assert all(request["target"].startswith(service.endpoint_url) for request in front.asked)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_front(service: LocalAmplifyBackend, certificate: Path) -> Iterator[Front]:
    with Front(service.endpoint_url).running(server_context(certificate)) as running:
        yield running


def test_a_ca_bundle_makes_a_certificate_good(
    dags: DagRunner, service: LocalAmplifyBackend, connect: MakeConnection, tls_front: Front, certificate: Path
) -> None:
    seed(service)
    connect(example("CA bundle", **{"/etc/ssl/our-ca.pem": str(certificate)}), tls_front.endpoint_url)
    assert clone(dags, service) == {(ACCOUNT, "us-east-1")}
    assert len(tls_front.asked) == len(service.control.journal())


def test_without_it_nothing_is_sent_and_verification_can_be_turned_off(
    dags: DagRunner, service: LocalAmplifyBackend, connect: MakeConnection, tls_front: Front
) -> None:
    connect(example("Static keys"), tls_front.endpoint_url)
    seed(service)
    code = example("Verify off").replace("app_id=", 'aws_conn_id="example", app_id=')
    assert "verify=False" in code
    strict = code.replace("verify=False", 'botocore_config={"retries": {"total_max_attempts": 1}}')
    run = dags.run(IMPORTS + strict)
    assert "SSLError" in run.error("get")
    assert tls_front.asked == []
    assert dags.run(IMPORTS + code).states == {"get": "success"}
    assert clone(dags, service, deferred(code)) == {(ACCOUNT, "us-east-1")}


def test_verification_can_be_turned_off_by_a_text_of_the_connection(
    dags: DagRunner, service: LocalAmplifyBackend, connect: MakeConnection, tls_front: Front, certificate: Path
) -> None:
    seed(service)
    code = example("CA bundle", **{"/etc/ssl/our-ca.pem": "False"})
    assert '"verify": "False"' in code
    connect(code, tls_front.endpoint_url)
    assert clone(dags, service) == {(ACCOUNT, "us-east-1")}


def test_a_trigger_that_does_not_trust_the_certificate_says_so_at_once(
    service: LocalAmplifyBackend, connect: MakeConnection, tls_front: Front
) -> None:
    from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger

    connect(example("Static keys"), tls_front.endpoint_url)
    deadline = time.time() + 3600
    trigger = BackendJobTrigger(
        app_id=APP, job_id="job-1", environments=["staging"], deadline=deadline, aws_conn_id="example"
    )

    async def event() -> dict[str, Any]:
        (only,) = [event.payload async for event in trigger.run()]
        return dict(only)

    ended = asyncio.run(asyncio.wait_for(event(), 120))
    assert ended["kind"] == "error"
    assert "CERTIFICATE_VERIFY_FAILED" in ended["message"]


# What is logged


def test_each_call_is_a_line_without_secrets(
    dags: DagRunner, service: LocalAmplifyBackend, everything_is_logged: None
) -> None:
    assert f"{client_log.__name__}=DEBUG" in example("Request logging")
    service.control.add_fault("GetToken", kind="throttle", times=1)
    run = dags.run("""
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

@task
def look():
    client = AmplifyBackendHook().conn
    token = client.create_token(AppId=APP)
    client.get_token(AppId=APP, SessionId=token["SessionId"])
    client.create_backend_auth(
        AppId=APP, BackendEnvironmentName="staging", ResourceName="people", ResourceConfig={
            "AuthResources": "USER_POOL_ONLY", "Service": "COGNITO", "UserPoolConfigs": {
                "OAuth": {
                    "OAuthGrantType": "CODE", "OAuthScopes": ["OPENID"],
                    "RedirectSignInURIs": [], "RedirectSignOutURIs": [],
                    "SocialProviderSettings": {
                        "Google": {"ClientId": "c", "ClientSecret": "".join(["hu", "sh-", "now"])}
                    },
                },
                "RequiredSignUpAttributes": ["EMAIL"], "SignInMethod": "EMAIL", "UserPoolName": "people",
            },
        },
    )
    client.get_backend(AppId="dunknown")

look()
""")
    assert run.states == {"look": "failed"}
    lines = [line for line in run.log_lines if line.get("logger") == client_log.__name__]
    texts = [
        line["event"] % tuple(line["positional_args"]) if "positional_args" in line else line["event"] for line in lines
    ]
    names = [text.split(" ", 1)[0] for text in texts]
    # In between, the guard finds the root stack.
    assert names == ["CreateToken", "GetToken", "GetBackend", "CreateBackendAuth", "GetBackend"]
    del texts[2]
    assert "{'AppId': 'd1a2b3c4d5'}: 200 in " in texts[0]
    assert " 1 retries, request id " in texts[1]
    assert "'ClientSecret': '***'" in texts[2]
    assert ": 404 NotFoundException in " in texts[3]
    bodies = [str(line) for line in run.log_lines if str(line.get("logger")).startswith("botocore")]
    assert any("bytes that can hold a secret, not shown" in line for line in bodies)
    stored = "".join(str(line) for line in run.log_lines if "MaskSecret" not in str(line))
    assert "hush-now" not in stored
    (token,) = {token for store in service.control.state() for app in store["apps"] for token in app["tokens"]}
    assert token not in stored


def test_botocore_logs_no_body_that_holds_a_secret_whatever_masks_the_log(
    service: LocalAmplifyBackend, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", "off")  # what it reads is hidden, too, and would be counted
    client: Any = AmplifyBackendHook().conn  # what follows is refused by its types, too
    social = {"Google": {"ClientId": "c", "ClientSecret": "hush-now"}}
    with caplog.at_level("DEBUG", "botocore"):
        token = client.create_token(AppId=APP)
        with pytest.raises(client.exceptions.BadRequestException):
            client.create_backend_auth(
                AppId=APP,
                BackendEnvironmentName="staging",
                ResourceName="people",
                ResourceConfig=auth(
                    OAuth={
                        "OAuthGrantType": "CODE",
                        "OAuthScopes": ["OPENID"],
                        "RedirectSignInURIs": [],
                        "RedirectSignOutURIs": [],
                        "SocialProviderSettings": social,
                    },
                    SignInMethod="ANOTHER",
                ),
            )
        client.get_backend(AppId=APP)
    assert token["ChallengeCode"] not in caplog.text
    assert "hush-now" not in caplog.text
    # The token, the request, and its refusal, which botocore writes down twice.
    assert caplog.text.count("bytes that can hold a secret, not shown") == 4
    assert '"backendEnvironmentList"' in caplog.text  # what holds none is shown


def test_no_session_and_no_temporary_credential_is_in_a_line_whatever_masks_the_log(
    service: LocalAmplifyBackend, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"endpoint_url": service.endpoint_url, "region_name": "us-east-1", "aws_session_token": "hush/token+=="}
    temporary = {"conn_type": "aws", "login": "123456789012", "password": "none", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_TEMPORARY", json.dumps(temporary))
    session = service.client().create_token(AppId=APP)["SessionId"]
    client = AmplifyBackendHook(aws_conn_id="temporary").conn
    with caplog.at_level("DEBUG", "botocore"), caplog.at_level("DEBUG", client_log.__name__):
        client.get_token(AppId=APP, SessionId=session)
        # The answer of STS, which a session with a role asks.
        body = b"<SecretAccessKey>hush/key</SecretAccessKey><SessionToken>hush/role</SessionToken>"
        logging.getLogger("botocore.parsers").debug("Response body:\n%r", body)
    for name in ("botocore.auth", "botocore.endpoint", "botocore.parsers", client_log.__name__):
        lines = [record.getMessage() for record in caplog.records if record.name == name]
        assert lines, name
        assert not [line for line in lines if "hush" in line], name
    assert session not in "".join(
        record.getMessage() for record in caplog.records if record.name == client_log.__name__
    )


def test_neither_the_external_id_nor_the_credentials_of_a_role_are_in_a_line_whatever_masks_the_log(
    service: LocalAmplifyBackend, caplog: pytest.LogCaptureFixture, connection: Callable[..., str]
) -> None:
    role, hidden = "arn:aws:iam::111122223333:role/shop", {"hush:external@id", "hush/key", "hush/session+=="}
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", "botocore")
    with Sts({"shop": ("hush/key", "hush/session+==")}).running() as sts:
        hook = AmplifyBackendHook(
            aws_conn_id=connection(
                role_arn=role,
                assume_role_kwargs={"ExternalId": "hush:external@id"},
                service_config={"sts": {"endpoint_url": sts.endpoint_url}},
            )
        )
        assert hook.get_environments(APP)
        credentials = hook.get_session().get_credentials()
    assert {asked["ExternalId"] for asked in sts.asked} == {"hush:external@id"}
    assert credentials is not None
    assert {credentials.secret_key, credentials.token} < hidden
    lines = [record.getMessage() for record in caplog.records]
    assert any("AssumeRole" in line and "'ExternalId': '***'" in line for line in lines)
    assert [line for line in lines for text in hidden if text in line or quote(text) in line] == []


def test_no_answer_that_the_guard_reads_is_in_a_line_whatever_masks_the_log(
    service: LocalAmplifyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """An app's variables hold the secrets of its social login, and a stack's outputs those of its clients."""
    service.control.seed_app(APP, "staging", variables={"AMPLIFY_GOOGLE_CLIENT_SECRET": "hush-now", "SHOP": "hush-too"})
    service.control.clear_journal()
    # Another test may have left botocore's own logger at another level.
    with caplog.at_level("DEBUG"), caplog.at_level("DEBUG", "botocore"):
        AmplifyBackendHook().check_guard("DeleteBackend", {"AppId": APP, "BackendEnvironmentName": "staging"})
    assert {"GetApp", "DescribeStacks"} <= {entry["operation"] for entry in service.control.journal()}
    lines = [record.getMessage() for record in caplog.records]
    assert any("bytes that can hold a secret, not shown" in line for line in lines)
    assert [line for line in lines if "hush" in line or "OutputKey" in line] == []


def test_a_call_that_got_no_answer_is_a_line_too(
    service: LocalAmplifyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    service.control.add_fault("GetBackend", kind="reset_before")
    hook = AmplifyBackendHook(config={"retries": {"total_max_attempts": 1}})
    with caplog.at_level("DEBUG", "airflow_provider_amplifybackend.hooks._client_log"), pytest.raises(Exception):  # noqa: B017, PT011
        hook.conn.get_backend(AppId=APP)
    assert any("ConnectionClosedError after" in record.getMessage() for record in caplog.records)


def test_the_secret_members_are_written_in_bodies_as_the_model_says() -> None:
    from airflow_provider_amplifybackend.core.secrets import MASKED_MEMBERS, WIRE_NAMES
    from airflow_provider_amplifybackend.parameters import service_model

    model = service_model.service_model()
    shapes = [shape for shape in map(model.shape_for, model.shape_names) if shape.type_name == "structure"]
    found = {
        (member.serialization["name"], name)
        for shape in shapes
        for name, member in members_of(shape).items()
        if name in MASKED_MEMBERS and member.serialization.get("location") != "uri"
    }
    assert found == set(WIRE_NAMES.items())


# Without AWS


def test_stubbed_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_ENDPOINT_URL_AMPLIFYBACKEND", "")
    names: dict[str, Any] = {"os": os, "AmplifyBackendHook": AmplifyBackendHook}
    exec(example("Stubbed responses"), names)
    assert names["environments"] == ["staging"]


def test_every_example_has_its_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    assert [title for title in SECTIONS if f'"{title}"' not in tests] == []
