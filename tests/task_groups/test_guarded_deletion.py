"""A deletion that somebody must approve: what the group does, and what no road around it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner
from tests.samples import APP

ANN = {"id": "7", "name": "Ann"}
GROUP = """
from airflow_provider_amplifybackend.task_groups.environment import guarded_deletion
group = guarded_deletion(
    "take_down", app_id=APP, backend_environment_name="staging", waiter_delay=0.1, {options}
)
"""


@pytest.fixture(autouse=True)
def hurry() -> Iterator[None]:
    with timing.replaced(between_checks=0.01, before_resend=0.1):
        yield


@pytest.fixture
def deletions(service: LocalAmplifyBackend) -> Callable[[], int]:
    def count() -> int:
        return sum(len(service.control.journal(name)) for name in ("DeleteBackend", "RemoveAllBackends"))

    return count


def answer(option: str = "Approve", by: Any = ANN, **changes: Any) -> Callable[[Any], dict[str, Any]]:
    """Answers as the page of required actions does it, which sends the parameters of its form."""

    def to(question: Any) -> dict[str, Any]:
        digest = question.params["digest"]
        digest = digest["value"] if isinstance(digest, dict) else digest
        return {
            "chosen_options": [option],
            "params_input": {"digest": digest},
            "responded_by": by,
            "responded_at": datetime.now(UTC),
        } | changes

    return to


def test_what_is_approved_is_deleted_and_on_record(
    dags: DagRunner, service: LocalAmplifyBackend, people: Any, deletions: Callable[[], int], tmp_path: Any
) -> None:
    with people(answer()) as asked:
        run = dags.run(GROUP.format(options=f"record={str(tmp_path)!r}, leftovers='fail'"))
    assert run.states == {"take_down.plan": "success", "take_down.approve": "success", "take_down.delete": "success"}
    assert deletions() == 1
    assert asked == []
