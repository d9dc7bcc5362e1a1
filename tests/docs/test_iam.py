"""The policies of docs/iam.md name real actions, with the ARNs that they need, and cover what is called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from airflow_provider_amplifybackend.core.permissions import iam_actions, needed_operations
from airflow_provider_amplifybackend.guard import inventory, lease_reads
from airflow_provider_amplifybackend.guard.proof import LOOKS
from scripts.docs import task_classes
from tests.docs.policies import ARNS, actions, policies, resource_types
from tests.samples import APP

POLICIES = policies()
EXAMPLE = Path(__file__).parents[2] / "example_dags" / "example_ephemeral_environment.py"
OPERATIONS = set(botocore.session.get_session().get_service_model("amplifybackend").operation_names)
OTHERS = (
    "amplify",
    "cloudformation",
    *sorted({look.service for look in LOOKS.values()} - {"amplify", "cloudformation"}),
)
CLASSES = [each for classes in task_classes().values() for each in classes]


def test_there_are_these_policies() -> None:
    names = ["Clone and tear down", "Read only", "All", "The guard", "Plan and proof", "Leases", "Fleet"]
    assert list(POLICIES) == names


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_one_that_iam_can_read(name: str) -> None:
    assert set(POLICIES[name]) == {"Version", "Statement"}
    assert POLICIES[name]["Version"] == "2012-10-17"
    for statement in POLICIES[name]["Statement"]:
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        assert statement["Sid"].isalnum()


@pytest.mark.parametrize("name", POLICIES)
def test_every_action_exists(name: str) -> None:
    real = {
        f"{service}:{name}"
        for service in ("amplifybackend", *OTHERS)
        for name in botocore.session.get_session().get_service_model(service).operation_names
    }
    assert actions(POLICIES[name]) <= real | {"amplify:*", "s3:ListAllMyBuckets", "s3:ListBucket"}


def test_the_table_of_resource_types_has_every_operation() -> None:
    assert set(resource_types()) == OPERATIONS


@pytest.mark.parametrize("name", POLICIES)
def test_every_statement_has_an_arn_of_each_resource_type_that_its_actions_need(name: str) -> None:
    needed = resource_types()
    for statement in POLICIES[name]["Statement"]:
        for action in statement["Action"]:
            service, _, operation = action.partition(":")
            types = needed[operation] if service == "amplifybackend" else []
            arns = {f"arn:aws:amplifybackend:REGION:ACCOUNT:{ARNS[each]}" for each in types}
            if service == "s3" or service not in OTHERS:
                assert arns <= set(statement["Resource"]) if arns else statement["Resource"] == ["*"], action


def test_all_is_all() -> None:
    assert actions(POLICIES["All"]) >= {f"amplifybackend:{name}" for name in OPERATIONS} | {"s3:ListAllMyBuckets"}
    for each in CLASSES:
        assert set(iam_actions(needed_operations(each).all)) <= actions(POLICIES["All"]), each


def test_read_only_covers_every_reading_operator_and_sensor_and_changes_nothing() -> None:
    allowed = actions(POLICIES["Read only"])
    assert not [action for action in allowed if not action.split(":")[1].startswith(("Get", "List"))]
    readers = [each for each in CLASSES if each.__name__.startswith(("Get", "List")) or "Sensor" in each.__name__]
    needed = {action for each in readers for action in iam_actions(needed_operations(each).all)}
    # It hands out a challenge code, with which Studio is opened.
    assert needed == allowed | {"amplifybackend:GetToken"}


def test_clone_and_tear_down_covers_the_example_dag(dags: Any, service: Any, at_once: None) -> None:
    dag = dags.load_file(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.stem)
    run = dags.run_dag(dag, conf={"app_id": APP, "source": "staging", "fail_check": False})
    assert run.state == "success"
    called = {f"{entry['service']}:{entry['operation']}" for entry in service.control.journal()}
    guard = called - actions(POLICIES["Clone and tear down"])
    assert called - guard == {action for action in actions(POLICIES["Clone and tear down"]) if action != "amplify:*"}
    # What else the guard may ask for stands there too: for conditions, for environments without a stack's name, and
    # where the service does not show what there is.
    more = {"amplify:GetBackendEnvironment", "amplify:ListBackendEnvironments"}
    assert actions(POLICIES["The guard"]) - guard == more
    assert guard <= actions(POLICIES["The guard"])


def test_plan_and_proof_covers_what_they_read_and_changes_nothing() -> None:
    allowed = actions(POLICIES["Plan and proof"])
    # IAM has a name of its own for this one.
    looks = {f"{look.service}:{look.operation}" for look in LOOKS.values()} - {"s3:HeadBucket"} | {"s3:ListBucket"}
    source = Path(inventory.__file__).read_text(encoding="utf-8")
    asks = {f"{service}:{name}" for service, name in re.findall(r'Ask\(\s*"([a-z-]+)", "(\w+)"', source)}
    asks = {action for action in asks if not action.startswith("amplifybackend:")}
    assert "cloudformation:GetTemplate" in asks
    assert allowed == looks | asks | actions(POLICIES["The guard"])
    assert all(action.split(":")[1].startswith(("Get", "List", "Describe")) for action in allowed)


def test_leases_covers_what_is_asked_for_them() -> None:
    source = Path(lease_reads.__file__).read_text(encoding="utf-8")
    asks = {f"{service}:{name}" for service, name in re.findall(r'Ask\("([a-z-]+)", "(\w+)"', source)}
    asks |= {f"amplify:{name}" for name in re.findall(r'_pages\("(\w+)"', source)}
    assert actions(POLICIES["Leases"]) == asks


def test_fleet_covers_what_an_inventory_reads_and_changes_nothing(dags: Any, service: Any, tmp_path: Path) -> None:
    called: set[str] = set()
    for apps in ("None", f"['{APP}']"):
        service.control.clear_journal()
        run = dags.run(
            "from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator\n"
            f"BackendInventoryOperator(task_id='inventory', path={str(tmp_path)!r}, app_ids={apps})"
        )
        assert run.state == "success"
        called |= {f"{entry['service']}:{entry['operation']}" for entry in service.control.journal()}
    ours = {"amplifybackend:GetBackend", "amplifybackend:ListBackendJobs"}
    assert called == actions(POLICIES["Fleet"]) | ours
    assert all(action.split(":")[1].startswith(("Get", "List", "Describe")) for action in called)
