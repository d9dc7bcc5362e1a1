"""The examples of docs/taking-down.md run as they stand there, and cost what its table says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.guard.record import State
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner, Finished
from tests.docs.conftest import ROOT
from tests.samples import APP

PAGE = (ROOT / "docs" / "taking-down.md").read_text(encoding="utf-8")
CHAPTERS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M))
PR7 = {"name": "pr7", "auth": {"people": None}, "storage": {"files": None}}
Requests = Counter[str]


def example(chapter: str) -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```", CHAPTERS[chapter], re.S | re.M)
    return str(block)


@pytest.fixture
def run(dags: DagRunner, service: LocalAmplifyBackend, at_once: None, tmp_path: Path) -> Callable[[str], Finished]:
    """Runs an example on an environment with auth and storage; its records go into a folder."""
    service.control.seed_app(APP, PR7)

    def run(body: str) -> Finished:
        service.control.clear_journal()
        finished = dags.run(body.replace("s3://audit/deletions", str(tmp_path)))
        assert finished.state == "success", [finished.errors(task) for task in finished.states]
        return finished

    return run


def requests(service: LocalAmplifyBackend) -> Requests:
    return Counter(f"{entry['service']}:{entry['operation']}" for entry in service.control.journal())


def keys(chapter: str) -> set[str]:
    """The names in the first column of the tables."""
    first = re.findall(r"^\| ([^|]+) \|", CHAPTERS[chapter], re.M)
    return {name for cell in first for name in re.findall(r"`([\w.]+(?: \w+)?)`", cell)}


def test_the_plan_has_the_keys_that_the_page_lists(run: Any) -> None:
    plan = run(example("Plan")).xcom("plan")
    assert keys("Plan") == plan.keys() - {"version"}


def test_a_deletion_by_its_plan_goes_ahead(run: Any, service: LocalAmplifyBackend) -> None:
    run(example("Delete"))
    assert len(service.control.journal("DeleteBackend")) == 1


def test_a_record_is_left_with_a_state_that_the_page_lists(run: Any, tmp_path: Path) -> None:
    run(example("Record"))
    assert len(list(tmp_path.glob(f"{APP}_pr7_*_delete_*.json"))) == 1
    assert keys("Record") == {"state", *State}


def test_the_proof_has_the_members_that_the_page_lists(run: Any) -> None:
    result = run(example("Prove")).xcom("delete")
    assert keys("Prove") == {"leftovers"} | {f"proof.{name}" for name in result["proof"]}


def test_plan_record_and_proof_cost_what_the_page_says(run: Any, service: LocalAmplifyBackend) -> None:
    def cost(body: str) -> Requests:
        service.control.seed_app(APP, PR7)
        run(body)
        return requests(service)

    bare = 'DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="pr7")\n'
    nothing = cost(bare)
    # Three stacks: the root, auth and storage. What other services are asked is not in this journal.
    plan = Counter(
        {
            "amplifybackend:GetBackend": 1,
            "amplify:GetApp": 1,
            "cloudformation:ListStacks": 1,
            "cloudformation:DescribeStacks": 1,
            "cloudformation:GetStackPolicy": 1,
            "cloudformation:ListStackResources": 3,
            "cloudformation:GetTemplate": 3,
        }
    )
    assert cost(example("Plan")) == plan
    record = Counter(
        {"amplifybackend:GetBackend": 1, "amplifybackend:GetBackendAuth": 1, "amplifybackend:GetBackendStorage": 1}
    )
    assert cost(example("Record")) - nothing == plan + record
    proof = Counter({"amplify:GetBackendEnvironment": 1, "cloudformation:DescribeStacks": 3})
    # Planned twice: by the plan's own task, and just before the deletion.
    assert cost(example("Prove")) - nothing == plan + plan + record + proof
