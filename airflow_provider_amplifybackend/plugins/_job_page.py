"""The tab "Amplify job" of a task instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow_provider_amplifybackend.core.job import Outcome, duration_text
from airflow_provider_amplifybackend.core.secrets import redact_words
from airflow_provider_amplifybackend.fleet.markup import Markup, join, tag
from airflow_provider_amplifybackend.fleet.report import document
from airflow_provider_amplifybackend.plugins._database import Instance, TaskKey
from airflow_provider_amplifybackend.plugins._job_facts import ENDED, JobFacts
from airflow_provider_amplifybackend.plugins._markup import (
    PAGE_SCRIPTS,
    elapsed_text,
    minutes,
    outside_link,
    task_link,
    tone,
)
from airflow_provider_amplifybackend.plugins._what_next import what_next

TITLE = "Amplify job"
UP = "../../"
REFRESH_SECONDS = 15
# How the task came to its job, in words.
_OUTCOMES: Mapping[str, str] = {
    Outcome.STARTED: "started by this task",
    Outcome.ADOPTED: "adopted: an earlier try of this task had started it",
    Outcome.FOUND: "found: the job was there already",
    Outcome.SKIPPED: "skipped: there was nothing to do",
}
NOT_OURS = "This task has left nothing about a job of AmplifyBackend: it is no task of that kind, or it has not begun."
NO_STATE = "no state"
NO_SUCH_TASK = "There is no such task instance."


def page(facts: JobFacts, now: float) -> str:
    """Return the tab of a task instance.

    :param now: The time, in seconds since the epoch.
    """
    refresh = _refresh([facts.task.state])
    if not facts.is_ours:
        return document(TITLE, tag("p", NOT_OURS, class_="note"), scripts=PAGE_SCRIPTS, head=refresh)
    headline = tag("h1", _headline(facts, now), class_=f"headline {tone(facts.task.state)}")
    what_comes = [tag("h2", "What next"), *(tag("p", text) for text in what_next(facts))]
    job = tag("dl", *_rows(_details(facts, now)), class_="facts-of-job")
    if facts.task.is_before_its_try:
        parts = [headline, *what_comes, tag("h2", "The last try"), *_error(facts), job]
    else:
        parts = [headline, *_error(facts), *what_comes, tag("h2", "The job"), job]
    return document(TITLE, *parts, scripts=PAGE_SCRIPTS, head=refresh)


def list_page(key: TaskKey, instances: Sequence[Instance], counts: Mapping[str, int]) -> str:
    """Return the tab of a mapped task as a whole: its instances by the names of their environments.

    :param instances: The first of them.
    :param counts: How many of all of them there are in each state.
    """
    rows = [
        tag(
            "tr",
            tag("td", task_link(one.label, UP, key.dag_id, key.run_id, key.task_id, one.map_index)),
            tag("td", one.state or NO_STATE),
        )
        for one in instances
    ]
    if not rows:
        return document(TITLE, tag("p", NO_SUCH_TASK, class_="note"), scripts=PAGE_SCRIPTS)
    head = tag("thead", tag("tr", tag("th", "Environment"), tag("th", "State")))
    more = sum(counts.values()) - len(rows)
    parts = [
        tag("h1", TITLE),
        tag("p", _counted(counts), class_="facts"),
        tag("table", head, tag("tbody", *rows)),
        *([tag("p", f"and {more} more", class_="note")] if more > 0 else []),
    ]
    return document(TITLE, *parts, scripts=PAGE_SCRIPTS, head=_refresh(counts))


def _counted(counts: Mapping[str, int]) -> str:
    states = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{count} {state or NO_STATE}" for state, count in states)


def _refresh(states: Iterable[str]) -> Markup:
    """Return what has a browser read the page again, as long as something can change."""
    if ENDED.issuperset(states):
        return Markup("")
    return Markup(f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">')


def _headline(facts: JobFacts, now: float) -> str:
    what = facts.operation or "The task"
    where = f", environment {facts.environment}" if facts.environment else ""
    if facts.was_not_waited_for:
        return f"{facts.status} when the task ended: {what}{where}"
    if facts.task.state == "success":
        return f"{facts.status or 'Done'}{_after(facts)}: {what}{where}"
    if facts.waits_for_other:
        return f"Waiting for another job to end before {what} can start{where}"
    if facts.task.is_waiting and not facts.error and not facts.task.waits_for_nothing:
        seconds = None if facts.since is None else max(0.0, now - facts.since)
        return f"{facts.status or 'Waiting'} {elapsed_text(seconds, facts.usual)}: {what}{where}"
    return f"{_state_word(facts)}: {what}{where}"


def _state_word(facts: JobFacts) -> str:
    """Return the state of a task that neither waits nor has succeeded, as people say it."""
    state = facts.task.state
    if state == "failed" and facts.status == "FAILED":
        return f"FAILED{_after(facts)}"
    words = {"": "Not started", "up_for_retry": "Failed, and Airflow tries again"}
    return words.get(state, state.replace("_", " ").capitalize())


def _after(facts: JobFacts) -> str:
    return "" if facts.took is None else f" after {duration_text(facts.took)}"


def _error(facts: JobFacts) -> list[Markup]:
    if not facts.error:
        return []
    text, service_text = (redact_words(str(facts.error.get(name) or "")) for name in ("text", "service_text"))
    kind = " ".join(filter(None, [str(facts.error.get("type") or ""), _reason(facts.error)]))
    first, _, rest = text.partition("\n")
    # The service's text is the last of the error's own lines.
    own = rest.removesuffix(service_text).rstrip() if service_text else rest
    parts = [tag("p", tag("strong", first or kind), class_="error")]
    if service_text:
        parts += [tag("p", "AmplifyBackend reported:", class_="note"), tag("pre", service_text)]
    more = own.removesuffix("AmplifyBackend reported:").rstrip()
    if more:
        parts.append(tag("pre", more))
    return [*parts, tag("p", kind, class_="note")]


def _reason(error: Mapping[str, Any]) -> str:
    return f"(reason: {error['reason']})" if error.get("reason") else ""


def _details(facts: JobFacts, now: float) -> Iterable[tuple[str, str | Markup]]:
    yield "Operation", facts.operation
    yield "Environment", facts.environment
    yield "App", facts.app_id
    yield "Job", facts.job_id
    yield "Status", facts.status
    if not facts.task.is_before_its_try:
        yield "Task", f"{facts.task.state}, try {facts.task.try_number}"
    if facts.took is not None:
        yield "Took", f"{duration_text(facts.took)}{_usually(facts)}"
    elif facts.task.is_waiting and facts.since is not None and not facts.waits_for_other:
        yield "Running", elapsed_text(max(0.0, now - facts.since), facts.usual)
    elif facts.created is not None and not facts.task.is_waiting:  # the job's end, if it has ended, is not known
        yield "Begun at", f"{minutes(datetime.fromtimestamp(facts.created, UTC))}{_usually(facts)}"
    yield "How it came to it", _OUTCOMES.get(facts.outcome, facts.outcome)
    yield "Waited for", _other(facts)
    if facts.task.is_waiting and facts.deadline is not None:
        yield "Waits until", f"{minutes(datetime.fromtimestamp(facts.deadline, UTC))} at the latest"
    yield "Links", join([part for text, address in facts.links.items() for part in (outside_link(text, address), " ")])


def _usually(facts: JobFacts) -> str:
    return "" if facts.usual is None else f"; usually {duration_text(facts.usual)}"


def _other(facts: JobFacts) -> str:
    what = str((facts.waited_for_other or {}).get("what") or "")
    return what and f"{what}, which held the environment"


def _rows(details: Iterable[tuple[str, str | Markup]]) -> list[Markup]:
    return [tag("div", tag("dt", name), tag("dd", value)) for name, value in details if value]
