"""What a failed job of ours left behind is deleted, action by action (see by_hand.py): only if it is certainly ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.job import Job, JobRef, Outcome
from airflow_provider_amplifybackend.core.requests import FaultKind
from airflow_provider_amplifybackend.start.actions import AwaitEnd, Save, Whose
from airflow_provider_amplifybackend.start.intent import STORE_KEY, Intent
from airflow_provider_amplifybackend.start.leftover import Leftover, delete_after, delete_earlier, is_certainly_ours
from airflow_provider_amplifybackend.start.protocol import StartProtocol
from tests.start.by_hand import APP, FIRST, Hand, fault, ms, row

FAILED = Job(APP, "pr", "ours", "CreateBackend", "FAILED", create_time_ms=ms(5))
DELETION = Job(APP, "pr", "deletion", "DeleteBackend", "RUNNING", create_time_ms=ms(50))
GONE = replace(DELETION, status="COMPLETED")
CLEANUP = "amplifybackend_cleanup_ours"
BUSY = fault(FaultKind.THROTTLED, "TooManyRequestsException", "slow down")


@pytest.fixture
def hand() -> Hand:
    """The environment exists, our job in it has failed, and a deletion would be accepted."""
    hand = Hand()
    hand.environments = ["staging", "pr"]
    hand.rows = {"pr": [row("ours", "CreateBackend", "FAILED", at=5)]}
    hand.answers["DeleteBackend"] = DELETION
    hand.ends = [GONE]
    hand.now += 60
    return hand


def made(hand: Hand, *, changes: dict[str, Any] | None = None, **options: Any) -> StartProtocol:
    """A start whose job was answered, for a target that did not exist."""
    start = hand.start(**options)
    known = {"job_id": "ours", "job_environment": "pr", "target_existed": False, "environments": ("pr",)}
    intent = Intent("CreateBackend", APP, start.digest, FIRST, ms(), sent_in_try=1, starts=1, **known)  # type: ignore[arg-type]
    start.intent = replace(intent, **(changes or {}))
    hand.content[STORE_KEY] = start.intent.to_stored()
    return start


def leftover(hand: Hand, **changes: Any) -> Leftover:
    return Leftover(replace(FAILED, **changes), "pr", made(hand))


# Whose it is


@pytest.mark.parametrize(
    ("changes", "is_ours"),
    [
        ({}, True),
        ({"digest": "of another request"}, False),
        ({"job_id": "another"}, False),
        ({"found_by_looking": True}, False),
        ({"target_existed": True}, False),
        ({"target_existed": None}, False),
    ],
)
@pytest.mark.parametrize("has_store", [True, False])
def test_only_the_job_that_was_answered_for_a_new_target_is_certainly_ours(
    hand: Hand, changes: dict[str, Any], is_ours: bool, has_store: bool
) -> None:
    start = made(hand, changes=changes, has_store=has_store)
    for outcome in (Outcome.STARTED, Outcome.ADOPTED):
        assert is_certainly_ours(start, FAILED, outcome) is is_ours


@pytest.mark.parametrize(("outcome", "is_ours"), [(Outcome.STARTED, True), (Outcome.ADOPTED, False)])
def test_without_a_store_and_an_intent_of_its_own_the_answer_tells(hand: Hand, outcome: Outcome, is_ours: bool) -> None:
    start = made(hand, has_store=False, changes={"presumed": True})
    assert is_certainly_ours(start, FAILED, outcome) is is_ours
    start.intent = None
    assert is_certainly_ours(start, FAILED, outcome) is is_ours


def test_a_store_without_an_intent_knows_of_no_job_of_ours(hand: Hand) -> None:
    assert is_certainly_ours(hand.start(), FAILED, Outcome.STARTED) is False
    start = made(hand, changes={"presumed": True, "found_by_looking": True})
    assert is_certainly_ours(start, FAILED, Outcome.STARTED) is False


# Deleting


def test_what_is_left_is_deleted_in_this_order(hand: Hand) -> None:
    start = made(hand)
    said = hand.run(Leftover(FAILED, "pr", start).delete())
    assert said == "Deleted environment pr, which it left behind; a retry can create it again (job deletion)."
    assert hand.kinds == [
        "Load",
        "GetBackend",
        "ListBackendJobs",
        # The failure is stored, and then the deletion is a start like any other, with a key of its own.
        "Save",
        "ListBackendJobs",
        "GetBackend",
        "Prepare",
        "Save",
        "SendStart",
        "Save",
        "AwaitEnd",
        "Save",
    ]
    keys = [action.key for action in hand.actions if isinstance(action, Save)]
    assert keys == [STORE_KEY, CLEANUP, CLEANUP, STORE_KEY]
    failure, before, _, cleaned = hand.saved
    assert (failure.job_failed, failure.target_existed) == (True, False)
    assert (cleaned.job_failed, cleaned.target_existed) == (True, True)
    assert (before.operation, before.round, before.sent_in_try) == ("DeleteBackend", FIRST, 1)
    assert hand.awaited == [AwaitEnd(JobRef(APP, "deletion", ("pr",), "DeleteBackend"), Whose.CLEANUP)]
    assert hand.sent == ["DeleteBackend"]


def test_the_deletion_has_the_options_of_the_start(hand: Hand) -> None:
    start = made(hand, policy={"patience": 33.0, "on_pending_job": "fail"}, try_number=4)
    deletion = Leftover(FAILED, "pr", start)._deletion()
    assert deletion.request == {"AppId": APP, "BackendEnvironmentName": "pr"}
    assert deletion.operation.name == "DeleteBackend"
    assert (deletion.policy.if_missing, deletion.policy.on_pending_job) == ("skip", "wait")
    assert (deletion.policy.patience, deletion.deadline, deletion.try_number) == (33.0, start.deadline, 4)
    assert (deletion.round, deletion.log, deletion.has_store) == (start.round, start.log, True)
    assert deletion.key == CLEANUP
    assert deletion.timing is start.timing


def test_what_is_gone_already_is_noted_as_gone(hand: Hand) -> None:
    hand.environments = ["staging"]
    said = hand.run(leftover(hand).delete())
    assert said == "Nothing to delete: environment pr does not exist."
    assert hand.kinds == ["Load", "GetBackend", "Save"]
    assert hand.stored.target_existed is True


def test_what_goes_while_its_deletion_is_decided_is_noted_as_gone(hand: Hand) -> None:
    there, away = ({"BackendEnvironmentList": listed} for listed in (["pr"], []))
    hand.answers["GetBackend"] = [there, away]
    said = hand.run(leftover(hand).delete())
    assert said == "Nothing to delete: environment pr does not exist."
    assert hand.stored.target_existed is True
    assert not hand.sent


def test_a_deletion_that_fails_is_said_with_its_reason(hand: Hand) -> None:
    hand.ends = [replace(GONE, status="FAILED", error="stack is stuck")]
    assert hand.run(leftover(hand).delete()) == (
        "Could not delete environment pr, which it left behind: FAILED: job deletion (DeleteBackend, app "
        f"{APP}, environment pr). AmplifyBackend reported: stack is stuck"
    )
    assert hand.stored.target_existed is False
    hand.content.clear()
    hand.ends = [replace(GONE, status="FAILED")]
    assert hand.run(leftover(hand).delete()).endswith(". AmplifyBackend reported no error text.")


@pytest.mark.parametrize("operation", ["GetBackend", "ListBackendJobs", "DeleteBackend"])
def test_a_deletion_that_cannot_be_started_is_said_with_its_reason(hand: Hand, operation: str) -> None:
    hand.answers[operation] = fault(FaultKind.REFUSED, "AccessDenied", "you may not")
    said = hand.run(leftover(hand).delete())
    assert said.startswith("Could not delete environment pr, which it left behind: ")
    assert f"AccessDenied) for AppId={APP}" in said
    assert said.endswith("you may not")


def test_a_job_in_the_way_is_waited_for_and_then_all_is_looked_at_anew(hand: Hand) -> None:
    """An older one: what is younger than the failed job keeps the environment."""
    older = row("older", "UpdateBackendAPI", at=4)
    hand.rows["pr"].append(older)

    class Ended(list[Any]):
        def pop(self, *position: Any) -> Any:
            older["Status"] = "COMPLETED"
            return super().pop(*position)

    hand.ends = Ended([Job(APP, "pr", "older", "UpdateBackendAPI", "COMPLETED"), GONE])
    assert hand.run(leftover(hand).delete()).endswith("a retry can create it again (job deletion).")
    assert [wait.ref.job_id for wait in hand.awaited] == ["older", "deletion"]


@pytest.mark.parametrize(
    ("user", "keeps_it"),
    [
        (row("later", "UpdateBackendAPI", at=5.5), True),
        (row("later", "UpdateBackendAPI", "COMPLETED", at=5.5), True),
        (row("later", "DeleteBackend", "COMPLETED", at=5.5), True),
        (row("later", "DeleteBackend", "FAILED", at=5.5), False),
        (row("same moment", "UpdateBackendAPI", "COMPLETED", at=5), False),
        (row("earlier", "UpdateBackendAPI", "COMPLETED", at=4), False),
        ({"JobId": "timeless", "Operation": "UpdateBackendAPI", "Status": "COMPLETED"}, False),
        (row("ours", "CreateBackend", "FAILED", at=5.5), False),
    ],
)
def test_what_somebody_has_used_since_is_kept(hand: Hand, user: dict[str, Any], keeps_it: bool) -> None:
    hand.rows["pr"].append(user)
    said = hand.run(leftover(hand).delete())
    if keeps_it:
        assert said.startswith("Kept environment pr, which it left behind: it has been used since, by job later (")
        assert hand.kinds == ["Load", "GetBackend", "ListBackendJobs"]
    else:
        assert hand.sent == ["DeleteBackend"]


def test_of_a_failed_job_without_a_time_any_other_one_may_be_younger(hand: Hand) -> None:
    hand.rows["pr"].append({**row("other", "UpdateBackendAPI", "COMPLETED"), "CreateTime": "1"})
    said = hand.run(leftover(hand, create_time_ms=None).delete())
    assert "has been used since, by job other" in said
    assert not hand.sent


def test_a_timeless_job_is_no_younger_than_another_timeless_one(hand: Hand) -> None:
    hand.rows["pr"].append({"JobId": "timeless", "Operation": "UpdateBackendAPI", "Status": "COMPLETED"})
    hand.run(leftover(hand, create_time_ms=None).delete())
    assert hand.sent == ["DeleteBackend"]


@pytest.mark.parametrize(("answered", "places"), [("pr", ("pr",)), ("", ("pr",)), ("elsewhere", ("elsewhere", "pr"))])
def test_a_deletion_is_waited_for_where_the_answer_and_the_request_say(
    hand: Hand, answered: str, places: tuple[str, ...]
) -> None:
    ref = leftover(hand)._ref(replace(DELETION, backend_environment_name=answered))
    assert ref == JobRef(APP, "deletion", places, "DeleteBackend")


# In a later try, and at the end of this one


def test_what_an_earlier_try_left_is_deleted_before_the_next_start(
    hand: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="start")
    hand.run(delete_earlier(made(hand), "pr"))
    assert hand.sent == ["DeleteBackend"]
    [said] = [line for line in caplog.messages if line.startswith("FAILED in an earlier try: job ours")]
    assert "Deleted environment pr" in said


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        ("RUNNING", {}),
        ("COMPLETED", {}),
        (None, {}),
        ("FAILED", {"found_by_looking": True}),
        ("FAILED", {"job_id": None}),
    ],
)
def test_what_did_not_fail_or_may_be_somebody_elses_is_not_deleted_by_a_later_try(
    hand: Hand, status: str | None, changes: dict[str, Any]
) -> None:
    hand.rows["pr"] = [row("ours", "CreateBackend", status, at=5)] if status else []
    hand.run(delete_earlier(made(hand, changes=changes), "pr"))
    assert not hand.sent
    if changes.get("job_id", "ours") is None:
        assert not hand.actions


def test_without_an_earlier_start_there_is_nothing_to_delete(hand: Hand) -> None:
    hand.run(delete_earlier(hand.start(), "pr"))
    assert not hand.actions


def test_a_presumed_start_of_an_earlier_try_deletes_nothing(hand: Hand) -> None:
    hand.run(delete_earlier(made(hand, has_store=False, changes={"presumed": True}), "pr"))
    assert not hand.sent


def test_what_this_trys_job_left_is_deleted_if_it_is_certainly_ours(hand: Hand) -> None:
    said = hand.run(delete_after(made(hand, policy={"delete_leftover": "pr"}), FAILED, Outcome.STARTED))
    assert "Deleted environment pr" in said
    hand.actions.clear()
    start = made(hand, changes={"found_by_looking": True})
    said = hand.run(delete_after(start, FAILED, Outcome.ADOPTED))
    assert said == "Kept what it left behind, because the job may be somebody else's."
    assert not hand.actions
