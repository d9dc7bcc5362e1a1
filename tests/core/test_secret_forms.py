"""A secret is found in a text however it is written there."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from airflow_provider_amplifybackend.core.secret_forms import SHORTEST_MASKED, written_forms
from airflow_provider_amplifybackend.core.secrets import redact_text


def as_jinja_writes(value: Any) -> str:
    from jinja2 import Environment

    return str(Environment(autoescape=False).from_string("{{ value | tojson }}").render(value=value))


# Each way takes a value and returns a text in which it is written.
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON of UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False),
    "Jinja's tojson": as_jinja_writes,
    "a member": lambda secret: json.dumps({"ClientSecret": secret}),
    "JSON in JSON": lambda secret: json.dumps(json.dumps({"ClientSecret": secret})),
    "JSON of UTF-8 in JSON": lambda secret: json.dumps(json.dumps(secret, ensure_ascii=False)),
    "Jinja's in JSON": lambda secret: json.dumps(as_jinja_writes({"ClientSecret": secret})),
    "Python": lambda secret: repr({"ClientSecret": secret}),
    "Python's in ASCII": ascii,
    "bytes": lambda secret: repr(secret.encode()),
    "a body": lambda secret: repr(json.dumps({"client_secret": secret}).encode()),
    "a body of UTF-8": lambda secret: repr(json.dumps(secret, ensure_ascii=False).encode()),
    "JSON of Python": lambda secret: json.dumps({"event": repr({"ClientSecret": secret})}),
    "JSON of a body": lambda secret: json.dumps({"event": repr({"ClientSecret": secret.encode()})}),
    "Python of JSON": lambda secret: repr([json.dumps(secret)]),
    "a part of a URL": lambda secret: quote(secret, safe=""),
    "a path": quote,
    "a form": quote_plus,
    "a URL in lower case": lambda secret: re.sub("%..", lambda escape: escape[0].lower(), quote(secret, safe="")),
    "HTML": html.escape,
    "HTML text": lambda secret: html.escape(secret, quote=False),
    "Jinja's HTML": lambda secret: str(escape(secret)),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 behind a name": lambda secret: base64.b64encode(f"shop:{secret}".encode()).decode(),
    "base64 of JSON": lambda secret: base64.b64encode(b'{"k":"' + secret.encode() + b'"}').decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
}
SECRETS = {
    "plain": "hush1abcdef2ghijkl",
    "a generated one": "hush+Zm9/v8=~q!x#y$z%w^(a)*",
    "of JSON": 'hush"quoted"\\and\\more',
    "of HTML": "hush<b>&'tail'",
    "both quotes": """hush'a"b""",
    "of other scripts": "hush-schlüssel-тайна-秘密-🔑",
    "a text with half a pair": "hush-\ud800-half",
    "a tab": "hush\tand tail",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", SECRETS)
def test_nothing_of_a_secret_is_left_however_it_is_written(kind: str, way: str) -> None:
    secret = SECRETS[kind].replace("\ud800", "\N{REPLACEMENT CHARACTER}")
    text = redact_text(f"job failed: {WAYS[way](secret)} is not accepted", [SECRETS[kind]])
    assert "***" in text
    assert "hush" not in text
    assert text.startswith("job failed: ")
    assert text.endswith(" is not accepted")


def key_with(end: str) -> str:
    lines = [base64.b64encode(f"hush line {number} of a key, {'+/' * number}".encode()).decode() for number in range(9)]
    return end.join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\\n", "\\r\\n", "\\\\n"])
@pytest.mark.parametrize("written", ["\n", "\r\n", "\r", "\\n", "\\r\\n", "\\\\n", " ", ""])
def test_no_line_of_a_key_is_left_whatever_ends_its_lines(end: str, written: str) -> None:
    text = redact_text(f"got {key_with(written)}", [key_with(end)])
    assert not [line for line in key_with("\n").split("\n")[1:-2] if line in text]


@pytest.mark.parametrize("way", [way for way in WAYS if "base64" not in way])
def test_no_line_of_a_key_is_left_however_it_is_written(way: str) -> None:
    key = key_with("\n")
    text = redact_text(WAYS[way](key), [key])
    assert not [part for part in re.findall("[A-Za-z0-9]{12,}", key) if part in text]


def test_a_text_that_has_no_secret_stays_as_it_is() -> None:
    text = "the job of <shop> failed: {'a': 1} -----BEGIN PRIVATE KEY-----"
    assert redact_text(text, ["hush-hush", key_with("\n"), "", "a\nb"]) == text
    assert redact_text(text, []) == text


def test_the_longer_of_two_secrets_is_taken_out_first() -> None:
    assert redact_text("hush-1-more and hush-1", ["hush-1", "hush-1-more"]) == "*** and ***"


def test_a_short_secret_is_taken_out_where_it_is_a_word() -> None:
    assert redact_text("the code is abc, not abcd", ["abc"]) == "the code is ***, not abcd"


def test_the_marks_themselves_are_no_secret() -> None:
    assert redact_text("*** and *******", ["***", "*******"]).replace("*", "") == " and "
    assert written_forms("*******") == []


def test_the_masker_gets_no_text_that_is_part_of_everybodys_log_lines() -> None:
    """The masker of Airflow 2 takes any: with "s" it makes "%***" of a "%s", and the line cannot be written."""
    assert written_forms("s") == []
    assert "ab" not in written_forms("a line of a key\nab")


def test_what_airflow_is_given_for_a_key_is_bounded() -> None:
    """It compiles all that it masks once more for each text."""
    key = "\n".join(base64.b64encode(bytes(range(number, number + 48))).decode() for number in range(50))
    assert len(written_forms(key)) < 200


@given(st.text(min_size=SHORTEST_MASKED), st.sampled_from(sorted(WAYS)))
@example("{{\n}}", "JSON")
@example("0000\r", "a form")
def test_any_secret_is_found_in_any_form(secret: str, way: str) -> None:
    secret = secret.replace("\x00", " ")
    try:
        text = WAYS[way](secret)
    except UnicodeEncodeError:
        return
    if "*" in secret:
        return
    left = redact_text(text, [secret])
    assert not [form for form in written_forms(secret) if form in left]
    assert "***" in left


def test_markup_is_escaped_like_html() -> None:
    assert "hush" not in redact_text(str(Markup("<b>{}</b>").format("hush'&'")), ["hush'&'"])
