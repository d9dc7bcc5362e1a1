"""The page "Amplify backends": the fleet as an inventory knows it, with what Airflow knows of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.fleet.markup import Markup, join, tag
from airflow_provider_amplifybackend.fleet.report import cell, document, first, plots, size, table
from airflow_provider_amplifybackend.fleet.stored import time_of
from airflow_provider_amplifybackend.links import AmplifyConsoleLink
from airflow_provider_amplifybackend.plugins._database import Touch
from airflow_provider_amplifybackend.plugins._markup import (
    TABLE_SCRIPTS,
    age_text,
    elapsed_text,
    environment_addresses,
    minutes,
    outside_link,
    task_link,
)
from airflow_provider_amplifybackend.plugins._sources import Fleet

TITLE = "Amplify backends"
UP = "../"
CLOCKS_DIFFER = 120
# What is read at night comes first: the table is wider than a laptop's screen.
COLUMNS = {
    "app_name": "App",
    "environment": "Environment",
    "attention": "Attention",
    "health": "Health",
    "running_jobs": "Running",
    "last_job_operation": "Last job",
    "touched": "Last DAG run",
    "links": "Links",
    "last_job_at": "Last job at",
    "region": "Region",
    "age_days": "Age (days)",
    "lease": "Lease",
    "protection": "Protection",
    "migration": "Migration",
    "resources": "Resources",
}


def page(fleet: Fleet, touches: Mapping[str, Touch]) -> str:
    """Return the page.

    :param touches: The last task that worked on each environment, by its address in the Amplify console.
    """
    parts = [tag("h1", TITLE), _source(fleet)]
    if fleet.problem:
        parts.append(tag("p", fleet.problem, class_="note"))
    if fleet.rows:
        parts += _body(fleet, touches)
    return document(TITLE, *parts, scripts=TABLE_SCRIPTS)


def _body(fleet: Fleet, touches: Mapping[str, Touch]) -> list[Markup]:
    environments = _environments(fleet)
    whole = table(fleet.rows, COLUMNS, partial(_cell, fleet, touches))
    if not environments:
        return [tag("h2", "What could not be read"), first(fleet.rows), tag("h2", "All rows"), whole]
    return [
        tag("h2", "Running jobs"),
        _running(environments, fleet),
        tag("h2", "What needs attention first"),
        first(fleet.rows),
        tag("h2", "All environments"),
        whole,
        tag("details", tag("summary", "Counts and ages"), plots(environments)),
    ]


def _environments(fleet: Fleet) -> list[dict[str, Any]]:
    return [row for row in fleet.rows if row["kind"] == "environment"]


def _source(fleet: Fleet) -> Markup:
    if not fleet.rows:
        return Markup("")
    environments = _environments(fleet)
    # All that there is then are errors, which count nothing.
    what = f"{size(fleet.rows, environments)}, read" if environments else "No environment could be read"
    when = f" at {_time_and_age(fleet.taken_at)}" if fleet.taken_at else ""
    read = f"{what}{when} from "
    key = fleet.task
    by = task_link(f"{key.dag_id} / {key.task_id}", UP, *_names(key)) if key else fleet.source
    return tag(
        "p",
        read,
        by,
        _others(fleet),
        f"; {fleet.more} more rows do not fit here" if fleet.more else "",
        ".",
        class_="facts",
    )


def _others(fleet: Fleet) -> str:
    """Return how far back the rows go that other tasks have read."""
    if not fleet.other_tasks:
        return ""
    since = f", the oldest read at {_time_and_age(fleet.oldest)}" if fleet.oldest else ""
    return f" and {fleet.other_tasks} other {'task' if fleet.other_tasks == 1 else 'tasks'}{since}"


def _time_and_age(time: datetime) -> str:
    age = age_text(time, current().now())
    return f"{minutes(time)}{f' ({age})' if age else ''}"


def _names(key: Any) -> tuple[str, str, str, int]:
    return key.dag_id, key.run_id, key.task_id, key.map_index


def _cell(fleet: Fleet, touches: Mapping[str, Touch], name: str, row: Mapping[str, Any]) -> Markup:
    if name == "environment":
        return _environment(row, fleet)
    if name == "running_jobs":
        jobs = [tag("div", _job(job, _read_at(row, fleet))) for job in row[name] or ()]
        return tag("td", *jobs, class_="job" if jobs else None)
    if name == "last_job_operation":
        return tag("td", " ".join(filter(None, [row[name], row["last_job_status"]])))
    if name == "touched":
        return _touched(touches.get(_addresses(row).get(AmplifyConsoleLink.name, "")))
    if name == "links":
        return tag("td", *_spaced(outside_link(text, address) for text, address in _addresses(row).items()))
    if name == "resources":
        return _resources(row[name] or ())
    return cell(name, row)


def _read_at(row: Mapping[str, Any], fleet: Fleet) -> datetime | None:
    return time_of(row["read_at"]) or fleet.taken_at


def _environment(row: Mapping[str, Any], fleet: Fleet) -> Markup:
    """Return the name, and where another reading than the newest has it, when that was."""
    read_at = _read_at(row, fleet)
    name, is_newest = row["environment"] or "", read_at == fleet.taken_at
    when = [] if is_newest or read_at is None else [tag("div", f"read at {_time_and_age(read_at)}", class_="note")]
    return tag("td", name, *when, data_key=name if when else None)


def _addresses(row: Mapping[str, Any]) -> dict[str, str]:
    return environment_addresses(row["region"] or "", row["app_id"] or "", row["environment"] or "")


def _spaced(parts: Iterable[Markup]) -> list[Markup]:
    return [tag("div", part, class_="whole") for part in parts]


def _touched(touch: Touch | None) -> Markup:
    if touch is None:
        return tag("td")
    link = task_link(f"{touch.key.dag_id} / {touch.key.task_id}", UP, *_names(touch.key))
    return tag(
        "td", link, tag("div", f"{touch.state}, {minutes(touch.at)}", class_="whole"), data_key=touch.at.isoformat()
    )


def _resources(resources: Any) -> Markup:
    names = [tag("li", f"{one['category']}/{one['name']} ({one['service']})") for one in resources]
    if not names:
        return tag("td")
    count = f"{len(names)} {'resource' if len(names) == 1 else 'resources'}"
    return tag("td", tag("details", tag("summary", count), tag("ul", *names)), data_key=len(names))


def _running(environments: Sequence[Mapping[str, Any]], fleet: Fleet) -> Markup:
    jobs = [(row, job) for row in environments for job in row["running_jobs"] or ()]
    if not jobs:
        where = "" if len(environments) == len(fleet.rows) else " in the environments that could be read"
        return tag("p", f"No job was running{where}.", class_="note")
    items = [
        tag(
            "li",
            tag("strong", f"{row['app_name'] or row['app_id']} / {row['environment']}"),
            f": {_job(job, _read_at(row, fleet))}",
        )
        for row, job in jobs
    ]
    return join([tag("ul", *items, class_="first running")])


def _job(job: Mapping[str, Any], read_at: datetime | None) -> str:
    """Return a job in words; how long it has run is as of the moment in which it was seen."""
    since, now = time_of(job["since"]), current().now()
    seen = read_at.timestamp() if read_at else now
    seconds = seen - since.timestamp() if since else None
    # Whoever has copied a file may have given it any time: a job cannot have been seen before it began.
    known = None if seconds is None or seconds < -CLOCKS_DIFFER else max(0.0, seconds)
    age = age_text(read_at, now)
    text = f"{job['operation'] or 'a job'} {job['status']} {elapsed_text(known, job['usual_seconds'])}"
    return f"{text}; that was {age}" if age else text
