"""What an entry of protected names covers, compared with a plain oracle that reads the rules one by one."""

from __future__ import annotations

import fnmatch
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.operations import OPERATIONS
from airflow_provider_amplifybackend.guard.protected import (
    Entry,
    SettingError,
    entries_of_list,
    entries_of_text,
    pattern_problem,
)
from airflow_provider_amplifybackend.guard.reach import reach_of
from airflow_provider_amplifybackend.guard.verdict import by_name

WHERE = "[amplifybackend] protected"


def covers(entry: str, app_id: str, environment: str) -> bool:
    [made] = entries_of_text(entry, WHERE)
    return made.covers(app_id, environment)


@pytest.mark.parametrize(
    ("entry", "app_id", "environment"),
    [
        ("production", "d1", "production"),
        ("production", "any", "production"),
        ("d1/production", "d1", "production"),
        ("d1abc/*", "d1abc", "staging"),
        ("*/main*", "d2", "mainline"),
        ("*/main*", "d2", "main"),
        ("prod?", "d1", "prod1"),
        ("*", "d1", "anything"),
        ("production", "d1", "PRODUCTION"),
        ("PRODUCTION", "d1", "production"),
        ("production", "d1", "ｐｒｏｄｕｃｔｉｏｎ"),
        ("production", "d1", "produc\u200btion"),
        ("production", "d1", "\u2060production\ufe0f"),
        ("straße", "d1", "STRASSE"),
        ("file", "d1", "\ufb01le"),
        ("d1/production", "D1", "production"),
    ],
)
def test_an_entry_covers(entry: str, app_id: str, environment: str) -> None:
    assert covers(entry, app_id, environment)


@pytest.mark.parametrize(
    ("entry", "app_id", "environment"),
    [
        ("production", "d1", "production2"),
        ("production", "d1", "preproduction"),
        ("d1/production", "d2", "production"),
        ("d1abc/*", "d1", "staging"),
        ("prod?", "d1", "prod"),
        ("prod?", "d1", "prod12"),
        ("*/main*", "d1", "domain"),
        ("a.c", "d1", "abc"),
    ],
)
def test_an_entry_does_not_cover(entry: str, app_id: str, environment: str) -> None:
    assert not covers(entry, app_id, environment)


def test_an_empty_setting_protects_nothing() -> None:
    assert entries_of_text("  ", WHERE) == []


@pytest.mark.parametrize(
    "setting",
    [
        "production,,staging",
        "production,",
        ",",
        '["production"]',
        "a/b/c",
        "/production",
        "d1/",
        "production staging",
        "production\nstaging",
        "{{ var.value.protected }}",
        "prod[12]",
        "a\\b",
        "..",
        "produc\u200btion",
        "d1\uff0fproduction",
        "'production'",
        "production;staging",
        "^production$",
        "prod.*",
        "production|staging",
        "!staging",
        "$PRODUCTION",
        "d1:production",
        "production=true",
        "<production>",
        "production@eu",
        "\u201cproduction\u201d",
        "production\u3001staging",
    ],
)
def test_a_malformed_entry_is_an_error_that_names_the_setting(setting: str) -> None:
    with pytest.raises(SettingError, match=r"\[amplifybackend\] protected"):
        entries_of_text(setting, WHERE)


@pytest.mark.parametrize("value", ["production", {"production": True}, 7, None, ["production", None], ["a", 7], [""]])
def test_a_list_of_a_connection_that_is_none_is_an_error_that_names_the_setting(value: Any) -> None:
    with pytest.raises(SettingError, match="the extra of aws_default"):
        entries_of_list(value, "the extra of aws_default")


def test_a_match_only_as_a_person_reads_it_is_a_near_match() -> None:
    entries = entries_of_text("d1/production", WHERE)
    exact = by_name(reach("DeleteBackend", "d1", "production"), ["production"], entries)
    near = by_name(reach("DeleteBackend", "d1", "Production"), ["Production"], entries)
    of_app = by_name(reach("DeleteBackend", "D1", "production"), ["production"], entries)
    assert exact
    assert exact.reason is GuardRefusal.PROTECTED
    assert near
    assert near.reason is GuardRefusal.NEAR_MATCH
    assert of_app
    assert of_app.reason is GuardRefusal.NEAR_MATCH
    assert all("'d1/production' in [amplifybackend] protected" in found.text for found in (exact, near, of_app))


def reach(operation: str, app_id: str, environment: str | None = None) -> Any:
    known = OPERATIONS[operation]
    named = {known.environment: environment} if known.environment else {}
    return reach_of(operation, {"AppId": app_id, **named})


# ---------------------------------------------------------------------------------------------------- oracle

INVISIBLE = "\u200b\u200d\u2060\ufeff\u00ad\u202e\u034f\ufe0f\u3164"
SPELLINGS = {
    "o": "oOｏＯ",
    "d": "dDｄ",
    "a": "aAａ𝐚",
    "p": "pPｐ",
    "r": "rRʳ",
    "s": "sSſ",
    "1": "1１¹",
}
names = st.text(alphabet="prodas1-", min_size=1, max_size=6)


@st.composite
def odd_forms(draw: st.DrawFn) -> str:
    """A name, in letters that look or fold alike, with characters in it that nobody sees."""
    name = draw(names)
    letters = [draw(st.sampled_from(SPELLINGS.get(letter, letter))) for letter in name]
    with_unseen = [letter + draw(st.sampled_from(["", "", "", *INVISIBLE])) for letter in letters]
    return "".join(with_unseen)


patterns = st.text(alphabet="prodas1*?-", min_size=1, max_size=5)
entry_texts = st.one_of(patterns, st.builds(lambda app, env: f"{app}/{env}", patterns, patterns))


def plain(text: str) -> str:
    """NFKC, casefold, nothing invisible, by the longest way."""
    for _ in range(5):
        text = "".join(char for char in text if char not in INVISIBLE and unicodedata.category(char) != "Cf")
        text = unicodedata.normalize("NFKC", text).casefold()
    return text


def plainly_covered(entry: str, app_id: str, environment: str) -> bool:
    app, _, env = entry.rpartition("/")
    return fits(env, environment) and fits(app or "*", app_id)


def fits(pattern: str, name: str) -> bool:
    """As it is written, where `?` may stand for what nobody sees, or as a person reads it."""
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(plain(name), plain(pattern))


@settings(max_examples=500, deadline=None)
@given(entry=entry_texts, app_id=odd_forms(), environment=odd_forms())
def test_an_entry_covers_what_a_plain_reading_of_the_rules_covers(entry: str, app_id: str, environment: str) -> None:
    assert Entry(entry, WHERE).covers(app_id, environment) == plainly_covered(entry, app_id, environment)


@settings(max_examples=500, deadline=None)
@given(
    fleet=st.dictionaries(names, st.lists(odd_forms(), max_size=4), min_size=1, max_size=3),
    protections=st.lists(entry_texts, max_size=4),
    operation=st.sampled_from(sorted(OPERATIONS)),
    data=st.data(),
)
def test_the_verdict_on_a_fleet_is_that_of_a_plain_oracle(
    fleet: dict[str, list[str]], protections: list[str], operation: str, data: st.DataObject
) -> None:
    entries = [Entry(text, WHERE) for text in protections]
    app_id = data.draw(st.sampled_from(sorted(fleet)))
    named = data.draw(st.sampled_from([*fleet[app_id], "prod"]))
    known = OPERATIONS[operation]
    reached = reach(operation, app_id, named)
    if known.only_reads:
        assert reached is None
        return
    if operation == "RemoveAllBackends":
        environments = fleet[app_id]
    else:
        environments = [named] if known.environment else []
    assert (by_name(reached, environments, entries) is not None) == any(
        oracle(protections, app_id, environments),
    )


def oracle(protections: list[str], app_id: str, environments: list[str]) -> Iterator[bool]:
    for entry in protections:
        app, _, env = entry.rpartition("/")
        if set(env) == {"*"}:
            yield fits(app or "*", app_id)
        for environment in environments:
            yield plainly_covered(entry, app_id, environment)


def test_a_pattern_of_a_name_says_what_is_wrong_with_it() -> None:
    assert pattern_problem("pr*") is None
    assert pattern_problem(7) == "is a int, not a text"
    assert pattern_problem("  ") == "is empty"


# ---------------------------------------------------------------------------------------------------- reach


@pytest.mark.parametrize("operation", [name for name, known in OPERATIONS.items() if not known.only_reads])
def test_whatever_deletes_or_changes_has_a_reach(operation: str) -> None:
    reached = reach(operation, "d1", "staging")
    known = OPERATIONS[operation]
    assert reached.app_id == "d1"
    assert reached.environment == ("staging" if known.environment else None)
    assert reached.is_every_environment is (operation == "RemoveAllBackends")


@pytest.mark.parametrize(
    ("entry", "refused"),
    [("d1/main", True), ("d?/main", True), ("D1/main", True), ("main", False), ("*/main", False), ("d2/main", False)],
)
def test_an_app_that_goes_takes_whatever_is_protected_in_it(entry: str, refused: bool) -> None:
    entries = entries_of_text(entry, WHERE)
    for flag, is_gone in ((True, True), ("false", True), (False, False), (None, False)):
        reached = reach_of("RemoveAllBackends", {"AppId": "d1", "CleanAmplifyApp": flag})
        assert reached
        assert (by_name(reached, [], entries) is not None) is (refused and is_gone)


def test_a_clone_reaches_its_target_and_not_its_source() -> None:
    reached = reach_of(
        "CloneBackend", {"AppId": "d1", "BackendEnvironmentName": "production", "TargetEnvironmentName": "pr"}
    )
    assert reached
    assert reached.environment == "pr"
    assert not reached.reads_signs


def test_an_operation_that_nobody_knows_yet_may_do_anything() -> None:
    reached = reach_of("MeltBackend", {"AppId": "d1", "BackendEnvironmentName": "production"})
    assert reached
    assert reached.environment == "production"
    assert reached.reads_signs
