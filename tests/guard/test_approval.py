"""Only one kind of answer approves a plan."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_amplifybackend.guard.approval import Approval, NotApprovedError, approval_of

DIGEST = "a" * 64
ANN = {"id": "7", "name": "Ann"}
YES = {
    "chosen_options": ["Approve"],
    "params_input": {"digest": DIGEST},
    "responded_by_user": ANN,
    "responded_at": "2026-11-28T12:00:00+00:00",
}


def judged(answer: Any, state: str | None = "success") -> Approval:
    return approval_of(answer, task_id="approve", state=state, digest=DIGEST)


def test_a_person_who_names_this_plan_approves_it() -> None:
    assert judged(YES).to_dict() == {
        "task_id": "approve",
        "by": "Ann",
        "user_id": "7",
        "at": "2026-11-28T12:00:00+00:00",
        "digest": DIGEST,
    }


def test_somebody_without_a_name_is_known_by_the_id() -> None:
    assert judged({**YES, "responded_by_user": {"id": "7", "name": None}}).by == "7"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({**YES, "chosen_options": ["Reject"]}, "is 'Reject', by 'Ann'"),
        ({**YES, "chosen_options": []}, "is ''"),
        ({**YES, "chosen_options": None}, "is 'None'"),
        ({**YES, "chosen_options": "Approve"}, "is \"'Approve'\""),
        ({**YES, "chosen_options": ["Approve", "Reject"]}, "is 'Approve, Reject'"),
        ({**YES, "chosen_options": ["approve"]}, "is 'approve'"),
        ({**YES, "responded_by_user": None}, "nobody has answered"),
        ({**YES, "responded_by_user": {"id": "", "name": ""}}, "nobody has answered"),
        ({**YES, "responded_by_user": "Ann"}, "nobody has answered"),
        ({**YES, "timedout": True}, "nobody has answered"),
        ({**YES, "params_input": {}}, "does not name the plan"),
        ({**YES, "params_input": None}, "does not name the plan"),
        ({**YES, "params_input": {"digest": "b" * 64}}, "approves another plan, by 'Ann'"),
        ({**YES, "params_input": {"digest": DIGEST.upper()}}, "approves another plan"),
        ({}, "succeeded without an answer"),
        (None, "succeeded without an answer"),
        ("Approve", "succeeded without an answer"),
    ],
)
def test_any_other_answer_approves_nothing(answer: Any, reason: str) -> None:
    with pytest.raises(NotApprovedError) as error:
        judged(answer)
    assert reason in str(error.value)


@pytest.mark.parametrize("state", [None, "skipped", "failed", "awaiting_input", "deferred", "upstream_failed"])
def test_an_answer_counts_only_while_its_task_is_a_success(state: str | None) -> None:
    with pytest.raises(NotApprovedError, match=f"state '{state or 'none'}'"):
        judged(YES, state)
