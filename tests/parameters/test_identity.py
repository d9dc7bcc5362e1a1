"""Connections and regions: only a None that somebody has written is boto3's identity, or the connection's region."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters import identity

EMPTY = ["", " ", "\n", "None", " None "]
NO_TEXT = [False, True, 0, 1, 1.5, [], ["aws_default"], {}, (), b"aws_default"]


@pytest.mark.parametrize("value", EMPTY)
def test_an_empty_connection_id_is_missing_a_value(value: str) -> None:
    with pytest.raises(BackendParameterError) as raised:
        identity.as_connection_id("aws_conn_id", value)
    assert str(raised.value) == (
        f"aws_conn_id={value!r} is missing a value; if it comes from an upstream task, that task returned none; for "
        "boto3's own credentials pass None"
    )


@pytest.mark.parametrize("value", NO_TEXT)
def test_a_connection_id_is_a_text(value: Any) -> None:
    with pytest.raises(BackendParameterError, match=r"aws_conn_id=.* must be the id of a connection, as a string; for"):
        identity.as_connection_id("aws_conn_id", value)


@pytest.mark.parametrize("value", [None, "aws_default", "123456789012", "aws.default-1"])
def test_a_connection_id_or_none_is_taken_as_it_is(value: str | None) -> None:
    assert identity.as_connection_id("aws_conn_id", value) == value


def test_a_connection_in_a_list_has_to_be_named() -> None:
    with pytest.raises(BackendParameterError, match="connections='None' is missing a value"):
        identity.as_named_connection("connections", None)


@pytest.mark.parametrize("value", EMPTY)
def test_an_empty_region_is_missing_a_value(value: str) -> None:
    with pytest.raises(BackendParameterError, match=r"region_name='.*' is missing a value"):
        identity.as_region("region_name", value)


@pytest.mark.parametrize(
    "value",
    [
        *NO_TEXT,
        "us-east-1\n",
        " us-east-1",
        "us-east-1 ",
        "eu west 1",
        "../x",
        "-us",
        "us-",
        "1",
        "x" * 64,
        "us_east_1",
        "üs-east-1",
        "us-east-1.evil.example",
        "us-east-\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_what_is_no_region_is_refused_with_its_value(value: Any) -> None:
    with pytest.raises(BackendParameterError, match=r"region_name=.* must be the name of an AWS region, such as"):
        identity.as_region("region_name", value)


@pytest.mark.parametrize("value", [None, "us-east-1", "us-gov-west-1", "local", "us-iso-east-1", "x" * 63])
def test_a_region_or_none_is_taken_as_it_is(value: str | None) -> None:
    assert identity.as_region("region_name", value) == value
