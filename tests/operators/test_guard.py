"""Operators and the guard: what a task asks of it, and what it refuses before anything is started or handed on."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators.config import RemoveBackendConfigOperator
from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator
from airflow_provider_amplifybackend.operators.job import UpdateBackendJobOperator
from tests.dag_run import DagRunner
from tests.samples import APP

LOCK = {"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}
HURRY = "waiter_delay=0.1, waiter_max_attempts=100"
DELETE = f'DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="staging", {HURRY}'


def delete(**options: Any) -> DeleteBackendOperator:
    return DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="staging", **options)


@pytest.fixture(autouse=True)
def quick_jobs(service: LocalAmplifyBackend) -> None:
    service.control.set(job_seconds=0.1)


def protect(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", names)


def test_a_refusal_ends_the_task_without_retries_and_stores_no_intent(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect(monkeypatch, "staging")
    run = dags.run(f"{DELETE}, retries=3, retry_delay=timedelta(0))")
    assert (run.states["delete"], run.tries["delete"]) == ("failed", 1)
    assert "BackendGuardError" in run.error("delete")
    assert "is protected by 'staging' in [amplifybackend] protected" in run.error("delete")
    assert service.control.journal("DeleteBackend") == []


def test_an_environment_that_exists_is_not_handed_on_if_it_is_protected(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect(monkeypatch, f"{APP}/stag*")
    run = dags.run(
        f"""
        CreateBackendOperator(
            task_id="make", app_id=APP, app_name="shop", backend_environment_name="staging", if_exists="skip", {HURRY})
        """
    )
    assert run.states["make"] == "failed"
    assert "is protected" in run.error("make")


def test_a_protected_environment_that_is_gone_is_no_success_either(
    dags: DagRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect(monkeypatch, "gone")
    run = dags.run(
        f"""
        DeleteBackendOperator(
            task_id="delete", app_id=APP, backend_environment_name="gone", if_missing="skip", {HURRY})
        """
    )
    assert run.states["delete"] == "failed"


def test_conditions_are_rendered_and_must_hold(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    body = DELETE + """, only_if={"name": "{{ dag_run.conf['pattern'] }}", "empty": "True"})"""
    run = dags.run(body, conf={"pattern": "pr*"})
    assert "name: 'staging' does not match 'pr*'" in run.error("delete")
    assert service.control.journal("DeleteBackend") == []
    run = dags.run(body, conf={"pattern": "st*"})
    assert run.states["delete"] == "success"


@pytest.mark.parametrize("native", [False, True])
def test_conditions_and_a_mode_that_another_task_leaves_empty_are_not_none(
    native: bool, dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    run = dags.run(
        """
        @task
        def nothing():
            return None

        @task
        def empty():
            return {}

        where = dict(app_id=APP, waiter_delay=0.1, waiter_max_attempts=100)
        delete = dict(where, backend_environment_name="staging")
        DeleteBackendOperator(task_id="no_conditions", only_if=nothing(), **delete)
        DeleteBackendOperator(task_id="empty_conditions", only_if=empty(), **delete)
        DeleteBackendOperator(task_id="no_text", only_if="{{ dag_run.conf.get('only_if') }}", **delete)
        DeleteBackendOperator(task_id="no_mode", guard=nothing(), **delete)
        DeleteBackendOperator(task_id="empty_mode", guard="{{ '' }}", **delete)
        DeleteBackendOperator.partial(task_id="mapped", only_if=nothing(), **where).expand(
            backend_environment_name=["staging"])
        """,
        options=f"render_template_as_native_obj={native}",
    )
    for task_id in ("no_conditions", "empty_conditions", "no_text", "no_mode", "empty_mode"):
        assert "is missing a value" in run.error(task_id)
    assert run.states["mapped[0]"] == "failed"
    assert service.control.journal("DeleteBackend") == []


def test_a_pending_job_is_not_waited_for_if_a_condition_says_so(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    row = {"environment": "staging", "job_id": "theirs", "status": "RUNNING", "operation": "UpdateBackendAuth"}
    service.control.seed(apps=[{"app_id": APP, "jobs": [row]}])
    run = dags.run(DELETE + """, only_if={"no_pending_job": True})""")
    assert run.states["delete"] == "failed"
    assert "BackendGuardError" in run.error("delete")
    assert "no_pending_job" in run.error("delete")
    assert service.control.journal("DeleteBackend") == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_task_can_demand_that_every_sign_is_read(
    deferrable: bool, dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    service.control.add_fault("GetStackPolicy", kind="denied")
    run = dags.run(f"{DELETE}, deferrable={deferrable}, guard='require')")
    assert "cloudformation:GetStackPolicy" in run.error("delete")
    assert service.control.journal("DeleteBackend") == []
    run = dags.run(f"{DELETE}, deferrable={deferrable})")
    assert run.states["delete"] == "success"
    assert any("cloudformation:GetStackPolicy" in line for line in run.messages("warning"))


def test_a_lock_refuses_changes_too(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.seed(apps=[{"app_id": APP, "environments": [{"name": "staging", "stack_policy": LOCK}]}])
    run = dags.run(
        f"""
        CreateBackendAuthOperator(task_id="auth", app_id=APP, backend_environment_name="staging",
            resource_name="people", resource_config=AUTH, {HURRY})
        CloneBackendOperator(task_id="clone", app_id=APP, backend_environment_name="staging",
            target_environment_name="copy", {HURRY})
        """
    )
    assert run.states == {"auth": "failed", "clone": "success"}
    assert "denies all updates" in run.error("auth")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"guard": "off"}, "guard='off' is laxer than [amplifybackend] guard=auto"),
        ({"guard": "strict"}, "guard='strict' is not one of: off, auto, require"),
        ({"only_if": {"nmae": "pr*"}}, "only_if has unknown conditions: nmae"),
        ({"only_if": {"older_than": "6"}}, "only_if older_than must be"),
        ({"only_if": "name=pr*"}, "only_if must be a dictionary"),
    ],
)
def test_what_cannot_be_asked_of_the_guard_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BackendParameterError) as caught:
        delete(**options).validate()
    assert says in str(caught.value)


def test_a_condition_that_nothing_would_check_is_refused_before_anything_is_sent(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    busy = [{"environment": "staging", "job_id": f"j-{number}", "status": "RUNNING"} for number in (1, 2)]
    service.control.seed(apps=[{"app_id": APP, "jobs": busy}])
    run = dags.run(
        """
        from airflow_provider_amplifybackend.operators.config import RemoveBackendConfigOperator
        from airflow_provider_amplifybackend.operators.job import UpdateBackendJobOperator
        RemoveBackendConfigOperator(task_id="config", app_id=APP, only_if={"name": "{{ 'pr*' }}"})
        UpdateBackendJobOperator(
            task_id="job", app_id=APP, backend_environment_name="staging", job_id="j-1", status="FAILED",
            only_if={"no_pending_job": True},
        )
        """
    )
    assert "only_if is about environments" in run.error("config")
    assert "no_pending_job is about the start of a job" in run.error("job")
    assert not service.control.journal("RemoveBackendConfig")
    assert not service.control.journal("UpdateBackendJob")


def test_what_is_stricter_than_the_deployment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for configured, own in (("off", "auto"), ("auto", "require"), ("require", "require")):
        monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", configured)
        delete(guard=own).validate()


def test_conditions_need_an_environment() -> None:
    config = RemoveBackendConfigOperator(task_id="config", app_id=APP, only_if={"name": "pr*"})
    with pytest.raises(BackendParameterError, match="only_if is about environments"):
        config.validate()


def test_only_a_start_can_find_a_pending_job() -> None:
    update = UpdateBackendJobOperator(
        task_id="update", app_id=APP, backend_environment_name="pr", job_id="j", only_if={"no_pending_job": True}
    )
    with pytest.raises(BackendParameterError, match="no_pending_job"):
        update.validate()
