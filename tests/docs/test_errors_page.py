"""docs/errors.md is the catalogue of messages: each of them is what the code says."""

from __future__ import annotations

import inspect
import logging
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import DAG

from airflow_provider_amplifybackend import exceptions
from airflow_provider_amplifybackend._errors import wait_error
from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.job import Job, JobRef, Outcome, left_behind
from airflow_provider_amplifybackend.core.lease_failure import LeaseFailure
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError
from airflow_provider_amplifybackend.core.service_text import NOT_SHOWN, withheld
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.core.status_check import Condition, EnvironmentCondition
from airflow_provider_amplifybackend.core.timing import Timing
from airflow_provider_amplifybackend.exceptions import (
    AmplifyBackendError,
    BackendGuardError,
    BackendJobFailedError,
    BackendJobTimeoutError,
    BackendLeaseError,
    BackendLeftoversError,
    BackendParameterError,
    BackendRecordError,
    BackendRequestError,
    BackendStartError,
    BackendTimeoutError,
)
from airflow_provider_amplifybackend.guard.conditions import conditions_of
from airflow_provider_amplifybackend.guard.inventory import TABLE, Gap, Thing
from airflow_provider_amplifybackend.guard.lease import Tags, lease_key
from airflow_provider_amplifybackend.guard.plan import Scope, read_plan
from airflow_provider_amplifybackend.guard.proof import Proof
from airflow_provider_amplifybackend.guard.record import TaskFacts
from airflow_provider_amplifybackend.guard.verdict import Mode
from airflow_provider_amplifybackend.hooks._leases import Leases
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators._approval import ApprovalCheck
from airflow_provider_amplifybackend.operators._deletion import Deletion, Wishes
from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from airflow_provider_amplifybackend.operators.environment import GetBackendOperator
from airflow_provider_amplifybackend.operators.lease import ExtendLeaseOperator
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.start.actions import StartPolicy
from airflow_provider_amplifybackend.start.driver import StartOnce
from airflow_provider_amplifybackend.start.intent import STORE_KEY, Intent, Round
from airflow_provider_amplifybackend.task_groups._lease_tasks import AwaitRoomOperator, ReleaseEnvironmentOperator
from airflow_provider_amplifybackend.task_groups._reaping import ReportReapingOperator
from airflow_provider_amplifybackend.tasks.failed_job import with_error_text
from airflow_provider_amplifybackend.tasks.literal_secrets import LiteralSecretWarning
from airflow_provider_amplifybackend.triggers import _events as events
from tests.docs.conftest import ROOT
from tests.samples import APP, auth, auth_change
from tests.state_store import StateStore

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
SECTIONS = dict(
    re.findall(r"^##+ (\S+)\n(.*?)(?=^##|\Z)", re.sub(r"^# .*?(?=^##)", "", PAGE, flags=re.S | re.M), re.S | re.M)
)
JOB_ID = "40406768-2423-48bb-a3d3-2cdc69a900b0"
REF = JobRef(APP, JOB_ID, ("pr1",), "CloneBackend")
CLONE = {"AppId": APP, "BackendEnvironmentName": "staging", "TargetEnvironmentName": "pr1"}
DELETE = {"AppId": APP, "BackendEnvironmentName": "pr1"}
ROUND = Round(0, 0)


def messages(section: str) -> list[str]:
    return [block.rstrip("\n") for block in re.findall(r"^```text\n(.*?)^```", SECTIONS[section], re.S | re.M)]


def start(
    request: dict[str, Any], operation: str = "CloneBackend", *, seconds: float = 30, **options: Any
) -> BackendStartError:
    """Return the error of a start."""
    given: dict[str, Any] = {"policy": StartPolicy(on_pending_job="fail"), "store": StateStore()} | options
    timing: Timing = given.get("timing") or Timing()
    with pytest.raises(BackendStartError) as error:
        StartOnce(
            AmplifyBackendHook(),
            operation,
            request,
            round=ROUND,
            deadline=timing.now() + seconds,
            log=logging.getLogger(__name__),
            **given,
        ).advance()
    return error.value


def seed_job(service: LocalAmplifyBackend, operation: str, status: str) -> None:
    row = {"environment": "pr1", "operation": operation, "status": status, "job_id": JOB_ID}
    service.control.seed({"apps": [{"app_id": APP, "environments": ["pr1"], "jobs": [row]}]})


def pending_job(service: LocalAmplifyBackend) -> BackendStartError:
    seed_job(service, "UpdateBackendAPI", "RUNNING")
    return start(DELETE, "DeleteBackend")


def exists(service: LocalAmplifyBackend) -> BackendStartError:
    service.control.seed_app(APP, "pr1")
    return start(CLONE)


def leftover(service: LocalAmplifyBackend) -> BackendStartError:
    seed_job(service, "CloneBackend", "FAILED")
    return start(CLONE)


def missing(service: LocalAmplifyBackend) -> BackendStartError:
    return start(DELETE, "DeleteBackend")


def unknown_owner(service: LocalAmplifyBackend) -> BackendStartError:
    seed_job(service, "CloneBackend", "COMPLETED")
    return start(CLONE, store=None, presumed=Intent("CloneBackend", APP, "", ROUND, 0, presumed=True))


def out_of_time(service: LocalAmplifyBackend) -> BackendStartError:
    return start(CLONE, seconds=-1)


def unreadable_state(service: LocalAmplifyBackend) -> BackendStartError:
    return start(CLONE, store=StateStore({STORE_KEY: '{"version": 9}'}))


def slow_store(service: LocalAmplifyBackend) -> BackendStartError:
    writes: list[str] = []
    return start(
        CLONE,
        store=StateStore(at=writes.append),
        timing=Timing(now=lambda: time.time() + 6 * writes.count("before write")),
    )


REASONS: dict[StartFailure, Callable[[LocalAmplifyBackend], BackendStartError]] = {
    StartFailure.PENDING_JOB: pending_job,
    StartFailure.EXISTS: exists,
    StartFailure.LEFTOVER: leftover,
    StartFailure.MISSING: missing,
    StartFailure.UNKNOWN_OWNER: unknown_owner,
    StartFailure.OUT_OF_TIME: out_of_time,
    StartFailure.UNREADABLE_STATE: unreadable_state,
    StartFailure.SLOW_STORE: slow_store,
}


@pytest.mark.parametrize("reason", StartFailure)
def test_each_reason_has_its_section_with_the_message_that_the_code_raises(
    service: LocalAmplifyBackend, reason: StartFailure
) -> None:
    error = REASONS[reason](service)
    assert error.reason is reason
    assert messages(reason) == [str(error)]
    assert "**What to do**: " in SECTIONS[reason]
    assert f"| [`{reason}`](#{reason}) |" in SECTIONS["BackendStartError"]
    assert not [start for start in service.control.journal() if start["job_id"]]


def a_deletion(hook: AmplifyBackendHook, **wishes: Any) -> Deletion:
    """Return a deletion of `pr1`, which the hook's guard checks."""
    task = TaskFacts("nightly", "r1", "delete", -1, 1, by={})
    log = logging.getLogger(__name__)
    deletion = Deletion(hook, "DeleteBackend", DELETE, Wishes(**wishes), task, store=None, log=log)
    hook.guard.last_checks = [deletion.check_plan, deletion.write_record]
    return deletion


def plan_and_change(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    plan = hook.guard.read(read_plan(Scope(APP, "pr1", region="us-east-1"), datetime.now(UTC)))
    service.control.seed_app(APP, {"name": "pr1", "retain": ["deployment_bucket"]})
    a_deletion(hook, plan=plan)


def plan_that_is_rejected(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    answer = {"chosen_options": ["Reject"], "params_input": {}, "responded_by_user": {"id": "7", "name": "Ann"}}
    ti = SimpleNamespace(
        dag_id="nightly",
        run_id="r1",
        map_index=-1,
        xcom_pull=lambda **_: answer,
        get_task_states=lambda **_: {"r1": {"approve": "success"}},
    )
    context: Any = {"ti": ti, "task": SimpleNamespace(dag=None)}
    hook.guard.last_checks = [ApprovalCheck(context, "DeleteBackend", "approve", "0" * 64, lambda approval: None)]


LOCK = {"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def unreadable_tags(service: LocalAmplifyBackend) -> BackendLeaseError:
    service.control.add_fault("ListTagsForResource", kind="denied")
    with pytest.raises(BackendLeaseError) as error:
        Leases(AmplifyBackendHook(), APP).read()
    return error.value


def no_room(service: LocalAmplifyBackend) -> BackendLeaseError:
    limit = AwaitRoomOperator(
        task_id="limit",
        app_id=APP,
        lease_group="preview",
        backend_environment_name="previabcde",
        since="2026-11-28T12:00:00+00:00",
        max_concurrent=1,
        ttl=timedelta(hours=6),
        timeout=timedelta(hours=12),
    )
    return limit.no_room(["previzzzzz"])


def no_lease(service: LocalAmplifyBackend) -> BackendLeaseError:
    extend = ExtendLeaseOperator(task_id="extend", app_id=APP, backend_environment_name="pr1", ttl="6h")
    with pytest.raises(BackendLeaseError) as error:
        extend.lease_in(Tags({}, datetime.now(UTC)), "pr1")
    return error.value


def not_gone(service: LocalAmplifyBackend) -> BackendLeaseError:
    release = ReleaseEnvironmentOperator(
        task_id="release",
        app_id=APP,
        lease_group="preview",
        backend_environment_name="previabcde",
        deletion="preview.delete",
    )
    return release.not_gone("previabcde", "still exists")


def not_reaped(service: LocalAmplifyBackend) -> BackendLeaseError:
    report = ReportReapingOperator(task_id="report", survey="reap.survey", deletion="reap.delete")
    return report.not_reaped([{"app_id": APP, "backend_environment_name": "previabcde"}])


LEASE_FAILURES: dict[LeaseFailure, Callable[[LocalAmplifyBackend], BackendLeaseError]] = {
    LeaseFailure.TAGS_FULL: lambda service: Leases(AmplifyBackendHook(), APP).full(lease_key("previabcde")),
    LeaseFailure.TAGS: unreadable_tags,
    LeaseFailure.LIMIT: no_room,
    LeaseFailure.NO_LEASE: no_lease,
    LeaseFailure.NOT_GONE: not_gone,
    LeaseFailure.NOT_REAPED: not_reaped,
}


@pytest.mark.parametrize("reason", LeaseFailure)
def test_each_failure_of_a_lease_has_its_section_with_the_message_that_the_code_raises(
    service: LocalAmplifyBackend, reason: LeaseFailure
) -> None:
    error = LEASE_FAILURES[reason](service)
    assert error.reason is reason
    assert messages(str(reason)) == [str(error)]
    assert "**What to do**: " in SECTIONS[str(reason)]
    assert f"| [`{reason}`](#{reason}) |" in SECTIONS["BackendLeaseError"]


REFUSALS: dict[GuardRefusal, dict[str, Any]] = {
    GuardRefusal.PROTECTED: {"protected": "pr*"},
    GuardRefusal.NEAR_MATCH: {"protected": "PR1"},
    GuardRefusal.SETTING: {"protected": "production,"},
    GuardRefusal.UNREADABLE_LIST: {"denied": "GetBackend"},
    GuardRefusal.MIGRATING: {"app": {"variables": {"GEN2_MIGRATION_ENVIRONMENT_NAME": "pr1"}}},
    GuardRefusal.LOCKED: {"environment": {"stack_policy": {"Statement": [LOCK]}}},
    GuardRefusal.HOLDING_STACK: {"stacks": [{"name": f"amplify-{APP}-gen2main-holding"}]},
    GuardRefusal.TERMINATION_PROTECTION: {"environment": {"termination_protection": True}},
    GuardRefusal.UNREADABLE_SIGN: {"denied": "GetApp"},
    GuardRefusal.CONDITION: {"only_if": {"name": "test*"}},
    GuardRefusal.PLAN_CHANGED: {"deletion": plan_and_change},
    GuardRefusal.NOT_APPROVED: {"deletion": plan_that_is_rejected},
    GuardRefusal.RECORD: {"deletion": lambda service, hook: a_deletion(hook, record="s3://audit/deletions")},
}


@pytest.mark.parametrize("reason", GuardRefusal)
def test_each_refusal_of_the_guard_has_its_section_with_the_message_that_the_code_raises(
    service: LocalAmplifyBackend, reason: GuardRefusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = REFUSALS[reason]
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", given.get("protected", ""))
    environment = {"name": "pr1", **given.get("environment", {})}
    app = {"app_id": APP, "environments": [environment], **given.get("app", {})}
    service.control.seed(apps=[app], stacks=given.get("stacks", []))
    if "denied" in given:
        service.control.add_fault(given["denied"], kind="denied")
    hook = AmplifyBackendHook()
    hook.guard.conditions = conditions_of(given.get("only_if"))
    if "deletion" in given:
        monkeypatch.setitem(sys.modules, "s3fs", None)
        given["deletion"](service, hook)
    hook.guard.mode = Mode.REQUIRE if reason is GuardRefusal.UNREADABLE_SIGN else None
    operation = "RemoveAllBackends" if reason is GuardRefusal.UNREADABLE_LIST else "DeleteBackend"
    request = {"AppId": APP} if operation == "RemoveAllBackends" else DELETE
    with pytest.raises(BackendGuardError) as error:
        hook.call(operation, request)
    assert error.value.reason is reason
    assert "**What to do**: " in SECTIONS[reason]
    assert f"| [`{reason}`](#{reason}) |" in SECTIONS["BackendGuardError"]
    [shown] = messages(reason)
    assert re.sub(r"(amplify-shop-pr1)-\w+", r"\1", shown) == re.sub(r"(amplify-shop-pr1)-\w+", r"\1", str(error.value))


def refused_parameter(service: LocalAmplifyBackend) -> str:
    config = auth(Mfa={"MFAMode": "MAYBE"})
    values = {"app_id": "a", "backend_environment_name": "dev", "resource_name": "r", "resource_config": config}
    return "; ".join(service_model.problems("CreateBackendAuth", values))


def social_login(secret: str) -> dict[str, Any]:
    providers = {"Google": {"ClientId": "shop", "ClientSecret": secret}}
    config = auth(
        OAuth={
            "OAuthGrantType": "CODE",
            "OAuthScopes": ["EMAIL"],
            "RedirectSignInURIs": ["https://shop.example/in"],
            "RedirectSignOutURIs": ["https://shop.example/out"],
            "SocialProviderSettings": providers,
        }
    )
    return {"app_id": "a", "backend_environment_name": "dev", "resource_name": "r", "resource_config": config}


def refused_secret(service: LocalAmplifyBackend) -> str:
    return "; ".join(service_model.problems("CreateBackendAuth", social_login("***")))


def refused_secret_of_a_task(service: LocalAmplifyBackend) -> str:
    config = auth_change(OAuth={"SocialProviderSettings": {"Google": {"ClientId": "shop", "ClientSecret": "***"}}})
    request = {**DELETE, "ResourceName": "main", "ResourceConfig": config}
    with pytest.raises(BackendParameterError) as error:
        AmplifyBackendHook().call("UpdateBackendAuth", request)
    return str(error.value)


def secret_in_clear(service: LocalAmplifyBackend) -> str:
    with pytest.warns(LiteralSecretWarning) as warned, DAG("shop", schedule=None):
        CreateBackendAuthOperator(task_id="add_auth", **social_login("hush-hush"))
    (warning,) = warned
    return str(warning.message)


def refused_name(service: LocalAmplifyBackend) -> str:
    with pytest.raises(BackendParameterError) as error:
        AmplifyBackendHook().call("DeleteBackend", {"AppId": APP, "BackendEnvironmentName": "prod\u200b"})
    return str(error.value)


def refused_request(service: LocalAmplifyBackend) -> str:
    with pytest.raises(BackendRequestError) as error:
        AmplifyBackendHook().call("GetBackend", DELETE)
    return str(error.value)


def unchecked_deletion(service: LocalAmplifyBackend) -> str:
    service.control.seed({"apps": [{"app_id": APP, "environments": ["pr1"]}]})
    service.control.add_fault("DescribeStacks", kind="throttle", service="cloudformation")
    with pytest.raises(BackendRequestError) as error:
        AmplifyBackendHook().check_guard("DeleteBackend", DELETE)
    return str(error.value)


def stopped_waiting(service: LocalAmplifyBackend) -> str:
    return str(
        wait_error(REF, ServiceError(FaultKind.REFUSED, "GetBackendJob", "AccessDeniedException", "no permission"))
    )


def stopped_waiting_in_the_triggerer(service: LocalAmplifyBackend) -> str:
    return str(wait_error(REF, ServiceError(FaultKind.REFUSED, "GetBackendJob", "AccessDeniedException", NOT_SHOWN)))


def unread_text(service: LocalAmplifyBackend) -> str:
    class Throttled:
        def run(self, look: object) -> Job:
            raise ServiceError(FaultKind.THROTTLED, "GetBackendJob", "TooManyRequestsException", "Rate exceeded")

    job = with_error_text(Job(APP, "pr1", JOB_ID, "CloneBackend", "FAILED"), lambda: cast("Any", Throttled()))
    return str(BackendJobFailedError(job)).splitlines()[-1]


def text_of_another(service: LocalAmplifyBackend) -> str:
    names = {"AppId": APP, "BackendEnvironmentName": "pr1", "JobId": JOB_ID}
    text = withheld({**names, "Operation": "UpdateBackendAuth"})
    return str(BackendJobFailedError(Job(APP, "pr1", JOB_ID, "UpdateBackendAuth", "FAILED", text))).splitlines()[-1]


def refused_password(service: LocalAmplifyBackend) -> str:
    with pytest.raises(BackendParameterError) as error:
        GetBackendOperator(
            task_id="get",
            app_id=APP,
            botocore_config={"proxies": {"https": "http://squid:hush@proxy.example.com:3128"}},
        )
    return str(error.value)


def refused_connection(service: LocalAmplifyBackend) -> str:
    with pytest.raises(BackendParameterError) as error:
        GetBackendOperator(task_id="get", app_id=APP, aws_conn_id="aws://key:hush@/?region_name=us-east-1")
    return str(error.value)


def failed_job(service: LocalAmplifyBackend) -> str:
    words = "The following resources failed to create: AuthStack"
    job = Job(APP, "pr1", JOB_ID, "CloneBackend", "FAILED", words, 1_617_375_907_613, 1_617_375_940_700)
    return str(BackendJobFailedError(job, left_behind("CloneBackend", "pr1")))


def leftovers(service: LocalAmplifyBackend) -> str:
    proof = Proof(APP, "eu-west-1", left=[(Thing("pr1", TABLE, "Order-abc-pr1"), "ACTIVE")])
    return str(BackendLeftoversError(JobRef(APP, JOB_ID, ("pr1",), "DeleteBackend"), proof.leftovers))


def unproven(service: LocalAmplifyBackend) -> str:
    role = Gap("AWS::IAM::Role amplify-shop-pr1-authRole", "iam:GetRole (AccessDenied)")
    proof = Proof(APP, "eu-west-1", unknown=[role]).to_dict()
    return str(BackendLeftoversError(JobRef(APP, JOB_ID, ("pr1",), "DeleteBackend"), [], proof["unknown"]))


def unfinished_record(service: LocalAmplifyBackend) -> str:
    job = Job(APP, "pr1", JOB_ID, "DeleteBackend", "COMPLETED")
    deletion = a_deletion(AmplifyBackendHook(), record="s3://audit/deletions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "s3fs", None)
        with pytest.raises(BackendRecordError) as error:
            deletion.ended(job, Outcome.STARTED, {})
    return str(error.value)


def job_timeout(service: LocalAmplifyBackend) -> str:
    return str(BackendJobTimeoutError(REF, waited=3600, last_status="RUNNING"))


def environment_timeout(service: LocalAmplifyBackend) -> str:
    gone = EnvironmentCondition(APP, "pr1", Condition.GONE)
    return str(BackendTimeoutError(gone, waited=3600, last_status="exists"))


def unusable_event(service: LocalAmplifyBackend) -> str:
    with pytest.raises(AmplifyBackendError) as error:
        events.job_of_event({"version": 2, "kind": "moved"})
    return str(error.value)


ERRORS: dict[str, tuple[Callable[[LocalAmplifyBackend], str], ...]] = {
    "BackendParameterError": (refused_parameter,),
    "Secrets": (refused_secret, refused_secret_of_a_task, secret_in_clear),
    "Names": (refused_name,),
    "Passwords": (refused_password, refused_connection),
    "BackendRequestError": (refused_request, unchecked_deletion, stopped_waiting, stopped_waiting_in_the_triggerer),
    "BackendJobFailedError": (failed_job, unread_text, text_of_another),
    "BackendLeftoversError": (leftovers, unproven),
    "BackendRecordError": (unfinished_record,),
    "BackendJobTimeoutError": (job_timeout,),
    "BackendTimeoutError": (environment_timeout,),
    "AmplifyBackendError": (unusable_event,),
}


@pytest.mark.parametrize("section", ERRORS)
def test_each_error_has_its_section_with_the_messages_that_the_code_makes(
    service: LocalAmplifyBackend, section: str
) -> None:
    assert messages(section) == [make(service) for make in ERRORS[section]]


def test_the_catalogue_is_complete() -> None:
    classes = {
        name
        for name, each in vars(exceptions).items()
        if inspect.isclass(each) and each.__module__ == exceptions.__name__
    }
    reasons = {*StartFailure, *GuardRefusal, *LeaseFailure}
    assert SECTIONS.keys() >= classes | reasons
    assert {section for section in SECTIONS if messages(section)} == ERRORS.keys() | reasons
    for name in classes - {"BackendRequestError", "BackendStartError", "BackendGuardError"}:
        assert "**What to do**: " in SECTIONS[name]
