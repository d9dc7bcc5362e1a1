"""An inventory as JSON lines, as CSV, and as a summary that fits into an XCom."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_amplifybackend.core.encodable import printable
from airflow_provider_amplifybackend.fleet.rows import COLUMNS

# Bytes of JSON: the database backend takes far more, and the UI shows it on one page.
MOST_SUMMARY_BYTES = 16_000
MOST_FIRST = 50
_BY = ("health", "migration", "gen2", "region")
# A spreadsheet takes a cell that begins so for a formula; a person chose the names in here.
_FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r")


def json_lines(rows: Iterable[Mapping[str, Any]], *, is_terminal: bool = False) -> str:
    """Return one JSON object for each row.

    :param is_terminal: Whether it is for a terminal, which gets the characters that it would act on as escapes of JSON.
    """
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    return "".join(f"{_escaped(line) if is_terminal else line}\n" for line in lines)


def _escaped(line: str) -> str:
    # JSON itself escapes the first 32 only; 0x9b begins a command of a terminal, too.
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)


def csv_text(rows: Iterable[Mapping[str, Any]], *, is_terminal: bool = False) -> str:
    """Return a table with a line for each row; lists are joined, and no cell is a formula.

    :param is_terminal: Whether it is for a terminal, which gets no character that it would act on.
    """
    text = io.StringIO()
    writer = csv.writer(text)  # its default ends lines so that a lone return in a name is quoted, too
    writer.writerow(COLUMNS)
    for row in rows:
        cells = [cell_text(name, row.get(name)) for name in COLUMNS]
        writer.writerow([_no_formula(printable(cell) if is_terminal else cell) for cell in cells])
    return text.getvalue()


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_MARKS) else text


def cell_text(name: str, value: Any) -> str:
    """Return a value of a column as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "attention":
        return "; ".join(f"{one['level']}: {one['text']}" for one in value)
    if name == "resources":
        return "; ".join(f"{one['category']}/{one['name']} ({one['service']})" for one in value)
    if name in ("stuck_jobs", "running_jobs"):
        return "; ".join(str(one["job_id"]) for one in value)
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


# The columns of a text, their headings, and the most characters that each has on a terminal; None: it is never cut.
# The first two are what every other command is called with.
_OF_TEXT: dict[str, tuple[str, int | None]] = {
    "app_id": ("APP ID", None),
    "environment": ("ENVIRONMENT", None),
    "app_name": ("APP", 28),
    "region": ("REGION", None),
    "health": ("HEALTH", None),
    "age_days": ("AGE", None),
    "last_job": ("LAST JOB", 28),
    "migration": ("MIGRATION", None),
    "protection": ("PROTECTION", 24),
    "attention": ("ATTENTION", 160),
}


def text_table(rows: Iterable[Mapping[str, Any]], *, is_terminal: bool) -> list[str]:
    """Return the lines of a table that people read, in which there is no character that a terminal acts on.

    :param is_terminal: Whether it is for a terminal, where long texts are cut; in a file they are whole.
    """
    cells = [[heading for heading, _ in _OF_TEXT.values()]]
    cells += [
        [_cut(_in_text(name, row), most if is_terminal else None) for name, (_, most) in _OF_TEXT.items()]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]


def _in_text(name: str, row: Mapping[str, Any]) -> str:
    if name == "age_days":
        return "" if row[name] is None else f"{row[name]:g} d"
    if name == "last_job":
        return " ".join(filter(None, [row["last_job_operation"], row["last_job_status"]]))
    if name == "attention" and not row[name] and row["unreadable"]:
        return "; ".join(row["unreadable"])
    return cell_text(name, row[name])


def _cut(text: str, most: int | None) -> str:
    """Return a text of one line that is not too long, in characters that are nothing but visible."""
    plain = printable(text)
    return plain if most is None or len(plain) <= most else f"{plain[: most - 1]}…"


def summary(
    rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], most: int = MOST_SUMMARY_BYTES
) -> dict[str, Any]:
    """Return the counts of an inventory and what needs attention first, as much of it as fits.

    :param facts: What else it says: files, requests, seconds.
    """
    environments = [row for row in rows if row["kind"] == "environment"]
    levels = [one["level"] for row in rows for one in row["attention"]]
    found: dict[str, Any] = {
        "version": 1,
        **facts,
        "apps": len({(row["connection"], row["region"], row["app_id"]) for row in rows if row["app_id"]}),
        "environments": len(environments),
        "errors": sum(1 for row in rows if row["kind"] != "environment" or row["jobs"] is None),
        "attention": dict(Counter(levels)),
        **{f"by_{name}": dict(Counter(str(row[name]) for row in environments)) for name in _BY},
        "first": [],
        "more": 0,
    }
    entries = [_first(row) for row in rows if row["attention"]]
    size = _size(found)
    for entry in entries[:MOST_FIRST]:
        size += _size(entry) + 2
        if size > most:
            break
        found["first"].append(entry)
    found["more"] = len(entries) - len(found["first"])
    return found


def _first(row: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: row[name] for name in ("connection", "region", "app_id", "environment") if row[name]}
    return {**names, **row["attention"][0]}


def _size(value: Any) -> int:
    return len(json.dumps(value).encode())
