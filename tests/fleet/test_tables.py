"""The tables of an inventory, and a summary that fits."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.fleet.rows import COLUMNS
from airflow_provider_amplifybackend.fleet.tables import MOST_SUMMARY_BYTES, csv_text, json_lines, summary, text_table
from tests.fleet.made import finding, resource, row

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_line_for_each_row_whatever_it_is_called(names: list[str]) -> None:
    rows = [row(name, app_name=name) for name in names]
    assert [json.loads(line)["environment"] for line in json_lines(rows).split("\n")[:-1]] == names
    read = list(csv.DictReader(io.StringIO(csv_text(rows), newline="")))
    assert list(read[0]) == list(COLUMNS)
    assert [one["environment"].removeprefix("'") for one in read] == [name.removeprefix("'") for name in names]


def test_no_cell_is_a_formula() -> None:
    rows = [row(name) for name in ("=HYPERLINK(1)", "+1", "-1", "@x", "\tx")]
    cells = [one["environment"] for one in csv.DictReader(io.StringIO(csv_text(rows), newline=""))]
    assert all(cell.startswith("'") for cell in cells)


def test_lists_are_joined() -> None:
    made = row(
        attention=[finding("high", "broken"), finding("low", "old")], resources=[resource()], jobs_are_complete=False
    )
    (read,) = csv.DictReader(io.StringIO(csv_text([made]), newline=""))
    assert read["attention"] == "high: broken; low: old"
    assert read["resources"] == "auth/people (Cognito)"
    assert read["jobs_are_complete"] == "no"


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_no_form_of_a_row_acts_on_a_terminal(names: list[str]) -> None:
    rows = [row(name, app_name=f"\x1b[2J\x9b31m{name}\u202e", stack_name="a\r\nb") for name in names]
    read = list(csv.DictReader(io.StringIO(csv_text(rows, is_terminal=True), newline="")))
    assert all(cell.isprintable() for one in read for cell in one.values())
    lines = json_lines(rows, is_terminal=True).split("\n")[:-1]
    assert all(line.isprintable() for line in lines)
    assert [json.loads(line) for line in lines] == rows


@pytest.mark.parametrize("is_terminal", [True, False])
def test_every_row_of_the_table_has_its_app_and_environment_in_full(is_terminal: bool) -> None:
    ids, name = ["d1a2b3c4d5e6f7", "d1a2b3c4d5e6f8"], "an-environment-with-a-long-name"
    rows = [row(name, app_id=app_id, app_name="the shop of the whole company") for app_id in ids]
    header, *lines = text_table(rows, is_terminal=is_terminal)
    assert header.split()[:5] == ["APP", "ID", "ENVIRONMENT", "APP", "REGION"]
    assert [line.split()[:2] for line in lines] == [[app_id, name] for app_id in ids]


def test_long_texts_are_cut_on_a_terminal_only() -> None:
    made = row(app_name="n" * 100, attention=[finding("high", "t" * 500)], protection=["p" * 100])
    (_, cut), (_, whole) = text_table([made], is_terminal=True), text_table([made], is_terminal=False)
    assert f" {'n' * 27}…  " in cut
    assert len(cut) < 300
    assert "…" not in whole
    assert f" {'n' * 100} " in whole
    assert whole.endswith("t" * 500)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 400))
def test_a_summary_is_bounded_and_says_how_much_it_leaves_out(number: int, length: int) -> None:
    rows = [row(f"e{index}", attention=[finding("high", "x" * length)]) for index in range(number)]
    found = summary(rows, {"requests": 1})
    assert len(json.dumps(found).encode()) <= MOST_SUMMARY_BYTES
    assert len(found["first"]) + found["more"] == number
    assert (found["environments"], found["attention"].get("high", 0)) == (number, number)


def test_what_could_not_be_read_is_counted_and_no_environment() -> None:
    rows = [row(), row("", kind="region", app_id=""), row("half", jobs=None)]
    found = summary(rows, {})
    assert (found["environments"], found["errors"], found["apps"]) == (2, 2, 1)
