"""Two texts that say the same."""

from __future__ import annotations

import pytest

from airflow_provider_amplifybackend.core.same_text import is_same_text

PLAIN = 'type A @model @auth(rules: [{ allow: owner }]) {\n  "a # b"\n  id: ID!\n}\n'


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("  id", "\n\n\t id"),
        "# first\n" + PLAIN,
        PLAIN.replace("{\n", "{ # its fields\n"),
        PLAIN + "# the end",
    ],
)
def test_white_space_and_comments_of_a_schema_say_nothing(other: str) -> None:
    assert is_same_text(PLAIN, other, "TransformSchema")


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace("@auth", "# @auth"),
        PLAIN.replace("type A @model", "type A # the model\n @model").replace("# the model\n", "# the model "),
        PLAIN.replace("# b", "# c"),
        PLAIN.replace("ID!", "ID"),
        PLAIN.replace('"a # b"', '"""a # b"""'),
    ],
)
def test_a_rule_that_ends_in_a_comment_or_a_text_that_differs_is_a_difference(other: str) -> None:
    assert not is_same_text(PLAIN, other, "TransformSchema")


def test_a_string_in_a_block_may_hold_quotes_hashes_and_lines() -> None:
    block = 'type A {\n  """\n  say "hi" # not a comment\n  \\""" still\n  """\n  id: ID! # a comment\n}'
    assert is_same_text(block, block.replace(" # a comment", ""), "TransformSchema")
    assert not is_same_text(block, block.replace("# not a comment", ""), "TransformSchema")


def test_a_hash_in_another_text_is_a_word() -> None:
    assert is_same_text("order # 1\nis here", "order  # 1 is here", "EmailMessage")
    assert not is_same_text("order # 1", "order # 2", "EmailMessage")
