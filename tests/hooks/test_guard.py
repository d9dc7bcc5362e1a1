"""The guard on the hook and its clients: what reaches the service, and what does not."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.exceptions import BackendGuardError, BackendRequestError
from airflow_provider_amplifybackend.guard import signs
from airflow_provider_amplifybackend.guard.conditions import conditions_of
from airflow_provider_amplifybackend.guard.verdict import Mode
from airflow_provider_amplifybackend.hooks._neighbours import AWS_DOMAINS, is_aws, is_local_service
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json, environment_names
from airflow_provider_amplifybackend.retries import Action, advice_for
from tests.airflow_versions import MAKES_DAMAGED_CONNECTIONS
from tests.front import Front
from tests.samples import APP

DELETE = {"AppId": APP, "BackendEnvironmentName": "production"}
REMOVE_ALL = {"AppId": APP}
ELSEWHERE = "eu-west-1"
LOCK = {"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}
Protect = Callable[[str], None]
Sent = Callable[[str], int]


@pytest.fixture
def protect(monkeypatch: pytest.MonkeyPatch) -> Protect:
    """Sets `[amplifybackend] protected`."""
    return lambda names: monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", names)


@pytest.fixture(autouse=True)
def production(service: LocalAmplifyBackend) -> None:
    service.control.seed({"apps": [{"app_id": APP, "environments": ["production", "staging"]}]})


@pytest.fixture
def hook(service: LocalAmplifyBackend) -> AmplifyBackendHook:
    """A hook of its own for each test: what it has checked, it remembers for a while."""
    return AmplifyBackendHook()


def sign(service: LocalAmplifyBackend, environment: str = "production", **signs: Any) -> None:
    variables = signs.pop("variables", {})
    stacks = signs.pop("stacks", [])
    entry = {"app_id": APP, "variables": variables, "environments": [{"name": environment, **signs}]}
    service.control.seed({"apps": [entry], "stacks": stacks})


SIGNS: dict[GuardRefusal, dict[str, Any]] = {
    GuardRefusal.MIGRATING: {"variables": {"GEN2_MIGRATION_ENVIRONMENT_NAME": "production"}},
    GuardRefusal.LOCKED: {"stack_policy": {"Statement": [LOCK]}},
    GuardRefusal.HOLDING_STACK: {"stacks": [{"name": f"amplify-{APP}-gen2main-branch-1-auth-holding"}]},
    GuardRefusal.TERMINATION_PROTECTION: {"termination_protection": True},
}


def ways_to_delete(hook: AmplifyBackendHook) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "call", lambda: hook.call("DeleteBackend", DELETE)
    yield "attempt", lambda: hook.attempt("DeleteBackend", DELETE)
    yield "start_operation", lambda: hook.start_operation("DeleteBackend", DELETE)
    yield "conn", lambda: hook.conn.delete_backend(**DELETE)
    yield "a session's client", lambda: _client_of_its_session(hook).delete_backend(**DELETE)
    yield "a presigned address", lambda: hook.conn.generate_presigned_url("delete_backend", DELETE)
    yield "another environment first", lambda: (hook.get_environments(APP), hook.call("DeleteBackend", DELETE))
    yield "aiobotocore", lambda: asyncio.run(_delete_asynchronously(hook))


def _client_of_its_session(hook: AmplifyBackendHook) -> Any:
    return hook.get_session().client("amplifybackend", endpoint_url=hook.conn.meta.endpoint_url)


async def _delete_asynchronously(hook: Any) -> None:
    async with await hook.get_async_conn() as client:
        await client.delete_backend(**DELETE)


WAYS = [name for name, _ in ways_to_delete(AmplifyBackendHook())]


@pytest.mark.parametrize("way", WAYS)
def test_a_protected_environment_is_deleted_in_no_way(
    way: str, hook: AmplifyBackendHook, protect: Protect, sent: Sent
) -> None:
    protect("production")
    with pytest.raises(BackendGuardError, match="'production' is protected") as caught:
        dict(ways_to_delete(hook))[way]()
    assert caught.value.reason is GuardRefusal.PROTECTED
    assert sent("DeleteBackend") == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reason", SIGNS)
def test_an_environment_that_shows_a_sign_is_deleted_in_no_way(
    way: str, reason: GuardRefusal, hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    sign(service, **SIGNS[reason])
    with pytest.raises(BackendGuardError) as caught:
        dict(ways_to_delete(hook))[way]()
    assert caught.value.reason is reason
    assert sent("DeleteBackend") == 0


@pytest.mark.parametrize("way", [way for way in WAYS if way != "a presigned address"])
def test_the_same_ways_lead_to_an_ordinary_environment(way: str, hook: AmplifyBackendHook, sent: Sent) -> None:
    dict(ways_to_delete(hook))[way]()
    assert sent("DeleteBackend") == 1


def clients_elsewhere(hook: AmplifyBackendHook) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Clients in another region than the hook's own, in which the environment shows a sign and here does not."""
    address = {"endpoint_url": hook.conn.meta.endpoint_url}
    session, there = hook.get_session, {"region_name": ELSEWHERE}
    yield "another client of the hook", lambda: hook.get_client_type(region_name=ELSEWHERE)
    yield "a client of a session there", lambda: session(**there).client("amplifybackend", **address)
    yield "a client of a session here", lambda: session().client("amplifybackend", **there, **address)


CLIENTS_ELSEWHERE = ["another client of the hook", "a client of a session there", "a client of a session here"]


@pytest.mark.parametrize("way", CLIENTS_ELSEWHERE)
@pytest.mark.parametrize("locked", [True, False])
def test_signs_are_read_in_the_region_in_which_a_client_deletes(
    way: str, locked: bool, hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    service.client(region_name=ELSEWHERE).create_backend(AppId=APP, AppName="shop", BackendEnvironmentName="production")
    service.control.advance(60)  # until its job has ended, which would refuse a deletion, too
    apps: Any = hook.client_session.client("amplify", region_name=ELSEWHERE, endpoint_url=service.endpoint_url)
    variables = {"GEN2_MIGRATION_ENVIRONMENT_NAME": "production"} if locked else {}
    apps.update_app(appId=APP, environmentVariables=variables)
    hook.call("GetBackend", DELETE)
    hook.check_guard("DeleteBackend", DELETE)  # what was read here a moment ago says nothing of what is there
    client = dict(clients_elsewhere(hook))[way]()
    if locked:
        with pytest.raises(BackendGuardError, match="gen2-migration"):
            client.delete_backend(**DELETE)
        assert sent("DeleteBackend") == 0
    else:
        client.delete_backend(**DELETE)
        assert sent("DeleteBackend") == 1


@pytest.mark.parametrize("reason", SIGNS)
def test_with_the_guard_off_signs_refuse_nothing(
    reason: GuardRefusal,
    hook: AmplifyBackendHook,
    service: LocalAmplifyBackend,
    sent: Sent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", "off")
    sign(service, **SIGNS[reason])
    hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 1
    assert neighbours_asked(service) == []


def test_reads_and_clones_from_a_protected_environment_stay_allowed(
    hook: AmplifyBackendHook, protect: Protect, sent: Sent, service: LocalAmplifyBackend
) -> None:
    protect("production")
    hook.call("GetBackend", DELETE)
    hook.start_operation("CloneBackend", {**DELETE, "TargetEnvironmentName": "pr"})
    assert sent("CloneBackend") == 1


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("CloneBackend", {"BackendEnvironmentName": "staging", "TargetEnvironmentName": "production"}),
    ("CreateBackend", {"BackendEnvironmentName": "production", "AppName": "shop"}),
    ("UpdateBackendJob", {"BackendEnvironmentName": "production", "JobId": "j1", "Status": "FAILED"}),
    ("GenerateBackendAPIModels", {"BackendEnvironmentName": "production", "ResourceName": "api"}),
    ("ImportBackendStorage", {"BackendEnvironmentName": "production", "ServiceName": "S3", "BucketName": "b"}),
    ("RemoveAllBackends", {}),
]


@pytest.mark.parametrize(("operation", "request_"), CHANGES, ids=[name for name, _ in CHANGES])
def test_nothing_changes_a_protected_environment(
    operation: str, request_: dict[str, Any], hook: AmplifyBackendHook, protect: Protect, sent: Sent
) -> None:
    protect("production")
    with pytest.raises(BackendGuardError):
        hook.call(operation, {"AppId": APP, **request_})
    assert sent(operation) == 0


@pytest.mark.parametrize(
    "operation", ["CreateBackendConfig", "UpdateBackendConfig", "RemoveBackendConfig", "CreateToken"]
)
def test_configuration_and_tokens_of_a_protected_app_stay_as_they_are(
    operation: str, hook: AmplifyBackendHook, protect: Protect, sent: Sent
) -> None:
    protect(f"{APP}/*")
    with pytest.raises(BackendGuardError, match=f"app '{APP}' is protected"):
        hook.call(operation, {"AppId": APP})
    assert sent(operation) == 0


def test_all_environments_are_removed_only_if_none_is_protected(
    hook: AmplifyBackendHook, protect: Protect, sent: Sent
) -> None:
    protect("staging-eu, production")
    with pytest.raises(BackendGuardError, match="production"):
        hook.call("RemoveAllBackends", REMOVE_ALL)
    protect("staging-eu")
    hook.call("RemoveAllBackends", REMOVE_ALL)
    assert sent("RemoveAllBackends") == 1


def test_all_environments_are_kept_if_one_shows_a_sign(
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    sign(service, "staging", stack_policy={"Statement": [LOCK]})
    with pytest.raises(BackendGuardError, match="staging"):
        hook.call("RemoveAllBackends", REMOVE_ALL)
    assert sent("RemoveAllBackends") == 0


def test_all_environments_are_kept_if_they_cannot_be_listed(
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    service.control.add_fault(kind="denied", operation="GetBackend")
    with pytest.raises(BackendGuardError, match="cannot be listed") as caught:
        hook.call("RemoveAllBackends", REMOVE_ALL)
    assert caught.value.reason is GuardRefusal.UNREADABLE_LIST
    assert sent("RemoveAllBackends") == 0


# ----------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("names", ["production,", "production,,x", '["production"]', "a/b/c"])
def test_a_setting_that_cannot_be_read_stops_everything_that_deletes_or_changes(
    names: str, hook: AmplifyBackendHook, protect: Protect, sent: Sent
) -> None:
    protect(names)
    with pytest.raises(BackendGuardError, match=r"\[amplifybackend\] protected") as caught:
        hook.call("DeleteBackend", {**DELETE, "BackendEnvironmentName": "staging"})
    assert caught.value.reason is GuardRefusal.SETTING
    assert sent("DeleteBackend") == 0
    hook.call("GetBackend", DELETE)


def test_a_mode_that_there_is_not_stops_it_too(
    hook: AmplifyBackendHook, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", "on")
    with pytest.raises(BackendGuardError, match=r"\[amplifybackend\] guard='on' is not one of: off, auto, require"):
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0


def test_a_connection_adds_protected_names(connection: Callable[..., str], protect: Protect, sent: Sent) -> None:
    hook = AmplifyBackendHook(aws_conn_id=connection(amplifybackend={"protected": [f"{APP}/prod*"]}))
    protect("staging")
    for environment in ("production", "staging"):
        with pytest.raises(BackendGuardError, match="is protected"):
            hook.call("DeleteBackend", {**DELETE, "BackendEnvironmentName": environment})
    assert sent("DeleteBackend") == 0


@pytest.mark.parametrize(
    "extra", [{"protected": "production"}, ["production"], {"protectd": ["production"]}, "production"]
)
def test_names_of_a_connection_that_cannot_be_read_stop_it(
    extra: Any, connection: Callable[..., str], sent: Sent
) -> None:
    hook = AmplifyBackendHook(aws_conn_id=connection(amplifybackend=extra))
    with pytest.raises(BackendGuardError, match="the extra 'amplifybackend' of the connection 'other'"):
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0


def test_a_connection_that_is_changed_while_a_hook_waits_protects_from_then_on(
    connection: Callable[..., str], sent: Sent
) -> None:
    hook = AmplifyBackendHook(aws_conn_id=connection())
    hook.get_environments(APP)
    connection(amplifybackend={"protected": ["production"]})
    with pytest.raises(BackendGuardError, match="'protected' in the extra 'amplifybackend' of the connection 'other'"):
        hook.check_guard("DeleteBackend", DELETE)
    with pytest.raises(BackendGuardError):
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0


def test_a_connection_that_cannot_be_looked_up_again_protects_like_any_list_that_nobody_can_read(
    connection: Callable[..., str], sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = AmplifyBackendHook(aws_conn_id=connection())
    hook.get_environments(APP)

    def look_up(conn_id: str) -> Any:
        raise OSError("the secrets backend is away")

    monkeypatch.setattr(AwsBaseHook, "get_connection", look_up)
    for way in (hook.check_guard, hook.call):
        with pytest.raises(BackendRequestError, match="the secrets backend is away"):
            way("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0


@pytest.mark.parametrize("setting", ["protected", "guard"])
def test_the_settings_are_part_of_the_provider_so_that_airflow_knows_their_defaults(setting: str) -> None:
    from airflow_provider_amplifybackend.get_provider_info import get_provider_info

    assert setting in get_provider_info()["config"]["amplifybackend"]["options"]


# -------------------------------------------------------------------------------------------------- what cannot be read


def test_auto_logs_once_what_it_cannot_read_and_deletes(
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    service.control.add_fault(service="*", kind="denied", operation="GetStackPolicy")
    service.control.add_fault(service="*", kind="denied", operation="GetApp")
    vars(hook)["_log"] = logging.getLogger("tests.guard")
    for environment in ("production", "staging"):
        hook.call("DeleteBackend", {**DELETE, "BackendEnvironmentName": environment})
    lines = [line for line in caplog.messages if "cannot be read" in line]
    assert sum("cloudformation:GetStackPolicy" in line for line in lines) == 1
    assert sum("amplify:GetApp" in line for line in lines) == 1
    assert sent("DeleteBackend") == 2


@pytest.mark.parametrize("operation", ["GetApp", "ListStacks", "DescribeStacks", "GetStackPolicy"])
def test_require_refuses_what_it_cannot_read(
    operation: str, hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    service.control.add_fault(service="*", kind="denied", operation=operation)
    hook.guard.mode = Mode.REQUIRE
    with pytest.raises(BackendGuardError, match=operation) as caught:
        hook.call("DeleteBackend", DELETE)
    assert caught.value.reason is GuardRefusal.UNREADABLE_SIGN
    assert sent("DeleteBackend") == 0


def test_a_sign_that_can_be_read_refuses_beside_one_that_cannot(
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    service.control.add_fault(service="*", kind="denied", operation="GetApp")
    sign(service, stack_policy={"Statement": [LOCK]})
    with pytest.raises(BackendGuardError):
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0


HICCUPS: dict[str, dict[str, Any]] = {
    "throttled": {"kind": "throttle"},
    "a server's error": {"kind": "error", "status": 503, "code": "ServiceUnavailable", "message": "come back later"},
    "a gateway's timeout": {"kind": "timeout_before"},
    "a reset": {"kind": "reset_after"},
    "expired credentials": {"kind": "error", "status": 403, "code": "ExpiredTokenException", "message": "too old"},
}


@pytest.fixture
def impatient(service: LocalAmplifyBackend) -> AmplifyBackendHook:
    """A hook whose own client repeats nothing."""
    return AmplifyBackendHook(config={"retries": {"total_max_attempts": 1}})


@pytest.mark.parametrize("hiccup", HICCUPS)
@pytest.mark.parametrize("operation", ["GetApp", "GetBackend", "GetStackPolicy"])
def test_a_sign_that_cannot_be_read_for_the_moment_is_read_again_by_a_retry(
    operation: str, hiccup: str, impatient: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    fault = service.control.add_fault(service="*", operation=operation, **HICCUPS[hiccup])["fault_id"]
    with pytest.raises(BackendRequestError, match=rf"DeleteBackend .*nothing was sent.*:{operation} ") as caught:
        impatient.call("DeleteBackend", DELETE)
    assert advice_for(caught.value).action is Action.RETRY
    assert sent("DeleteBackend") == 0
    service.control.remove_fault(fault)
    impatient.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 1


@pytest.mark.parametrize("operation", ["ListStacks", "DescribeStacks"])
def test_require_asks_for_no_permission_where_only_the_answer_was_lost(
    operation: str, impatient: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    service.control.add_fault(service="*", operation=operation, kind="truncate")
    impatient.guard.mode = Mode.REQUIRE
    for way in (impatient.check_guard, impatient.attempt, impatient.start_operation):
        with pytest.raises(BackendRequestError, match=operation):
            way("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0


def test_a_sign_that_is_found_refuses_beside_one_that_cannot_be_read_for_the_moment(
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    service.control.add_fault(service="*", kind="throttle", operation="GetStackPolicy")
    sign(service, termination_protection=True)
    with pytest.raises(BackendGuardError, match="termination protection"):
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0


def test_a_neighbour_that_is_not_there_is_one_that_cannot_be_read(
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    service.control.add_fault(
        service="*", operation="GetApp", kind="error", status=501, code="NotImplemented", message="not in this emulator"
    )
    hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 1


@pytest.mark.parametrize("closed", ["AWS_ENDPOINT_URL_CLOUDFORMATION", "AWS_ENDPOINT_URL_AMPLIFY"])
def test_a_neighbour_to_which_no_way_leads_is_one_that_cannot_be_read(
    closed: str, hook: AmplifyBackendHook, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        monkeypatch.setenv(closed, f"http://127.0.0.1:{nobody_listens.getsockname()[1]}")
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 1


def test_environments_that_cannot_be_listed_for_the_moment_are_listed_again_by_a_retry(
    impatient: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    fault = service.control.add_fault(operation="GetBackend", kind="throttle")["fault_id"]
    with pytest.raises(BackendRequestError, match=r"RemoveAllBackends .*nothing was sent.*GetBackend") as caught:
        impatient.call("RemoveAllBackends", REMOVE_ALL)
    assert advice_for(caught.value).action is Action.RETRY
    service.control.remove_fault(fault)
    impatient.call("RemoveAllBackends", REMOVE_ALL)
    assert sent("RemoveAllBackends") == 1


def test_a_condition_that_cannot_be_read_for_the_moment_is_no_refusal(
    impatient: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", "off")
    impatient.guard.conditions = conditions_of({"older_than": "1s"})
    service.control.add_fault(service="*", operation="GetBackendEnvironment", kind="throttle")
    with pytest.raises(BackendRequestError, match="GetBackendEnvironment"):
        impatient.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0


# ------------------------------------------------------------------------------------------------------ the connection


@pytest.mark.skipif(not MAKES_DAMAGED_CONNECTIONS, reason="for this Airflow there is no connection then")
def test_a_connection_that_gets_a_typo_during_a_wait_protects_as_long_as_nobody_can_read_it(
    service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    members = json.loads(connection_json(service.endpoint_url, amplifybackend={"protected": ["production"]}))
    monkeypatch.setenv("AIRFLOW_CONN_BAD", json.dumps(members))
    hook = AmplifyBackendHook(aws_conn_id="bad")
    hook.call("GetBackend", DELETE)
    monkeypatch.setenv("AIRFLOW_CONN_BAD", json.dumps(members | {"extra": f"{json.dumps(members['extra'])[:-1]},}}"}))
    ways: list[Callable[[], Any]] = [
        lambda: hook.check_guard("DeleteBackend", DELETE),
        lambda: hook.conn.delete_backend(**DELETE),
        lambda: AmplifyBackendHook(aws_conn_id="bad").guard.check_names("DeleteBackend", DELETE),
    ]
    for way in ways:
        with pytest.raises(BackendGuardError, match="the extra of the connection 'bad' is not a JSON object") as caught:
            way()
        assert caught.value.reason is GuardRefusal.SETTING
    assert sent("DeleteBackend") == 0


# ------------------------------------------------------------------------------------------------------------- the cost


def neighbours_asked(service: LocalAmplifyBackend) -> list[str]:
    return [entry["operation"] for entry in service.control.journal() if entry["service"] != "amplifybackend"]


def test_a_deletion_costs_at_most_six_requests_more(hook: AmplifyBackendHook, service: LocalAmplifyBackend) -> None:
    hook.guard.conditions = conditions_of({"name": "prod*", "older_than": "1s", "empty": True})
    sign(service, age_seconds=3600)
    before = len(service.control.journal())
    hook.call("DeleteBackend", DELETE)
    asked = [entry["operation"] for entry in service.control.journal()][before:]
    assert sorted(asked) == sorted(
        [
            "GetApp",
            "ListStacks",
            "GetBackend",
            "GetBackendEnvironment",
            "DescribeStacks",
            "GetStackPolicy",
            "DeleteBackend",
        ]
    )


def test_reads_cost_nothing_more(hook: AmplifyBackendHook, service: LocalAmplifyBackend) -> None:
    hook.call("GetBackend", DELETE)
    hook.call("ListBackendJobs", DELETE)
    assert neighbours_asked(service) == []


def test_signs_are_read_anew_for_the_next_environment(
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    hook.call("DeleteBackend", {**DELETE, "BackendEnvironmentName": "staging"})
    sign(service, stack_policy={"Statement": [LOCK]})
    with pytest.raises(BackendGuardError):
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 1


# --------------------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("conditions", "signs", "is_met"),
    [
        ({"older_than": "1h"}, {"age_seconds": 7200}, True),
        ({"older_than": "3h"}, {"age_seconds": 7200}, False),
        ({"name": "prod*"}, {}, True),
        ({"name": "pr?"}, {}, False),
        ({"empty": True}, {}, True),
        ({"empty": True}, {"storage": {"pics": None}}, False),
    ],
)
@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.OFF])
def test_conditions_hold_in_every_mode(
    conditions: dict[str, Any],
    signs: dict[str, Any],
    is_met: bool,
    mode: Mode,
    hook: AmplifyBackendHook,
    service: LocalAmplifyBackend,
    sent: Sent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", mode)
    sign(service, **signs)
    hook.guard.conditions = conditions_of(conditions)
    if is_met:
        hook.call("DeleteBackend", DELETE)
    else:
        with pytest.raises(BackendGuardError) as caught:
            hook.call("DeleteBackend", DELETE)
        assert caught.value.reason is GuardRefusal.CONDITION
    assert sent("DeleteBackend") == int(is_met)


def test_an_age_that_cannot_be_read_refuses(hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent) -> None:
    service.control.add_fault(service="*", kind="denied", operation="GetBackendEnvironment")
    hook.guard.conditions = conditions_of({"older_than": "1s"})
    with pytest.raises(BackendGuardError, match="older_than"):
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0


def test_no_job_may_be_pending_in_any_environment_that_is_removed(
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    service.control.set(job_seconds=60)
    hook.guard.conditions = conditions_of({"no_pending_job": True})
    AmplifyBackendHook().start_operation(
        "CreateBackendStorage",
        {
            **DELETE,
            "ResourceName": "pics",
            "ResourceConfig": {"ServiceName": "S3", "Permissions": {"Authenticated": ["READ"]}},
        },
    )
    with pytest.raises(BackendGuardError, match="no_pending_job"):
        hook.call("RemoveAllBackends", REMOVE_ALL)
    assert sent("RemoveAllBackends") == 0


# ------------------------------------------------------------------------------------------------ where the guard asks


def test_an_endpoint_of_aws_is_told_from_others() -> None:
    assert is_aws("https://amplifybackend.us-east-1.amazonaws.com")
    assert is_aws("https://vpce-1.amplifybackend.eu-west-1.vpce.amazonaws.com/x")
    assert is_aws("https://amplify.cn-north-1.amazonaws.com.cn")
    assert is_aws("https://cloudformation.us-east-1.api.aws")
    for other in (
        "http://127.0.0.1:5000",
        "https://amazonaws.com.example.org",
        "https://myamazonaws.com",
        "http://[::1]:1",
    ):
        assert not is_aws(other)


def test_every_domain_of_botocore_is_one_of_aws() -> None:
    loader = boto3.Session()._session.get_component("data_loader")
    partitions = loader.load_data("partitions")["partitions"]
    known = {partition["outputs"][name] for partition in partitions for name in ("dnsSuffix", "dualStackDnsSuffix")}
    assert known <= {*AWS_DOMAINS}


def test_the_local_service_says_what_it_is(service: LocalAmplifyBackend) -> None:
    assert is_local_service(service.endpoint_url)
    assert not is_local_service("http://127.0.0.1:9")


@dataclass
class Outside:
    """A proxy that everything to AWS would go through: it counts who comes, and lets nobody pass."""

    address: str
    asked: list[str]


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    asked: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode("latin-1").strip())
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, address)
        for name in environment_names("AWS_ENDPOINT_URL"):
            monkeypatch.delenv(name)
        try:
            yield Outside(address, asked)
        finally:
            server.shutdown()
            thread.join()


def only_amplifybackend_at(endpoint_url: str | None, monkeypatch: pytest.MonkeyPatch) -> AmplifyBackendHook:
    """Make a hook whose connection gives only AmplifyBackend an endpoint, or none at all."""
    members = json.loads(connection_json("http://nowhere"))
    del members["extra"]["endpoint_url"]
    if endpoint_url:
        members["extra"]["service_config"] = {"amplifybackend": {"endpoint_url": endpoint_url}}
    monkeypatch.setenv("AIRFLOW_CONN_ONLY_OURS", json.dumps(members))
    return AmplifyBackendHook(aws_conn_id="only_ours")


def test_where_only_amplifybackend_is_local_its_neighbours_are_asked_there_too(
    outside: Outside, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    hook = only_amplifybackend_at(service.endpoint_url, monkeypatch)
    sign(service, stack_policy={"Statement": [LOCK]})
    with pytest.raises(BackendGuardError, match="denies all updates"):
        hook.call("DeleteBackend", DELETE)
    assert "GetStackPolicy" in neighbours_asked(service)
    assert sent("DeleteBackend") == 0
    assert outside.asked == []


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.REQUIRE])
def test_where_amplifybackend_is_somewhere_else_nothing_of_the_guard_goes_to_aws(
    mode: Mode, outside: Outside, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", mode)
    sign(service, stack_policy={"Statement": [LOCK]})
    with Front(service.endpoint_url, hides="/_amplifybackend/").running() as front:
        hook = only_amplifybackend_at(front.endpoint_url, monkeypatch)
        if mode is Mode.REQUIRE:
            with pytest.raises(BackendGuardError, match="AmplifyBackend has an endpoint of its own") as caught:
                hook.call("DeleteBackend", DELETE)
            assert caught.value.reason is GuardRefusal.UNREADABLE_SIGN
        else:
            hook.call("DeleteBackend", DELETE)
        assert all("/backend" in entry["target"] for entry in front.asked)
        assert outside.asked == []
        # Whoever asks AWS is seen here.
        with pytest.raises(Exception, match="proxy"):
            hook.get_session().client("amplify").get_app(appId=APP)
    assert outside.asked
    assert sent("DeleteBackend") == (mode is Mode.AUTO)
    assert neighbours_asked(service) == []


def test_what_is_played_elsewhere_says_nothing_of_aws(
    outside: Outside, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = only_amplifybackend_at(None, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", service.endpoint_url)

    def ask() -> Iterator[signs.Ask]:
        yield signs.Ask("cloudformation", "DescribeStacks", {"StackName": "amplify-shop-production-1"})

    with pytest.raises(signs.UnreadableError, match="this service is somewhere else"):
        hook.guard.read(ask())  # type: ignore[arg-type]
    assert neighbours_asked(service) == []
    assert outside.asked == []


def test_an_app_that_goes_is_checked_once_like_anything_else(
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, protect: Protect, sent: Sent
) -> None:
    request = {**REMOVE_ALL, "CleanAmplifyApp": True}
    hook.check_guard("RemoveAllBackends", request)
    asked = len(neighbours_asked(service))
    hook.start_operation("RemoveAllBackends", request)
    assert len(neighbours_asked(service)) == asked
    assert sent("RemoveAllBackends") == 1


def test_an_app_that_goes_takes_a_protected_branch_along(
    hook: AmplifyBackendHook, protect: Protect, sent: Sent
) -> None:
    protect(f"{APP}/main")
    with pytest.raises(BackendGuardError, match=f"app '{APP}' is protected by '{APP}/main'"):
        hook.call("RemoveAllBackends", {**REMOVE_ALL, "CleanAmplifyApp": True})
    hook.call("RemoveAllBackends", REMOVE_ALL)
    assert sent("RemoveAllBackends") == 1


def test_an_answer_without_a_list_is_no_empty_list(
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    service.control.add_fault("GetBackend", kind="answer", members={"BackendEnvironmentList": None})
    with pytest.raises(BackendGuardError, match="has no list") as caught:
        hook.call("RemoveAllBackends", REMOVE_ALL)
    assert caught.value.reason is GuardRefusal.UNREADABLE_LIST
    assert sent("RemoveAllBackends") == 0


# ----------------------------------------------------------------------------------------- an answer that can mean gone

REFUSED: dict[str, Any] = {"kind": "error", "status": 400, "code": "ValidationException", "message": "no"}
ON_ALL: dict[str, Callable[[AmplifyBackendHook], Any]] = {
    "names": lambda hook: hook.guard.check_names("RemoveAllBackends", REMOVE_ALL),
    "everything": lambda hook: hook.check_guard("RemoveAllBackends", REMOVE_ALL),
    "call": lambda hook: hook.call("RemoveAllBackends", REMOVE_ALL),
}


@pytest.mark.parametrize("way", ON_ALL)
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (None, "AWS Amplify has 'production', 'staging'"),
        ("denied", "AWS Amplify does not say whether there are any: amplify:ListBackendEnvironments"),
    ],
)
def test_a_list_that_is_refused_is_no_empty_list(
    way: str, fault: str | None, told: str,
    hook: AmplifyBackendHook, service: LocalAmplifyBackend, protect: Protect, sent: Sent,
) -> None:  # fmt: skip
    protect("production")
    service.control.add_fault("GetBackend", **REFUSED)
    if fault:
        service.control.add_fault("ListBackendEnvironments", kind=fault, service="amplify")
    with pytest.raises(BackendGuardError, match=f"GetBackend answers ValidationException, and {told}") as caught:
        ON_ALL[way](hook)
    assert caught.value.reason is GuardRefusal.UNREADABLE_LIST
    assert sent("RemoveAllBackends") == 0


@pytest.mark.parametrize("way", ON_ALL)
def test_a_list_that_is_refused_is_empty_where_aws_amplify_has_no_environment_either(
    way: str, hook: AmplifyBackendHook, service: LocalAmplifyBackend, protect: Protect, sent: Sent
) -> None:
    protect("production")
    service.client().remove_all_backends(AppId=APP)
    service.control.advance(60)
    service.control.clear_journal()
    service.control.add_fault("GetBackend", **REFUSED)
    ON_ALL[way](hook)
    assert sent("RemoveAllBackends") == int(way == "call")


def test_whether_a_list_is_empty_is_asked_again_by_a_retry(
    impatient: AmplifyBackendHook, service: LocalAmplifyBackend
) -> None:
    service.control.add_fault("GetBackend", **REFUSED)
    service.control.add_fault("ListBackendEnvironments", kind="throttle", service="amplify")
    with pytest.raises(BackendRequestError, match="amplify:ListBackendEnvironments") as caught:
        impatient.check_guard("RemoveAllBackends", REMOVE_ALL)
    assert advice_for(caught.value).action is Action.RETRY


@pytest.mark.parametrize("reason", [GuardRefusal.LOCKED, GuardRefusal.TERMINATION_PROTECTION])
def test_signs_are_read_although_the_service_refuses_to_show_the_environment(
    reason: GuardRefusal, hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    sign(service, **SIGNS[reason])
    service.control.add_fault("GetBackend", **REFUSED)
    with pytest.raises(BackendGuardError) as caught:
        hook.call("DeleteBackend", DELETE)
    assert caught.value.reason is reason
    assert sent("DeleteBackend") == 0


@pytest.mark.parametrize("conditions", [{"older_than": "3h"}, {"empty": True}, {"created_by_this_run": True}], ids=str)
def test_no_condition_holds_because_the_service_refuses_to_show_the_environment(
    conditions: dict[str, Any], hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    sign(service, age_seconds=7200)
    hook.guard.conditions = conditions_of(conditions)
    service.control.add_fault("GetBackend", **REFUSED)
    with pytest.raises(BackendGuardError) as caught:
        hook.call("DeleteBackend", DELETE)
    assert caught.value.reason is GuardRefusal.CONDITION
    assert sent("DeleteBackend") == 0


@pytest.mark.parametrize(("mode", "is_refused"), [(Mode.AUTO, False), (Mode.REQUIRE, True)])
def test_require_refuses_where_nobody_says_whether_the_environment_is_gone(
    mode: Mode, is_refused: bool, hook: AmplifyBackendHook, service: LocalAmplifyBackend, sent: Sent
) -> None:
    hook.guard.mode = mode
    service.control.add_fault("GetBackend", **REFUSED)
    service.control.add_fault("GetBackendEnvironment", kind="denied", service="amplify")
    if is_refused:
        with pytest.raises(BackendGuardError, match="amplify:GetBackendEnvironment") as caught:
            hook.call("DeleteBackend", DELETE)
        assert caught.value.reason is GuardRefusal.UNREADABLE_SIGN
    else:
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == int(not is_refused)


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.REQUIRE])
def test_the_guard_lets_a_retry_pass_after_the_environment_has_gone(
    mode: Mode, hook: AmplifyBackendHook, service: LocalAmplifyBackend
) -> None:
    hook.guard.mode = mode
    hook.guard.conditions = conditions_of({"older_than": "1d", "empty": True})
    service.control.set(gone_environment="ValidationException")
    service.client().delete_backend(**DELETE)
    service.control.advance(60)
    hook.check_guard("DeleteBackend", DELETE)


def test_the_guard_refuses_with_an_error_that_says_where_the_rule_stands_and_who_can_lift_it(
    hook: AmplifyBackendHook, protect: Protect
) -> None:
    protect("production")
    with pytest.raises(BackendGuardError) as caught:
        hook.call("DeleteBackend", DELETE)
    text = str(caught.value)
    assert text.startswith(
        f"DeleteBackend (environment 'production', app '{APP}') was refused by the guard; nothing was sent"
    )
    assert "[amplifybackend] protected" in text
    assert "whoever maintains the deployment's configuration" in text
    assert json.dumps(text)


def test_the_real_client_errors_stay_what_they_were(hook: AmplifyBackendHook) -> None:
    with pytest.raises(ClientError):
        hook.conn.get_token(AppId=APP, SessionId="no-such-session")
