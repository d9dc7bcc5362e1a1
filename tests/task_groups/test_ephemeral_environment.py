"""An environment for a while: what the group makes and takes down, in every way in which a run can end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner, Finished
from tests.samples import APP

IMPORT = "from airflow_provider_amplifybackend.task_groups.ephemeral import ephemeral_environment\n"
GROUP = (
    IMPORT
    + """
with ephemeral_environment("preview", app_id=APP, source="staging", ttl="6h", waiter_delay=0.1, {options}) as env:
    @task(retries=0)
    def check(name, pool):
        assert name.startswith("previ"), name
        assert pool.startswith("us-east-1_"), pool
        {check}
    check(env.name, env.outputs["user_pool_id"])
"""
)


@pytest.fixture(autouse=True)
def hurry(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    service.control.seed_app(APP, {"name": "staging", "auth": {"people": None}})
    service.control.set(job_seconds=0.2)
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__TAG_LAG", "0.5")
    with timing.replaced(between_checks=0.01, before_resend=0.1, earliest_event=0.0):
        yield


def tags(service: LocalAmplifyBackend) -> dict[str, str]:
    arn = f"arn:aws:amplify:us-east-1:123456789012:apps/{APP}"
    found: dict[str, str] = service.client("amplify").list_tags_for_resource(resourceArn=arn)["tags"]
    return found


def environments(service: LocalAmplifyBackend) -> list[str]:
    found: list[str] = service.client().get_backend(AppId=APP)["BackendEnvironmentList"]
    return found


def calls(service: LocalAmplifyBackend) -> list[str]:
    wanted = ("CloneBackend", "DeleteBackend", "TagResource", "UntagResource")
    return [entry["operation"] for entry in service.control.journal(effective=True) if entry["operation"] in wanted]


def states(run: Finished) -> dict[str, str]:
    return {name.rpartition(".")[2]: state for name, state in run.states.items()}


def errors(run: Finished) -> dict[str, Any]:
    return {task: run.errors(task) for task in run.states}


@pytest.mark.parametrize("options", ["deferrable=False", "deferrable=True"])
def test_an_environment_lives_for_the_body_and_no_longer(
    dags: DagRunner, service: LocalAmplifyBackend, options: str
) -> None:
    run = dags.run(GROUP.format(options=options, check="pass"))
    assert set(run.states.values()) == {"success"}, errors(run)
    assert run.state == "success"
    assert calls(service) == ["TagResource", "CloneBackend", "DeleteBackend", "UntagResource"]
    assert environments(service) == ["staging"]
    assert tags(service) == {}


def test_a_failed_body_fails_the_run_and_its_environment_goes_all_the_same(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    run = dags.run(GROUP.format(options="", check="raise ValueError(name)"))
    assert run.state == "failed"
    assert states(run) | {"check": "failed"} == dict.fromkeys(states(run), "success") | {"check": "failed"}, errors(run)
    assert environments(service) == ["staging"]
    assert tags(service) == {}
