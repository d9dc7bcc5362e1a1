"""An inventory on its way to Airflow's UI: small enough for an XCom, and read back without trusting what it says.

A row that is read back has the members of an inventory's row and no others, each in its own form, whoever wrote the
file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from airflow_provider_amplifybackend.core.encodable import encodable_text
from airflow_provider_amplifybackend.core.secrets import redact_words
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.fleet.attention import Level
from airflow_provider_amplifybackend.fleet.coverage import Listed, Place, Reading, Wish, listed_in
from airflow_provider_amplifybackend.fleet.rows import COLUMNS
from airflow_provider_amplifybackend.parameters.places import as_optional_names

XCOM_KEY = "amplify_backends"
# Bytes of JSON. Airflow's smallest column for an XCom takes 64 kB.
MOST_XCOM_BYTES = 48_000
# Of a file. A row of an inventory has about one kB.
MOST_FILE_BYTES = 20_000_000
# Lines can be far shorter than those of an inventory, and each takes time and memory.
MOST_FILE_LINES = 20_000
MOST_TEXT = 500
MOST_ITEMS = 100
# Connections and regions of which an XCom says what was listed.
MOST_PLACES = 300
# What a page in Airflow shows of an environment, and what it needs for that.
_COMPACT = (
    "kind",
    "connection",
    "region",
    "app_id",
    "app_name",
    "environment",
    "attention",
    "health",
    "age_days",
    "last_job_operation",
    "last_job_status",
    "last_job_at",
    "running_jobs",
    "lease",
    "protection",
    "migration",
    "gen2",
    "resources",
)
_COMPACT_RESOURCE = ("category", "name", "service")
_VERSION = 1


def compact(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], most: int = MOST_XCOM_BYTES) -> dict[str, Any]:
    """Return as many rows as fit, what needs attention first, and of each what a page shows.

    :param facts: When they were read, and with how many requests.
    """
    found: dict[str, Any] = {"version": _VERSION, "taken_at": facts.get("taken_at"), "rows": [], "more": len(rows)}
    places = listed_in(rows)
    if len(places) <= MOST_PLACES:
        found["listed"] = [_compact_listed(place, listed) for place, listed in places.items()]
    size = _size(found)
    for row in rows:
        small = _compact_row(row)
        size += _size(small) + 2
        if size > most:
            break
        found["rows"].append(small)
        found["more"] -= 1
    return found


def _compact_listed(place: Place, listed: Listed) -> dict[str, Any]:
    """Return what was listed of a place, also of what does not fit."""
    unread = sorted(listed.unread_apps)[:MOST_ITEMS]
    is_whole = listed.is_whole and len(unread) == len(listed.unread_apps)
    return {"connection": place[0], "region": place[1], "is_whole": is_whole, "unread_apps": unread}


def _compact_row(row: Mapping[str, Any]) -> dict[str, Any]:
    small = {name: row[name] for name in _COMPACT if row[name] not in (None, "", [])}
    if "attention" in small:
        small["attention"] = small["attention"][:1]
    if "resources" in small:
        small["resources"] = [{name: one[name] for name in _COMPACT_RESOURCE} for one in small["resources"]]
    return small


def _size(value: Any) -> int:
    return len(json.dumps(value).encode())


def from_compact(value: Any) -> Reading | None:
    """Return the reading that an XCom has; None where it is none of ours."""
    if not isinstance(value, Mapping) or value.get("version") != _VERSION or not isinstance(value.get("rows"), list):
        return None
    taken_at = _text(value.get("taken_at"))
    rows = [row | {"read_at": taken_at} for row in map(known_row, value["rows"]) if row]
    # Earlier versions of this package did not say what was listed; their rows do, as far as they fitted.
    more, known = _count(value.get("more")), _known_listed(value.get("listed"))
    return Reading(rows, listed_in(rows) | known, time_of(taken_at), more, more == 0 or bool(known))


def _known_listed(value: Any) -> dict[Place, Listed]:
    parts = [one for one in (value if isinstance(value, list) else [])[:MOST_PLACES] if isinstance(one, Mapping)]
    return {
        (_text(one.get("connection")), _text(one.get("region"))): Listed(
            bool(_flag(one.get("is_whole"))), frozenset(map(_text, _items(one.get("unread_apps"))))
        )
        for one in parts
    }


def _count(value: Any) -> int:
    return max(0, int(_number(value) or 0))


def time_of(text: object) -> datetime | None:
    """Return a time in ISO 8601 that names its zone; None if it is none."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else None


def with_wish(reading: Reading, rendered: Any) -> Reading:
    """Return a reading with what its task was to look at, as the task was rendered."""
    return replace(reading, wish=_wish(rendered))


def _wish(rendered: Any) -> Wish | None:
    if not isinstance(rendered, Mapping) or not {"app_ids", "connections", "regions"} <= rendered.keys():
        return None
    try:
        app_ids, connections, regions = (
            as_optional_names(name, rendered[name]) for name in ("app_ids", "connections", "regions")
        )
    except BackendParameterError:
        return None
    all_connections = connections or [_text(rendered.get("aws_conn_id"))]
    all_regions = regions or [_text(rendered.get("region_name"))]
    places = frozenset((connection, region) for connection in all_connections for region in all_regions)
    return Wish(None if app_ids is None else frozenset(app_ids), places)


def from_json_lines(content: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of a file, and how many of its lines are none; of one that is too large, of its beginning."""
    # Its last line has been cut.
    whole = content if len(content) < MOST_FILE_BYTES else content[: content.rfind(b"\n") + 1]
    lines = [line for line in whole.split(b"\n", MOST_FILE_LINES)[:MOST_FILE_LINES] if line.strip()]
    rows = [row for row in map(_parsed, lines) if row]
    return rows, len(lines) - len(rows)


def is_too_large(content: bytes) -> bool:
    """Tell whether there is more in a file than its first bytes, or than is looked at of them."""
    return len(content) >= MOST_FILE_BYTES or content.count(b"\n") > MOST_FILE_LINES


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        return known_row(json.loads(line.decode(errors="replace")))
    except (ValueError, RecursionError):
        return None


def known_row(row: Any) -> dict[str, Any] | None:
    """Return a row with the members of an inventory's row, each in its form, and nothing else; None if it is none."""
    if not isinstance(row, Mapping) or row.get("kind") not in ("environment", "app", "region"):
        return None
    return {name: (_FORMS.get(name) or _text)(row.get(name)) for name in COLUMNS}


def _text(value: Any) -> str:
    return encodable_text(value[:MOST_TEXT]) if isinstance(value, str) else ""


def _words(value: Any) -> str:
    """Return a text that somebody wrote, without a secret that stands in it under its name."""
    return redact_words(_text(value))


def _number(value: Any) -> int | float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < 1e15 else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _all_words(value: Any) -> list[str]:
    return [_words(one) for one in _items(value)]


def _items(value: Any) -> Iterable[Any]:
    return value[:MOST_ITEMS] if isinstance(value, list) else []


def _members(**forms: Callable[[Any], Any]) -> Callable[[Any], list[dict[str, Any]]]:
    def read(value: Any) -> list[dict[str, Any]]:
        found = [one for one in _items(value) if isinstance(one, Mapping)]
        return [{name: form(one.get(name)) for name, form in forms.items()} for one in found]

    return read


def _level(value: Any) -> str:
    return value if value in tuple(Level) else str(Level.LOW)


def _ids(value: Any) -> dict[str, str]:
    pairs = list(value.items())[:MOST_ITEMS] if isinstance(value, Mapping) else []
    return {_text(key): _text(one) for key, one in pairs}


_JOB = {"job_id": _text, "operation": _text, "status": _text, "since": _text}
_FORMS: dict[str, Callable[[Any], Any]] = {
    "attention": _members(level=_level, text=_words),
    **dict.fromkeys(("age_days", "idle_days", "jobs", "failed_jobs"), _number),
    "jobs_are_complete": _flag,
    "stuck_jobs": _members(**_JOB),
    "running_jobs": _members(**_JOB, usual_seconds=_number),
    "lease": _words,
    "protection": _all_words,
    "unreadable": _all_words,
    "resources": _members(
        category=_text,
        name=_text,
        service=_text,
        imported=lambda value: bool(_flag(value)),
        ids=_ids,
        generate=_text,
        refactor=_text,
        note=_words,
    ),
}
