"""The rules by which `make test-mutants` plants its faults."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = '''
"""A module."""

LIMIT = 3


def may(job: Job, rows: Sequence[str]) -> bool:
    """Decide."""
    if job.status == "done" and rows:
        return False
    for row in rows:
        if row > LIMIT:
            continue
        log.info("a row %s", row, extra=True)
        try:
            job.send(row, kind="a text for readers")
        except KeyError:
            break
    match job:
        case None:
            return True
    return job.status in {"a", "b"}
'''


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutant_rules", ROOT / "scripts" / "mutant_rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_rule_makes_its_mutants(rules: ModuleType) -> None:
    mutants = rules.mutants_of("package.sample", SOURCE)
    ids = [mutant.id.removeprefix("sample") for mutant in mutants]
    assert ids == [
        ": constant: 3 -> 0",
        ": constant: 3 -> 4",
        ".may: returns True",
        ".may: returns False",
        ".may: comparison: job.status == 'done'",
        ".may: guard removed: job.status == 'done' and rows",
        ".may: condition negated: job.status == 'done' and rows",
        ".may: operand removed: job.status == 'done' [of and, 1]",
        ".may: operand removed: rows [of and, 2]",
        ".may: constant: 'done' -> 'donex'",
        ".may: constant: False",
        ".may: guard removed: row > LIMIT",
        ".may: condition negated: row > LIMIT",
        ".may: comparison: row > LIMIT",
        ".may: jump removed: continue",
        ".may: step removed: job.send(row, kind='a text for readers')",
        ".may: argument removed: job.send(kind='a text for readers')",
        ".may: handler removed: KeyError",
        ".may: jump removed: break",
        ".may: case removed: None",
        ".may: constant: True",
        ".may: comparison: job.status in {'a', 'b'}",
        ".may: row removed: 'a'",
        ".may: row removed: 'b'",
        ".may: constant: 'a' -> 'ax'",
        ".may: constant: 'b' -> 'bx'",
    ]
    programs = {mutant.apply(SOURCE) for mutant in mutants}
    assert len(programs) == len(mutants)


def test_an_id_survives_edits_of_other_lines(rules: ModuleType) -> None:
    elsewhere = SOURCE.replace("LIMIT = 3", "# Why.\nLIMIT = 3")
    assert [m.id for m in rules.mutants_of("p.s", elsewhere)] == [m.id for m in rules.mutants_of("p.s", SOURCE)]


@pytest.mark.parametrize(("text", "why"), [("4 4", "does not compile"), ("3", "is the same program")])
def test_a_mutant_that_cannot_be_applied_says_so(rules: ModuleType, text: str, why: str) -> None:
    start = SOURCE.index("3")
    mutant = rules.Mutant("an id", "p.s", rules.Edit(start, start + 1, text))
    with pytest.raises(rules.UnappliedError, match=f"an id: {why}"):
        mutant.apply(SOURCE)


TABLE = """
TABLE = {
    State.SENT: row(look, adopt, adopt),
    State.FAILED: row(start, start, start),
    State.FOUND: [row(look, adopt), {"other": call(1, adopt)}],
}
"""


def test_each_rule_of_a_table_becomes_each_other_one_of_its_row(rules: ModuleType) -> None:
    """Where a row has but one rule, one of another row takes its place."""
    mutants = rules.mutants_of("package.sample", TABLE)
    prefix = "sample: cell exchanged: "
    assert [mutant.id.removeprefix(prefix) for mutant in mutants if mutant.id.startswith(prefix)] == [
        "State.SENT [1] look -> adopt",
        "State.SENT [2] adopt -> look",
        "State.SENT [3] adopt -> look",
        "State.FAILED [1] start -> look",
        "State.FAILED [2] start -> look",
        "State.FAILED [3] start -> look",
    ]
    programs = {mutant.apply(TABLE) for mutant in mutants}
    assert len(programs) == len(mutants)
