"""Judges what the task instances of a campaign did by what the service saw: its journal and its jobs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import (
    AmplifyBackendError,
    BackendJobFailedError,
    BackendRequestError,
    BackendStartError,
    BackendTimeoutError,
)
from tests.faults.airflow_stand_in import Killed
from tests.faults.cases import Case

# A campaign plays no other version of the package, and no store that is slow: these reasons would be wrong.
UNEXPECTED = (StartFailure.UNREADABLE_STATE, StartFailure.SLOW_STORE)
# A BackendRequestError has no facts of its own: its text must hold the service's words.
CAUSE = re.compile(
    r"cannot check it just now: \w+:\w+ \(\w+\) failed|"
    r"failed \(\w+\) for |Stopped waiting after \w+: \w+: |cannot check the result of its job: \w+: \w+: "
)


@dataclass
class Round:
    """One round of a task instance: a first run, or one after a clear."""

    begins_after: int
    """The last number in the journal before it."""
    errors: list[BaseException] = field(default_factory=list)
    result: Mapping[str, Any] | None = None


@dataclass
class Story:
    """What a task instance did, as far as it knows itself."""

    case: Case
    rounds: list[Round]
    seconds: float = 0.0


@dataclass
class Verdict:
    """What was wrong with a story, in sentences."""

    duplicates: list[str] = field(default_factory=list)
    wrong_successes: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    @property
    def has_findings(self) -> bool:
        return bool(self.duplicates or self.wrong_successes or self.unexplained)


@dataclass(frozen=True)
class Start:
    """A start that the service accepted."""

    seq: int
    time: float
    job_id: str
    operation: str
    is_ours: bool


class Evidence:
    """The journal and the jobs of one part of a campaign, by app."""

    def __init__(self, journal: Iterable[Mapping[str, Any]], jobs: Iterable[Mapping[str, Any]]) -> None:
        self.jobs = {job["JobId"]: job for job in jobs}
        self._starts: dict[str, list[Mapping[str, Any]]] = {}
        self.requests: Counter[str] = Counter()
        self.disturbed = 0
        for entry in journal:
            app_id = entry["parameters"].get("AppId", "")
            self.requests[app_id] += 1
            self.disturbed += bool(entry["faults"])
            if entry["operation"] in JOB_OPERATIONS and entry["effective"] and entry["job_id"]:
                self._starts.setdefault(app_id, []).append(entry)

    def starts(self, case: Case) -> list[Start]:
        return [
            Start(
                entry["seq"],
                entry["time"],
                entry["job_id"],
                entry["operation"],
                entry["operation"] == case.operation and case.is_ours(entry["parameters"]),
            )
            for entry in self._starts.get(case.app_id, ())
        ]

    def status(self, start: Start) -> str:
        return str(self.jobs[start.job_id]["Status"])

    def ended(self, start: Start) -> float:
        return int(self.jobs[start.job_id]["UpdateTime"]) / 1000


def judge(story: Story, evidence: Evidence) -> Verdict:
    """Return what was wrong."""
    starts = evidence.starts(story.case)
    own = [start for start in starts if start.is_ours]
    others = [start for start in starts if not start.is_ours]
    verdict = Verdict()
    ends = [round_.begins_after for round_ in story.rounds[1:]] + [float("inf")]
    for round_, end in zip(story.rounds, ends, strict=True):
        here = [start for start in own if round_.begins_after < start.seq <= end]
        verdict.duplicates += _duplicates(story.case, here, evidence)
        before = [start for start in own if start.seq <= end]
        wrong = _wrong_success(story.case, round_, before, others, evidence)
        seen = [f"{start.operation} {start.job_id} {'ours' if start.is_ours else 'theirs'}" for start in starts]
        verdict.wrong_successes += [f"{_name(story.case)}: {wrong}: {round_.result}; {seen}"] if wrong else []
        verdict.unexplained += [
            f"{_name(story.case)}: {what}: {type(error).__name__}: {error}"
            for error in round_.errors
            for what in [_unexplained(story.case, error)]
            if what
        ]
    deletes = [start for start in others if start.operation == "DeleteBackend"]
    if story.case.parameters.get("on_failure") == "delete_target":
        verdict.duplicates += _duplicates(story.case, deletes, evidence, per_failure=own)
    elif deletes:
        verdict.duplicates.append(f"{_name(story.case)}: a DeleteBackend that nobody asked for")
    return verdict


def _name(case: Case) -> str:
    return f"case {case.number} ({case.operation}, app {case.app_id}, stranger: {case.stranger})"


def _duplicates(
    case: Case, starts: Sequence[Start], evidence: Evidence, per_failure: Sequence[Start] | None = None
) -> list[str]:
    """Every start but the first, unless the one before had failed by then (or there is another failure to clean up)."""
    found = []
    for earlier, later in pairwise(starts):
        if evidence.status(earlier) == "FAILED" and evidence.ended(earlier) <= later.time + 0.01:
            continue
        between = [start for start in per_failure or () if earlier.seq < start.seq < later.seq]
        if any(evidence.status(start) == "FAILED" for start in between):
            continue
        found.append(f"{_name(case)}: {later.operation} {later.job_id} after {earlier.job_id}")
    return found


def _wrong_success(
    case: Case, round_: Round, own: Sequence[Start], others: Sequence[Start], evidence: Evidence
) -> str | None:
    result = round_.result
    if result is None:
        return None
    done = [start for start in own if evidence.status(start) == "COMPLETED"]
    job_id, outcome = result["JobId"], result["outcome"]
    if outcome in ("found", "skipped"):
        # As good as done, says the user: what this task did before, or what somebody else did.
        allowed = case.parameters.get("if_exists" if outcome == "found" else "if_missing") == "skip"
        return None if allowed and (done or others) else f"{outcome}, though nothing was there"
    if job_id is None:
        return None if done else "a success without a job that was completed"
    waits = case.parameters.get("wait_for_completion", True)
    if job_id not in [start.job_id for start in own]:
        # Whose it is shows when it has ended, and not before; and ours may have come to its end beside it.
        is_checked = (waits or result["Status"] == "COMPLETED") and not done
        return "somebody else's job was taken for ours" if is_checked else None
    if result["Status"] == "COMPLETED" and job_id not in [start.job_id for start in done]:
        return "the job was not completed"
    return "it was to be waited for" if waits and result["Status"] != "COMPLETED" else None


def _unexplained(case: Case, error: BaseException) -> str | None:
    if isinstance(error, Killed):
        return None
    if not isinstance(error, AmplifyBackendError):
        return "not an error of this package"
    message = str(error)
    if case.app_id not in message:
        return "names no app"
    if case.environments and not any(name in message for name in case.environments):
        return "names no environment"
    if case.operation not in message:
        return "does not name the operation"
    return None if _has_cause(error) else "names no cause"


def _has_cause(error: AmplifyBackendError) -> bool:
    """Tell whether an error says what was in the way."""
    match error:
        case BackendStartError(reason=reason):
            return reason in StartFailure and reason not in UNEXPECTED
        case BackendJobFailedError(job=job):
            return job.is_failed
        case BackendTimeoutError(awaited=awaited):
            return str(awaited) in str(error)
        case BackendRequestError():
            return CAUSE.search(str(error)) is not None
    return False


def state_errors(stories: Sequence[Story], state: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the successes that the service's state contradicts, of those that nobody else had a hand in."""
    apps = {app["app_id"]: app for account in state for app in account["apps"]}
    found = []
    for story in stories:
        last = story.rounds[-1]
        if story.case.stranger == "same operation" or last.result is None:
            continue
        if last.result["JobId"] and last.result["Status"] != "COMPLETED":
            continue
        what = _missing(story.case, apps.get(story.case.app_id, {"environments": [], "config": None}))
        if what:
            found.append(f"{_name(story.case)}: {what} in the service's state: {last.result}")
    return found


def _missing(case: Case, app: Mapping[str, Any]) -> str | None:
    operation = JOB_OPERATIONS[case.operation]
    environments = {environment["name"]: environment for environment in app["environments"]}
    creates = case.operation in ("CloneBackend", "CreateBackend")
    if creates:
        return None if case.environments[0] in environments else "no environment"
    if operation.resource in ("environment", "app"):
        left = environments.keys() & case.environments if case.environments else environments.keys()
        return "an environment" if left else None
    if operation.resource == "config":
        return None if app["config"] is not None else "no config"
    resources = environments[case.environments[0]].get(operation.resource, {})
    name = case.request.get("ResourceName")
    if case.operation.startswith("Import"):
        return None if any(resource["imported"] for resource in resources.values()) else "no import"
    if case.operation.startswith("Delete"):
        return "the resource" if name in resources else None
    if operation.resource == "models":
        return None if environments[case.environments[0]]["api"][name]["models"] else "no models"
    config = resources[name]["config"] if name in resources else None
    return None if config is not None and _holds(config, case.request.get("ResourceConfig", {})) else "not the config"


def _holds(shown: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(shown, Mapping) and all(_holds(shown.get(name), value) for name, value in wanted.items())
    return bool(shown == wanted)
