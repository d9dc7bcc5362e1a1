"""An inventory as one page of HTML that needs nothing else: no script, style, font or picture from anywhere.

Whatever was read is text, and the page's own policy lets a browser run the one script and apply the one style that
are in it, which it knows by their digests, and load nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from airflow_provider_amplifybackend.fleet import gen2
from airflow_provider_amplifybackend.fleet.attention import Level
from airflow_provider_amplifybackend.fleet.charts import ages, counts, grid, plot
from airflow_provider_amplifybackend.fleet.gen2 import Readiness
from airflow_provider_amplifybackend.fleet.health import Health
from airflow_provider_amplifybackend.fleet.markup import Markup, join, tag
from airflow_provider_amplifybackend.fleet.migration import Migration
from airflow_provider_amplifybackend.fleet.tables import cell_text

MOST_FIRST = 30
# The columns of the page's table, and their headings.
SHOWN = {
    "app_name": "App",
    "environment": "Environment",
    "region": "Region",
    "attention": "Attention",
    "health": "Health",
    "age_days": "Age (days)",
    "idle_days": "Unchanged (days)",
    "jobs": "Jobs",
    "failed_jobs": "Failed",
    "last_job_operation": "Last job",
    "last_job_at": "Last job at",
    "lease": "Lease",
    "protection": "Protection",
    "migration": "Migration",
    "gen2": "Gen 2",
    "resources": "Resources",
    "connection": "Connection",
}
# Classes of cells: numbers stand right, and what is one word is not broken.
_CLASSES = dict.fromkeys(("age_days", "idle_days", "jobs", "failed_jobs"), "number")
_CLASSES |= dict.fromkeys(("region", "last_job_at", "gen2", "migration"), "whole")
_HEALTH: dict[str, str] = {
    Health.OK: "good",
    Health.FAILED: "bad",
    Health.STUCK: "bad",
    Health.MISSING: "fair",
    Health.UNKNOWN: "faint",
}
_GEN2: dict[str, str] = {
    Readiness.READY: "good",
    Readiness.BY_HAND: "fair",
    Readiness.UNKNOWN: "faint",
    Readiness.NOTHING: "faint",
}
_MIGRATION: dict[str, str] = {Migration.LOCKED: "fair", Migration.REFACTORED: "fair", Migration.UNKNOWN: "faint"}


@lru_cache(maxsize=4)
def own_text(name: str, package: str = "airflow_provider_amplifybackend.fleet") -> str:
    """Return a style or script of this package."""
    return (files(package) / name).read_text(encoding="utf-8")


def _sources(texts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"


def policy(scripts: Sequence[str]) -> str:
    """Return the content security policy of a page with these scripts."""
    style = _sources([own_text("report.css")])
    return f"default-src 'none'; style-src {style}; script-src {_sources(scripts)}; base-uri 'none'; form-action 'none'"


def document(title: str, *body: Markup, scripts: Sequence[str], head: Markup = Markup("")) -> str:  # noqa: B008
    """Return a page that may run these scripts and load nothing."""
    whole_head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy(scripts)}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="referrer" content="no-referrer">'),
        head,
        tag("title", title),
        tag("style", Markup(own_text("report.css"))),
    )
    whole_body = tag("body", *body, *(tag("script", Markup(script)) for script in scripts))
    return f"<!doctype html>\n{tag('html', whole_head, whole_body, lang='en')}\n"


def page(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    """Return the page.

    :param rows: The rows, what needs attention first.
    :param facts: When they were read, and with how many requests.
    """
    environments = [row for row in rows if row["kind"] == "environment"]
    title = "Amplify backend environments"
    return document(
        title,
        tag("h1", title),
        _facts(rows, environments, facts),
        tag("h2", "What needs attention first"),
        first(rows),
        tag("h2", "Counts and ages"),
        plots(environments),
        tag("h2", "All environments"),
        table(rows, SHOWN, cell),
        _gen2_note(),
        scripts=[own_text("report.js")],
    )


def _facts(rows: Sequence[Any], environments: Sequence[Any], facts: Mapping[str, Any]) -> Markup:
    read = f"read at {facts.get('taken_at')} with {facts.get('requests')} requests in {facts.get('seconds')} s."
    return tag("p", f"{size(rows, environments)}, {read}", class_="facts")


def size(rows: Sequence[Mapping[str, Any]], environments: Sequence[Mapping[str, Any]]) -> str:
    """Return how many environments there are, of how many apps and regions."""
    apps = len({(row["connection"], row["region"], row["app_id"]) for row in rows if row["app_id"]})
    regions = len({(row["connection"], row["region"]) for row in rows})
    return f"{_number(len(environments), 'environment')} of {_number(apps, 'app')} in {_number(regions, 'region')}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def first(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Return what needs attention first, as a list."""
    urgent = [row for row in rows if row["attention"] and row["attention"][0]["level"] != Level.LOW]
    if not urgent:
        return tag("p", "Nothing needs attention.", class_="note")
    entries = [_entry(row) for row in urgent[:MOST_FIRST]]
    more = len(urgent) - len(entries)
    rest = [tag("p", f"and {more} more, in the table", class_="note")] if more else []
    return join([tag("ul", *entries, class_="first"), *rest])


def _entry(row: Mapping[str, Any]) -> Markup:
    most = row["attention"][0]
    where = " / ".join(filter(None, [row["app_name"] or row["app_id"], row["environment"]])) or row["region"]
    level = tag("span", most["level"], class_="level")
    return tag("li", level, tag("strong", where), f" ({row['region']}): {most['text']}", class_=most["level"])


def plots(environments: Sequence[Mapping[str, Any]]) -> Markup:
    return grid(
        plot("Health", counts(environments, "health", _HEALTH)),
        plot("Age", ages(environments, "age_days")),
        plot("Time since the last change", ages(environments, "idle_days")),
        plot("Gen 2 assessment", counts(environments, "gen2", _GEN2)),
        plot("Migration", counts(environments, "migration", _MIGRATION)),
        plot("Environments by app", counts([{**row, **_label(row)} for row in environments], "label")),
    )


def _label(row: Mapping[str, Any]) -> dict[str, str]:
    """Return an app's name, which several can have."""
    return {"label": f"{row['app_name']} ({row['app_id']})" if row["app_name"] else row["app_id"]}


def table(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    show: Callable[[str, Mapping[str, Any]], Markup],
) -> Markup:
    """Return a table to sort and to filter.

    :param columns: Its columns and their headings.
    :param show: Returns the cell of a column and a row.
    """
    controls = tag(
        "p",
        tag("label", "Filter: ", Markup('<input id="filter" type="search" autocomplete="off">')),
        " ",
        tag("span", f"{len(rows)} rows", id="shown", role="status"),
        class_="controls",
    )
    buttons = [tag("th", tag("button", heading, type="button"), scope="col") for heading in columns.values()]
    lines = [tag("tr", *(show(name, row) for name in columns)) for row in rows]
    whole = tag("table", tag("thead", tag("tr", *buttons)), tag("tbody", *lines), class_="fleet")
    return join([controls, tag("div", whole, class_="scroll")])


def cell(name: str, row: Mapping[str, Any]) -> Markup:
    """Return the cell of a column of the report."""
    value = row[name]
    if name == "app_name":
        return tag("td", value or "", f" ({row['app_id']})" if value else row["app_id"])
    if name == "attention":
        return _attention(value)
    if name == "resources" and value:
        items = [tag("li", _resource(one)) for one in value]
        number = f"{len(value)} {'resource' if len(value) == 1 else 'resources'}"
        return tag("td", tag("details", tag("summary", number), tag("ul", *items)), class_="wide", data_key=len(value))
    if name == "last_job_at" and value:
        return tag("td", value[:16].replace("T", " "), class_="whole", data_key=value)
    return tag("td", cell_text(name, value), class_=_CLASSES.get(name))


def _attention(found: Sequence[Mapping[str, str]]) -> Markup:
    # Sorted by urgency and not by letters.
    order = [str(level) for level in Level]
    key = min((order.index(one["level"]) for one in found), default=len(order))
    lines = [tag("div", tag("span", one["level"], class_=f"level {one['level']}"), one["text"]) for one in found]
    return tag("td", *lines, class_="wide", data_key=key)


def _resource(one: Mapping[str, Any]) -> str:
    ids = ", ".join(f"{key} {value}" for key, value in one["ids"].items())
    verdict = f"generate: {one['generate']}, refactor: {one['refactor']}"
    parts = [
        f"{one['category']}/{one['name']}, {one['service']}{' (imported)' if one['imported'] else ''}",
        ids,
        verdict,
    ]
    return "; ".join(filter(None, [*parts, one["note"]]))


def _gen2_note() -> Markup:
    text = f"The Gen 2 assessment is a table as of {gen2.READ_ON}, after: {'; '.join(gen2.SOURCES)}"
    return tag("p", text, class_="note")
