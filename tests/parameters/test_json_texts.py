"""JSON that users hand in: whatever is wrong with it is said with the likely cause, and never quoted."""

from __future__ import annotations

import pytest

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.json_texts import read_json
from airflow_provider_amplifybackend.parameters.places import as_optional_names

COMMAS = "JSON has no comments and no trailing commas"
QUOTES = "JSON has double quotes, and true, false and null"
FILE_NAME = (
    "looks like a file name, and only one that ends in .json, in lower case and without blanks around it, is read"
)


def said(text: str, file: str = "") -> str:
    with pytest.raises(BackendParameterError) as raised:
        read_json("resource_config", text, "pass a dictionary", file=file)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('// hush\n{"a": 1}', COMMAS),
        ('{"a": 1 // hush\n}', COMMAS),
        ('{"a": /* hush */ 1}', COMMAS),
        ('{"a": 1}\n# hush', COMMAS),
        ('{"a": "hush",}', COMMAS),
        ('{"a": [1, 2, ]}', COMMAS),
        ("{'a': 'hush'}", QUOTES),
        ('{"a": True}', QUOTES),
        ('{"a": [None]}', QUOTES),
        ("a:\n  b: hush\n", "it looks like YAML, and only JSON is read"),
        ("--- hush\na: 1", "it looks like YAML, and only JSON is read"),
        (" \n", "it is empty"),
        ('{"a": "hush"', "pass a dictionary"),
        ("[" * 100_000 + "]" * 100_000, "(nested too deeply): pass a dictionary"),
        ('{"a": ' + "9" * 5000 + "}", "(a number in it has more than 4000 digits): pass a dictionary"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_json_is_said_with_its_likely_cause(text: str, cause: str) -> None:
    for file in ("", "auth.json"):
        message = said(text, file)
        assert message.startswith(f"resource_config{' (auth.json)' if file else ''} is not valid JSON (")
        assert cause in message
        assert "hush" not in message
        assert "sys." not in message


@pytest.mark.parametrize(
    "text", ["HEAD.JSON", "x.yaml", "sch.graphql", "dup.json ", "head.json\n", "dags/my auth.jsonc"]
)
def test_a_name_that_is_no_name_of_a_json_file_is_shown(text: str) -> None:
    assert f"{text!r} {FILE_NAME}" in said(text)
    assert FILE_NAME not in said(text, file="auth.json")


def test_a_text_that_may_be_a_secret_is_not_taken_for_a_file_name() -> None:
    assert "hush" not in said("hush.hush-hush")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "resource_config has a more than once: write it once"),
        ('{"a": {"b": 1, "c": 2, "b": 3, "c": 4}}', "resource_config.a has b, c more than once: write it once"),
        ('{"a": [{}, {"b": 1, "b": 1}]}', "resource_config.a[1] has b more than once: write it once"),
    ],
)
def test_a_member_that_is_there_twice_is_named_with_its_place(text: str, message: str) -> None:
    assert said(text) == message
    assert said(text, "dup.json") == message.replace(" has", " (dup.json) has")


def test_a_list_of_names_says_the_same() -> None:
    with pytest.raises(BackendParameterError, match=COMMAS):
        as_optional_names("regions", '["us-east-1",]')
