"""Whoever makes a call, and however: the mark that stands in place of a secret does not replace the secret."""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from botocore import xform_name

from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError
from airflow_provider_amplifybackend.core.secrets import redact_secrets
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.hooks._async_client import create_client
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP, auth_change

OPERATIONS = ("CreateBackendAuth", "UpdateBackendAuth")
PLACEHOLDERS = {
    "the mark": "***",
    "a longer mark": "'******'",
    "a mark for a line": "-----BEGIN PRIVATE KEY-----\n***\n-----END PRIVATE KEY-----",
    "what Airflow writes when it cannot mask": "<redaction-failed>",
    "a text that no masker takes": "hush",
}
GOOGLE = "ResourceConfig.UserPoolConfigs.OAuth.SocialProviderSettings.Google.ClientSecret"
APPLE = "ResourceConfig.UserPoolConfigs.OAuth.SocialProviderSettings.SignInWithApple.PrivateKey"


def with_secrets(request: Mapping[str, Any], text: str) -> dict[str, Any]:
    changed: dict[str, Any] = copy.deepcopy(dict(request))
    providers = changed["ResourceConfig"]["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]
    providers["Google"]["ClientSecret"] = providers["SignInWithApple"]["PrivateKey"] = text
    return changed


def ways(hook: AmplifyBackendHook, operation: str, request: Mapping[str, Any]) -> list[Callable[[], Any]]:
    method = xform_name(operation)
    return [
        functools.partial(hook.call, operation, request),
        functools.partial(hook.start_operation, operation, request),
        functools.partial(getattr(hook.conn, method), **request),
        functools.partial(hook.conn.generate_presigned_url, method, Params=request),
    ]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("text", PLACEHOLDERS.values(), ids=PLACEHOLDERS)
def test_it_is_refused_on_every_way_before_anything_is_sent(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook, auth_request: Mapping[str, Any], operation: str, text: str
) -> None:
    service.control.clear_journal()
    request = with_secrets(auth_request, text)
    for way in ways(hook, operation, request):
        with pytest.raises(BackendParameterError) as error:
            way()
        said = str(error.value)
        assert said.startswith(f"{operation} was not sent: ")
        assert f"{GOOGLE}=*** " in said
        assert f"{APPLE}=*** " in said
        assert 'BaseHook.get_connection("google").password' in said
        assert text in ("***", "<redaction-failed>") or text not in said
    assert service.control.journal() == []


@pytest.mark.parametrize("attempt", ["attempt", "attempt_start"])
def test_the_methods_that_tell_faults_apart_take_it_for_a_mistake_that_no_retry_mends(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook, auth_request: Mapping[str, Any], attempt: str
) -> None:
    service.control.clear_journal()
    with pytest.raises(ServiceError) as error:
        getattr(hook, attempt)("UpdateBackendAuth", with_secrets(auth_request, "***"))
    assert error.value.kind is FaultKind.SETUP
    assert not error.value.is_transient
    assert service.control.journal() == []


def test_asynchronous_clients_refuse_it(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook, auth_request: Mapping[str, Any]
) -> None:
    request = with_secrets(auth_request, "***")

    async def ask() -> None:
        async with AsyncExitStack() as stack:
            of_triggers = await create_client(stack, aws_conn_id="aws_default")
            of_users = await stack.enter_async_context(await hook.get_async_conn())  # type: ignore[no-untyped-call]
            for client in (of_triggers, of_users):
                with pytest.raises(BackendParameterError, match="is the placeholder of a Get operator"):
                    await client.update_backend_auth(**request)

    service.control.clear_journal()
    asyncio.run(ask())
    assert service.control.journal() == []


def test_a_handler_of_the_users_cannot_put_it_into_a_request(
    service: LocalAmplifyBackend, auth_request: Mapping[str, Any]
) -> None:
    hook = AmplifyBackendHook()
    change: Any = lambda params, **_: with_secrets(params, "***")  # noqa: E731
    hook.conn.meta.events.register("provide-client-params.amplifybackend", change)
    service.control.clear_journal()
    with pytest.raises(BackendParameterError, match="is the placeholder"):
        hook.call("CreateBackendAuth", auth_request)
    assert service.control.journal() == []


def test_it_is_refused_when_botocores_own_checks_are_switched_off(
    service: LocalAmplifyBackend, connection: Callable[..., str], auth_request: Mapping[str, Any]
) -> None:
    hook = AmplifyBackendHook(aws_conn_id=connection(config_kwargs={"parameter_validation": False}))
    service.control.clear_journal()
    for request in (with_secrets(auth_request, "***"), {**auth_request, "ResourceConfig": {"client_secret": "***"}}):
        with pytest.raises(BackendParameterError, match="is the placeholder"):
            hook.call("CreateBackendAuth", request)
    assert service.control.journal() == []


def test_what_a_get_operator_returned_cannot_be_sent_back(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook, auth_request: Mapping[str, Any]
) -> None:
    """As a task does that changes one thing of what is set, and would end the social login with it."""
    hook.call("CreateBackendAuth", auth_request)
    service.control.clear_journal()
    shown = redact_secrets(auth_request)
    shown["ResourceConfig"]["UserPoolConfigs"]["SignInMethod"] = "USERNAME"
    with pytest.raises(BackendParameterError, match="would replace the secret that is set"):
        hook.start_operation("UpdateBackendAuth", shown)
    assert service.control.journal() == []


def test_secrets_and_asterisks_elsewhere_are_sent(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook, auth_request: Mapping[str, Any]
) -> None:
    service.control.clear_journal()
    service.control.set(job_seconds=0)
    words = "Your password: *** is no longer valid. Token=***"
    message = {"DeliveryMethod": "EMAIL", "EmailSettings": {"EmailMessage": words, "EmailSubject": "token: ***"}}
    change = auth_change(ForgotPassword=message)
    request = {**auth_request, "ResourceConfig": change}
    hook.call("CreateBackendAuth", auth_request)
    hook.call("UpdateBackendAuth", request)
    sent = [entry["parameters"] for entry in service.control.journal() if entry["operation"] in OPERATIONS]
    assert sent == [auth_request, request]
    assert sent[0]["AppId"] == APP
