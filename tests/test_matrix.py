"""The sessions of `make test-matrix`, how a result of one is kept, and that the documentation shows what is kept."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from scripts import matrix, matrix_results
from scripts.matrix_sessions import CONSTRAINTS, OTHERS, ROOT, merged, selected, sessions
from tests.mwaa_files import versions

NAMES = [session.name for session in sessions()]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def result(session: str = "3.1", suites: str = "all", **more: Any) -> dict[str, Any]:
    return {"session": session, "suites": suites, "date": "2026-01-01", "passed": 1, "skipped": 0, "failed": 0} | more


def not_run(session: str = "3.1", suites: str = "all") -> dict[str, Any]:
    return {"session": session, "suites": suites, "date": "2026-01-01", "why": "no Python 3.14 on this machine"}


# Sessions


def test_every_version_of_mwaa_is_a_session() -> None:
    assert set(versions()) <= set(NAMES)


def test_every_session_has_its_pins() -> None:
    for session in sessions():
        assert session.constraints is None or session.constraints.exists(), session.name


def test_every_python_that_the_package_names_has_a_session_with_the_newest_of_everything() -> None:
    pythons = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    assert {f"newest-{python}" for python in pythons} <= set(NAMES)


def test_sessions_are_named_alone_or_by_series() -> None:
    assert [session.name for session in selected(["newest-3.13", "minimum", "3.1"])] == [
        "newest-3.13",
        "minimum-3.11",
        "minimum-3.12",
        "3.1",
    ]
    assert [session.name for session in selected([])] == NAMES


def test_a_name_that_is_no_session_is_an_error_that_names_them_all() -> None:
    with pytest.raises(ValueError, match=r"no session '2\.10'.*2\.11\.2.*newest-3\.14"):
        selected(["2.10"])


# Pins

THEIRS = ["# theirs", "Boto3==1.39.11", "moto==4.0", "typing_extensions==4.1"]
OURS = ["boto3==1.43", "moto==5.1", "apache-airflow-providers-http==6.3", "typing-extensions==4.2", "yarl==1.9"]


def test_a_set_is_filled_up_with_our_pins_but_for_the_parts_of_airflow() -> None:
    assert merged(THEIRS, OURS, judged_by_ours=False) == [*THEIRS[1:], "yarl==1.9"]


def test_a_set_of_mwaa_is_judged_by_our_test_tools() -> None:
    pins = merged(THEIRS, OURS, judged_by_ours=True)
    assert pins == ["Boto3==1.39.11", "typing_extensions==4.1", "moto==5.1", "yarl==1.9"]


def lowest(requirement: Requirement) -> Version | None:
    """Return the lowest version that a requirement takes: its lower bound, or the next patch that is not excluded."""
    bounds = [Version(each.version) for each in requirement.specifier if each.operator == ">="]
    if not bounds:
        return None
    excluded = {Version(each.version) for each in requirement.specifier if each.operator == "!="}
    (found,) = bounds
    while found in excluded:
        found = Version(f"{found.major}.{found.minor}.{found.micro + 1}")
    return found


@pytest.mark.parametrize(
    ("requirement", "pin", "is_lowest"),
    [
        ("a2wsgi>=1.4", "1.4.0", True),
        ("a2wsgi>=1.4", "1.40", False),
        ("a2wsgi>=1.4", "1.4.1", False),
        ("flask>=2.2,!=2.2.0,!=2.2.1", "2.2.2", True),
        ("flask>=2.2,!=2.2.0", "2.2.2", False),
    ],
)
def test_the_lowest_version_is_a_number_and_not_the_beginning_of_one(
    requirement: str, pin: str, is_lowest: bool
) -> None:
    assert (lowest(Requirement(requirement)) == Version(pin)) is is_lowest


def test_the_session_of_the_minimum_has_the_lower_bounds_of_pyproject() -> None:
    declared = [
        *PROJECT["dependencies"],
        *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
    ]
    bounds = [(each.name.lower(), lowest(each)) for each in map(Requirement, declared)]
    pinned = dict(line.split("==") for line in (OTHERS / "minimum-constraints.txt").read_text().split())
    wanted = {"apache-airflow", "apache-airflow-providers-amazon", "aiolimiter", "botocore", "moto"}
    assert wanted <= {name for name, bound in bounds if bound}
    assert [(name, bound) for name, bound in bounds if bound and Version(pinned[name]) != bound] == []


def test_pins_are_names_and_versions_only() -> None:
    for path in CONSTRAINTS.rglob("*.txt"):
        if path.parent.name != "mwaa":  # as AWS publishes them
            assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^ /:]+", line) for line in path.read_text().splitlines()), path


# Results


@pytest.mark.parametrize(
    ("attributes", "status", "expected"),
    [
        ('tests="7" skipped="2" failures="0" errors="0"', 0, {"passed": 5, "skipped": 2, "failed": 0}),
        ('tests="7" skipped="2" failures="1" errors="1"', 1, {"passed": 3, "skipped": 2, "failed": 2}),
        ('tests="0" skipped="0" failures="0" errors="0"', 5, {"passed": 0, "skipped": 0, "failed": 1}),
    ],
    ids=["green", "a failure and an error", "no test at all"],
)
def test_counts_come_from_the_report(attributes: str, status: int, expected: dict[str, int]) -> None:
    assert matrix.counts(f"<testsuites><testsuite {attributes}/></testsuites>", status) == expected


def test_a_run_without_a_report_has_failed() -> None:
    assert matrix.counts("", 2) == {"passed": 0, "skipped": 0, "failed": 1}


def test_a_result_takes_the_place_of_the_one_before_it_of_the_same_form() -> None:
    whole, short, newer = result(passed=9), result(suites="short"), result(suites="short", passed=2)
    assert matrix_results.record([short, whole], newer, NAMES) == [whole, newer]


def test_results_stand_in_the_order_of_the_sessions_and_others_are_dropped() -> None:
    kept = matrix_results.record([result("newest-3.11"), result("1.10")], result("2.11.2"), NAMES)
    assert [each["session"] for each in kept] == ["2.11.2", "newest-3.11"]


def test_a_session_that_was_not_run_takes_nothing_away_from_one_that_was() -> None:
    assert matrix_results.record([result()], not_run(suites="short"), NAMES) == [result()]
    assert matrix_results.record([not_run()], not_run(suites="short"), NAMES) == [not_run(suites="short")]
    assert matrix_results.record([not_run(suites="short")], result(), NAMES) == [result()]


def test_a_row_says_what_was_run_or_why_not() -> None:
    assert "| 1,234 passed, 0 skipped, 0 failed |" in matrix_results.table([result(passed=1234)])
    assert "| not run: no Python 3.14 on this machine |" in matrix_results.table([not_run()])
    assert matrix.row(result(failed=1, python="3.12.1")).split() == [
        *["Airflow", "3.1", "Python", "3.12.1", "FAILED:", "1", "passed,", "0", "skipped,", "1", "failed"]
    ]
    assert matrix.row(not_run()).endswith("not run: no Python 3.14 on this machine")


def test_the_table_in_the_documentation_is_made_of_the_results() -> None:
    results = matrix_results.load(matrix_results.RESULTS)
    page = matrix_results.PAGE.read_text(encoding="utf-8")
    assert matrix_results.with_table(page, results) == page


def test_every_session_has_a_row_and_no_row_is_of_another() -> None:
    results = matrix_results.load(matrix_results.RESULTS)
    assert {each["session"] for each in results} == set(NAMES)
