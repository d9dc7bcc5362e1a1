"""Whoever makes a call, and however: what is no name does not reach the socket, and what is one arrives as it is."""

from __future__ import annotations

import asyncio
import functools
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import boto3
import pytest
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.core.job import JobRef
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError
from airflow_provider_amplifybackend.core.status_check import check_job
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.hooks._async_client import create_client
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from airflow_provider_amplifybackend.parameters import service_model
from tests.name_cases import BAD, GOOD
from tests.operators.requests_by_operation import CASES, shared_botocore_data  # noqa: F401
from tests.samples import APP

ACCOUNT, PASSWORD = "123456789012", "not-a-secret"
# What the guard reads before a deletion or a change.
GUARD_READS = {"GetApp", "GetBackend", "GetBackendEnvironment", "ListStacks", "DescribeStacks", "GetStackPolicy"}
RETRY_MODES = pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])


def request_for(operation: str) -> dict[str, Any]:
    app = {"AppId": APP} if operation != "ListS3Buckets" else {}
    return {**CASES[operation].request, **app}


def name_members(operation: str) -> list[str]:
    return [
        member
        for member, shape in service_model.input_shape(operation).members.items()
        if names.is_name_member(member, shape.serialization.get("location"))
    ]


def bad_requests() -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """Every operation with every bad value for each of its names: operation, member, request, what the error says."""
    for operation in CASES:
        for member in name_members(operation):
            for name, says in BAD.items():
                said = f"{operation} was not sent: {member}={name!r} {says}"
                yield operation, member, request_for(operation) | {member: name}, said


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(BackendParameterError) as error:
        call()
    return str(error.value)


# What is no name


def test_every_operation_refuses_every_bad_name_on_every_way_to_it(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook
) -> None:
    service.control.clear_journal()
    for operation, _, request, said in bad_requests():
        method = xform_name(operation)
        ways = [
            functools.partial(hook.call, operation, request),
            functools.partial(getattr(hook.conn, method), **request),
            functools.partial(hook.conn.generate_presigned_url, method, Params=request),
        ]
        if operation in JOB_OPERATIONS:
            ways.append(functools.partial(hook.start_operation, operation, request))
        for way in ways:
            assert refusal(way).startswith(said)
    assert service.control.journal() == []


def test_every_operation_refuses_every_bad_name_on_asynchronous_clients(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook
) -> None:
    async def ask() -> None:
        async with AsyncExitStack() as stack:
            of_triggers = await create_client(stack, aws_conn_id="aws_default")
            of_users = await stack.enter_async_context(await hook.get_async_conn())  # type: ignore[no-untyped-call]
            for operation, _, request, said in bad_requests():
                for client in (of_triggers, of_users):
                    with pytest.raises(BackendParameterError) as error:
                        await getattr(client, xform_name(operation))(**request)
                    assert str(error.value).startswith(said)
            with pytest.raises(BackendParameterError):
                await of_users.generate_presigned_url("delete_backend", Params=request_for("DeleteBackend") | DOTS)

    service.control.clear_journal()
    asyncio.run(ask())
    assert service.control.journal() == []


DOTS = {"BackendEnvironmentName": ".."}


def test_the_methods_of_the_hook_refuse_what_is_no_name(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    service.control.clear_journal()
    for name in BAD:
        ref = JobRef(APP, name, ("staging",))
        ways: list[Callable[[], Any]] = [
            lambda name=name: hook.get_environments(name),  # type: ignore[misc]
            lambda name=name: hook.environment_exists(name, "staging"),  # type: ignore[misc]
            lambda name=name: hook.environment_exists(APP, name),  # type: ignore[misc]
            lambda name=name: hook.get_job(APP, name, "job"),  # type: ignore[misc]
            lambda name=name: hook.get_job(APP, "staging", name),  # type: ignore[misc]
            lambda name=name: list(hook.iter_jobs(name, "staging")),  # type: ignore[misc]
            lambda name=name: list(hook.iter_jobs(APP, name)),  # type: ignore[misc]
            lambda name=name: list(hook.iter_jobs(APP, "staging", job_id=name)),  # type: ignore[misc]
            lambda ref=ref: hook.wait_for_job(ref, timeout=60),  # type: ignore[misc]
        ]
        for way in ways:
            refusal(way)
        with pytest.raises(ServiceError) as error:
            hook.run(check_job(ref))
        assert error.value.kind is FaultKind.SETUP
        assert not error.value.is_transient
    assert service.control.journal() == []


def test_every_bad_name_of_a_request_is_named_at_once(hook: AmplifyBackendHook) -> None:
    said = refusal(lambda: hook.call("GetBackendJob", {"AppId": ".", "BackendEnvironmentName": "a/b", "JobId": ""}))
    assert "AppId='.' is part of a path" in said
    assert "BackendEnvironmentName='a/b' contains '/'" in said
    assert "JobId='' is missing a value" in said


def test_a_paginator_is_behind_it(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    service.control.clear_journal()
    pages = hook.conn.get_paginator("list_backend_jobs").paginate(AppId=APP, BackendEnvironmentName="..")
    assert "BackendEnvironmentName='..'" in refusal(lambda: list(pages))
    assert service.control.journal() == []


def test_clients_that_a_user_makes_of_the_hooks_sessions_are_behind_it(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook
) -> None:
    service.control.clear_journal()
    client = hook.get_session().client("amplifybackend", region_name="us-east-1", endpoint_url=service.endpoint_url)
    refusal(lambda: client.remove_all_backends(AppId=".."))
    assert service.control.journal() == []


@pytest.mark.parametrize("value", [b"..", [".."], 5, None, "absent"])
def test_the_names_are_checked_when_botocores_own_checks_are_switched_off(
    service: LocalAmplifyBackend, connection: Callable[..., str], value: Any
) -> None:
    hook = AmplifyBackendHook(aws_conn_id=connection(config_kwargs={"parameter_validation": False}))
    service.control.clear_journal()
    request = request_for("DeleteBackend") | {"BackendEnvironmentName": value}
    if value == "absent":
        del request["BackendEnvironmentName"]
    assert "BackendEnvironmentName" in refusal(lambda: hook.start_operation("DeleteBackend", request))
    assert service.control.journal() == []


# What changes a request on its way


def set_dots(params: dict[str, Any], **_: Any) -> None:
    params.update(DOTS)


def return_dots(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return params | DOTS


def change_path(params: dict[str, Any], **_: Any) -> None:
    params["url"] = params["url"].replace("/staging/", "/../")


def change_address(request: Any, **_: Any) -> None:
    request.url = request.url.replace("/staging/", "/%2e%2E/")


CHANGES: dict[str, Callable[..., Any]] = {
    "provide-client-params": return_dots,
    "before-parameter-build": set_dots,
    "before-call": change_path,
    "request-created": change_address,
    "before-sign": change_address,
    "before-send": change_address,
}


@RETRY_MODES
@pytest.mark.parametrize("event", CHANGES)
def test_a_handler_of_the_users_cannot_put_a_path_into_a_request(
    service: LocalAmplifyBackend, event: str, mode: str
) -> None:
    hook = AmplifyBackendHook(config={"retries": {"mode": mode}})
    calls: list[str] = []
    for client in (hook.conn, hook._start_conn):
        # However late it asks to be called.
        client.meta.events.register(f"{event}.amplifybackend", CHANGES[event])
        client.meta.events.register_last(f"{event}.amplifybackend.DeleteBackend", lambda **_: calls.append("called"))
    service.control.clear_journal()
    for way in (hook.call, hook.start_operation):
        said = refusal(lambda way=way: way("DeleteBackend", request_for("DeleteBackend")))  # type: ignore[misc]
        assert said.startswith("DeleteBackend was not sent: ")
    assert calls == ["called", "called"]  # and nothing was tried again
    # The guard may have read; nothing else has arrived.
    assert {entry["operation"] for entry in service.control.journal()} <= GUARD_READS


def test_a_presigned_address_has_no_path_for_a_name_either(hook: AmplifyBackendHook) -> None:
    client = hook.get_client_type(region_name="us-east-1")
    client.meta.events.register("before-sign.amplifybackend", change_address)
    said = refusal(lambda: client.generate_presigned_url("delete_backend", Params=request_for("DeleteBackend")))
    assert "part '..' of its address '/backend/d1a2b3c4d5/environments/%2e%2E/remove'" in said


@pytest.mark.parametrize("path", ["/gateway/..", "/./", "/a//b", "//"])
def test_an_endpoint_that_would_be_resolved_to_another_is_refused_and_named(
    service: LocalAmplifyBackend, connection: Callable[..., str], path: str
) -> None:
    hook = AmplifyBackendHook(aws_conn_id=connection(endpoint_url=service.endpoint_url + path))
    service.control.clear_journal()
    assert "Check the endpoint_url of the connection" in refusal(lambda: hook.get_environments(APP))
    assert service.control.journal() == []


# What is a name


@dataclass
class Request:
    """A request as it came off the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def signed_for(self, target: str) -> str:
        """The signature of this request, had it been sent to another address."""
        names_of_headers = self.authorization["SignedHeaders"].split(";")
        request = AWSRequest(
            self.method,
            f"http://{self.headers['host']}{target}",
            {name: self.headers[name] for name in names_of_headers},
            self.body,
        )
        request.context["timestamp"] = self.headers["x-amz-date"]
        auth = AsSent(Credentials(ACCOUNT, PASSWORD), "amplifybackend", "us-east-1")
        signed: str = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        return signed

    @property
    def authorization(self) -> dict[str, str]:
        return dict(parse_qsl(self.headers["authorization"].partition(" ")[2].replace(", ", "&")))


class AsSent(SigV4Auth):
    """Signs the path that there is, as the service sees it; it does not know what the client made it of."""

    def _normalize_url_path(self, path: str) -> str:
        return quote(path, safe="/~")


@dataclass
class ResolvingProxy:
    """What stands before many services: it decodes and resolves a path before it hands it on."""

    behind: str
    requests: list[Request] = field(default_factory=list)

    @staticmethod
    def resolved(target: str) -> str:
        parts: list[str] = []
        for part in unquote(urlsplit(target).path).split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return "/" + "/".join(quote(part, safe="~") for part in parts)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self
        service = urlsplit(self.behind).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def hand_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                proxy.requests.append(Request(self.command, self.path, headers, body))
                behind = http.client.HTTPConnection(service)
                behind.request(self.command, proxy.resolved(self.path), body, headers)
                answer = behind.getresponse()
                content = answer.read()
                behind.close()
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = hand_on  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def proxy(service: LocalAmplifyBackend) -> Iterator[ResolvingProxy]:
    """A proxy that resolves paths, before the local service, and the connection `proxied` to it."""
    made = ResolvingProxy(service.endpoint_url)
    server = ThreadingHTTPServer(("127.0.0.1", 0), made.handler())
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        endpoint_url = f"http://127.0.0.1:{server.server_port}"
        patch.setenv(
            "AIRFLOW_CONN_PROXIED", connection_json(endpoint_url, config_kwargs={"retries": {"mode": "standard"}})
        )
        yield made
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_proxy_makes_another_operation_of_a_path_and_its_signature_is_valid(
    service: LocalAmplifyBackend, proxy: ResolvingProxy
) -> None:
    """So this is what an unguarded client does, and these tests would see it."""
    client = boto3.client(
        "amplifybackend",
        region_name="us-east-1",
        endpoint_url=AmplifyBackendHook(aws_conn_id="proxied").conn.meta.endpoint_url,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key=PASSWORD,
    )
    service.control.clear_journal()
    client.delete_backend(AppId=APP, BackendEnvironmentName="..")
    assert [entry["operation"] for entry in service.control.journal()] == ["RemoveAllBackends"]
    (request,) = proxy.requests
    assert request.signed_for(request.target) != request.authorization["Signature"]
    assert request.signed_for(proxy.resolved(request.target)) == request.authorization["Signature"]


def good_requests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation with every odd name for all of its names."""
    for operation in CASES:
        for name in GOOD if name_members(operation) else ():
            yield operation, request_for(operation) | dict.fromkeys(name_members(operation), name)


def check(service: LocalAmplifyBackend, proxy: ResolvingProxy, asked: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """What was signed is what was sent, resolved or not, and it arrived as the operation that was meant."""
    ours = [request for request in proxy.requests if request.target.startswith("/backend")]
    assert len(ours) >= len(asked)
    for request in ours:
        assert proxy.resolved(request.target) == request.target
        assert request.signed_for(request.target) == request.authorization["Signature"]
    journal = service.control.journal()
    assert len(proxy.requests) == len(journal)
    arrived = {as_text(entry["operation"], entry["parameters"]) for entry in journal}
    meant = {as_text(operation, request) for operation, request in asked}
    assert meant <= arrived
    # The guard asks about the same names.
    assert [entry for entry in arrived - meant if entry[0] not in GUARD_READS] == []


def as_text(operation: str, parameters: Mapping[str, Any]) -> tuple[str, str]:
    return operation, json.dumps(parameters, sort_keys=True)


def test_an_odd_name_arrives_as_it_is_and_as_it_was_signed(service: LocalAmplifyBackend, proxy: ResolvingProxy) -> None:
    conn = AmplifyBackendHook(aws_conn_id="proxied").conn
    service.control.clear_journal()
    asked = list(good_requests())
    for operation, request in asked:
        with suppress(ClientError):  # the service may refuse it, for what is there and what is not
            getattr(conn, xform_name(operation))(**request)
    check(service, proxy, asked)


def test_an_odd_name_arrives_as_it_is_from_an_asynchronous_client(
    service: LocalAmplifyBackend, proxy: ResolvingProxy
) -> None:
    asked = list(good_requests())

    async def ask() -> None:
        async with AsyncExitStack() as stack:
            client = await create_client(stack, aws_conn_id="proxied")
            for operation, request in asked:
                with suppress(ClientError):
                    await getattr(client, xform_name(operation))(**request)

    service.control.clear_journal()
    asyncio.run(ask())
    check(service, proxy, asked)
