"""docs/security.md lists what the hunt for secrets searches and allows, and what the code takes for a secret."""

from __future__ import annotations

import re

from airflow_provider_amplifybackend.core import secret_names
from tests.docs.conftest import ROOT
from tests.system.secret_hunt import OF_CELERY, SINKS
from tests.system.secret_not_covered import table

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def between(begin: str, end: str) -> str:
    return PAGE.partition(f"<!-- {begin}")[2].partition("-->")[2].partition(f"<!-- {end}")[0]


def test_what_is_not_covered_is_what_the_hunt_allows() -> None:
    _, _, rows = between("not covered", "end of not covered").partition("|---|---|---|\n")
    assert rows.strip() == table()


def test_the_sinks_are_those_of_the_hunt() -> None:
    kinds = {"Tables": "table ", "REST": "REST ", "CLI": "CLI "}
    listed = re.findall(r"^- (\w+)[^:`]*: (.+)$", between("sinks", "end of sinks"), re.MULTILINE)
    found = [kinds.get(kind, "") + name for kind, names in listed for name in re.findall(r"`([^`]+)`", names)]
    assert sorted(found) == sorted((*SINKS, *OF_CELERY))


def test_every_secret_member_and_every_word_that_makes_one_is_named() -> None:
    promised = PAGE.partition("## What is promised")[2].partition("\n## ")[0]
    for name in secret_names.MASKED_MEMBERS:
        assert f"`{name}`" in promised
    words = {secret_names.plain(word) for word in re.findall(r"`([^`]+)`", promised)}
    assert set(secret_names._SOUNDS_SECRET) <= words
