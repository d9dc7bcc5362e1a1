"""Docstrings say what a thing is or does: a noun phrase, or a verb in the imperative."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_amplifybackend

PACKAGE = Path(airflow_provider_amplifybackend.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
# A function or property that answers yes or no: "Tell whether ...".
CLAUSE = re.compile(r"(What|How|Whether|Which|Who|Whose|Why|When|Where|Says|Gives|Returns|Is|Does)\b")
# Words for a thing that has one already: a poll is a status check, and nothing is said, but reported or logged.
UNWANTED = re.compile(
    r"\bin vain\b|\bgoes on\b|\bas good as\b|\bexclude each other\b|\bnot JSON\b|\bcannot be told\b|\blook again\b"
    r"|\blook at it\b|\btwo looks\b|\blongest seconds\b|\bnext look\b|\bstatus is looked\b",
    re.IGNORECASE,
)


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_docstrings_are_noun_phrases_or_imperatives(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    found = {line: text.partition("\n")[0] for line, text in docstrings(tree) if CLAUSE.match(text)}
    assert not found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_texts_have_one_word_for_one_thing(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    found = {line: text for line, text in texts(tree) if UNWANTED.search(text)}
    assert not found


def test_a_docstring_that_is_a_clause_is_found() -> None:
    tree = ast.parse('def is_new():\n    """Whether it is new."""\n\nclass Row:\n    """The row of a job."""\n')
    assert [text for _, text in docstrings(tree) if CLAUSE.match(text)] == ["Whether it is new."]
