"""The approval of a plan: what the answer of Airflow's ``ApprovalOperator`` is worth to the task that deletes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend.parameters.reading import shown

APPROVE = "Approve"
# The parameter of the approval's form that ties an answer to the plan that its page has shown.
DIGEST = "digest"
AGAIN = "Clear the approval's task, so that it asks again"
# Airflow keeps the page of an approval that was answered and cleared: it would show the earlier plan again.
ANEW = "Start a new run, so that its page shows the plan as it is now"


class NotApprovedError(Exception):
    """An answer that approves nothing; the text says why, and what to do."""


@dataclass(frozen=True)
class Approval:
    """An approval of a plan by somebody."""

    task_id: str
    # The name and the id of who has answered, as Airflow knows them.
    by: str
    user_id: str
    at: str
    digest: str

    def to_dict(self) -> dict[str, str]:
        """Return the approval as a record has it."""
        return {name: value for name, value in vars(self).items() if value}


def approval_of(answer: Any, *, task_id: str, state: str | None, digest: str) -> Approval:
    """Return the approval that an answer is.

    :param answer: What the approval's task has returned.
    :param task_id: The approval's task.
    :param state: The state that it is in now: a task that was cleared keeps its answer until it runs again.
    :param digest: The plan that the deletion was given.
    :raises NotApprovedError: It is none.
    """
    if state != "success":
        raise NotApprovedError(
            f"the approval {task_id!r} is not given in this run: its task is in state {state or 'none'!r}. "
            "Have it answered, or clear it if it has failed or was skipped"
        )
    if not isinstance(answer, Mapping) or "chosen_options" not in answer:
        raise NotApprovedError(
            f"the task {task_id!r} has succeeded without an answer, as one that was marked as a success does. {AGAIN}"
        )
    return _judge(answer, task_id, digest)


def _judge(answer: Mapping[str, Any], task_id: str, digest: str) -> Approval:
    user_id, name = _responder(answer)
    chosen = answer["chosen_options"]
    if not isinstance(chosen, list | tuple) or list(chosen) != [APPROVE]:
        options = ", ".join(map(str, chosen)) if isinstance(chosen, list | tuple) else shown(chosen)
        raise NotApprovedError(
            f"the answer to {task_id!r} is {shown(options)}{_by(name)}. {AGAIN} if that is to change"
        )
    if answer.get("timedout") or not name:
        raise NotApprovedError(
            f"nobody has answered {task_id!r} in time, and an option that is taken by default is nobody's approval. "
            f"{AGAIN}"
        )
    named = answer.get("params_input")
    seen = named.get(DIGEST) if isinstance(named, Mapping) else None
    if not seen:
        raise NotApprovedError(
            f"the answer to {task_id!r}{_by(name)} does not name the plan that it approves. {AGAIN}, and answer on its "
            f'page, or through the API with params_input={{"{DIGEST}": "..."}}'
        )
    if seen != digest:
        raise NotApprovedError(
            f"{task_id!r} approves another plan{_by(name)}: that of digest {shown(seen)}, and this deletion was given "
            f"that of digest {digest!r}. {ANEW}"
        )
    return Approval(task_id, name, user_id, str(answer.get("responded_at") or ""), digest)


def _responder(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Return the id and the name of who has answered, empty if that was nobody."""
    user = answer.get("responded_by_user")
    if not isinstance(user, Mapping):
        return "", ""
    user_id, name = (str(user.get(key) or "") for key in ("id", "name"))
    return user_id, name or user_id


def _by(name: str) -> str:
    return f", by {shown(name)}" if name else ""
