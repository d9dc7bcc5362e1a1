"""A name is a name, never a path."""

from __future__ import annotations

from itertools import combinations
from typing import Any
from unicodedata import category
from urllib.parse import quote

import pytest

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.parameters import service_model
from tests.name_cases import BAD, GOOD

ENDPOINT = "https://amplifybackend.us-east-1.amazonaws.com"


@pytest.mark.parametrize("name", GOOD)
def test_an_odd_name_is_a_name(name: str) -> None:
    assert names.problem("AppId", name) is None
    assert names.can_name(name)


@pytest.mark.parametrize(("name", "says"), BAD.items(), ids=map(ascii, BAD))
def test_what_is_no_name_is_named_with_its_value_and_what_is_wrong_with_it(name: str, says: str) -> None:
    said = names.problem("AppId", name)
    assert said is not None
    assert said.startswith(f"AppId={name!r} {says}")
    assert not names.can_name(name)
    said.encode()  # whatever is wrong with the name, the error can be stored


@pytest.mark.parametrize("value", [b"..", 5, True, 1.5, ["staging"], {"a": 1}, object(), None])
def test_what_is_no_text_is_no_name(value: Any) -> None:
    assert names.problem("AppId", value) == f"AppId must be a string, not {type(value).__name__}"
    assert not names.can_name(value)


def test_a_long_value_is_cut() -> None:
    said = names.problem("AppId", "x" * 100_000 + "/")
    assert said is not None
    assert "(100001 characters) contains '/'" in said
    assert len(said) < 300


def test_no_control_format_surrogate_or_separator_of_lines_is_part_of_a_name() -> None:
    unseen = {char for char in map(chr, range(0x110000)) if category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert len(unseen) > 2_000
    assert not [char for char in unseen if names.can_name(f"a{char}b")]
    # What is unassigned, private, or a space, is not for us to judge: the next version of Unicode may know it.
    assert all(names.can_name(f"a{char}b") for char in "\u0378\ue000\u3000\u2009")


# Which members are names


def name_members() -> dict[str, dict[str, str | None]]:
    """The members of each operation that are names, with where they go."""
    return {
        operation: {
            member: location
            for member, shape in service_model.input_shape(operation).members.items()
            for location in [shape.serialization.get("location")]
            if names.is_name_member(member, location)
        }
        for operation in service_model.operation_names()
    }


def test_the_names_of_the_service_are_known() -> None:
    """A member that botocore's next model puts into an address is a name without anybody doing anything."""
    assert {member for members in name_members().values() for member in members} == {
        "AppId",
        "BackendManagerAppId",
        "BackendEnvironmentName",
        "TargetEnvironmentName",
        "JobId",
        "SessionId",
    }
    for operation, members in name_members().items():
        uri = service_model.service_model().operation_model(operation).http["requestUri"]
        assert uri.count("{") == list(members.values()).count("uri")
        assert "+}" not in uri  # such a member may hold slashes
    assert not names.is_name_member("ResourceName", None)
    assert names.is_name_member("Whatever", "uri")


def test_no_name_makes_the_address_of_another_operation() -> None:
    models = [service_model.service_model().operation_model(name) for name in service_model.operation_names()]
    for one, other in combinations(models, 2):
        if one.http["method"] != other.http["method"]:
            continue
        parts = one.http["requestUri"].split("/"), other.http["requestUri"].split("/")
        fits = len(parts[0]) == len(parts[1]) and all(
            a == b or "{" in a or "{" in b for a, b in zip(*parts, strict=True)
        )
        assert not fits, f"{one.name} and {other.name}"


# Addresses: what the names have become


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("query", ["", "?X-Amz-Signature=a/../b"])
def test_an_address_of_names_is_one(name: str, query: str) -> None:
    for endpoint in (ENDPOINT, f"{ENDPOINT}/stage", "http://[::1]:8080", "http://localhost:1/a%20b"):
        address = f"{endpoint}/backend/{quote(name, safe='~')}/job/{quote(name, safe='~')}{query}"
        assert names.address_problem(address) is None


@pytest.mark.parametrize("name", [name for name in BAD if not any(0xD800 <= ord(char) < 0xE000 for char in name)])
def test_an_address_with_what_is_no_name_is_none(name: str) -> None:
    assert names.address_problem(f"{ENDPOINT}/backend/{quote(name, safe='')}/remove")
    assert names.address_problem(f"{ENDPOINT}/backend/d1/job/{quote(name, safe='')}?a=b")


@pytest.mark.parametrize(
    "path",
    [
        "/backend//remove",
        "//backend/d1/remove",
        "/backend/d1/",
        "/backend/%2E%2e/remove",
        "/a/../backend/d1",
        "/backend/d1/remove;x",
    ],
)
def test_an_address_that_can_be_resolved_to_another_is_none(path: str) -> None:
    problem = names.address_problem(ENDPOINT + path + "?X-Amz-Signature=hush")
    assert problem is not None
    assert f"of its address {path!r}" in problem
    assert "hush" not in problem
