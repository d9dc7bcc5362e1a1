"""Secrets are taken out of what is shown, stored or returned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.model import StructureShape

from airflow_provider_amplifybackend.core.secrets import (
    MASKED_MEMBERS,
    SECRET_MEMBERS,
    is_secret_name,
    redact_secrets,
    secret_values,
)
from airflow_provider_amplifybackend.parameters.service_model import service_model

HUSH = "hush-hush"
META = {"api": {"notes": {"output": {"GraphQLAPIKeyOutput": HUSH, "GraphQLAPIIdOutput": "id"}}}}
NESTED: list[Any] = [
    {"ClientSecret": HUSH},
    {"ResourceConfig": {"Google": {"ClientId": "c", "ClientSecret": HUSH}}},
    {"list": [{"PrivateKey": HUSH}, ({"ChallengeCode": HUSH},)]},
    {"AmplifyMetaConfig": json.dumps(META)},
    {"AmplifyMetaConfig": META},
    {"AmplifyMetaConfig": json.dumps(META)[:-2]},
    {"ClientSecret": {"any": [HUSH]}},
]


@pytest.mark.parametrize("value", NESTED, ids=str)
def test_no_secret_is_left_wherever_it_is(value: Any) -> None:
    before = repr(value)
    assert HUSH not in repr(redact_secrets(value))
    assert repr(value) == before


@pytest.mark.parametrize("value", NESTED[:5], ids=str)
def test_every_secret_is_found_for_the_masker(value: Any) -> None:
    assert HUSH in set(secret_values(value))
    assert HUSH in set(secret_values(json.dumps(value)))


def test_all_else_stays_as_it_is() -> None:
    value = {"ClientId": "c", "list": [1, None, True], "AmplifyMetaConfig": "", "SessionId": "s", "ClientSecret": ""}
    assert redact_secrets(value) == value
    assert json.loads(redact_secrets({"AmplifyMetaConfig": json.dumps(META)})["AmplifyMetaConfig"]) == {
        "api": {"notes": {"output": {"GraphQLAPIKeyOutput": "***", "GraphQLAPIIdOutput": "id"}}}
    }


def test_a_session_is_masked_in_logs_but_returned() -> None:
    assert redact_secrets({"SessionId": "s"}) == {"SessionId": "s"}
    assert list(secret_values({"SessionId": "s"})) == ["s"]


def test_every_member_of_the_api_that_sounds_secret_is_one() -> None:
    """A newer botocore may bring more of them."""
    model = service_model()
    shapes = (model.shape_for(name) for name in model.shape_names)
    members = {name for shape in shapes if isinstance(shape, StructureShape) for name in shape.members}
    sounding = {
        name for name in members if any(word in name for word in ("Secret", "Private", "Challenge", "Password"))
    }
    assert sounding - SECRET_MEMBERS == {"ForgotPassword", "PasswordPolicy"}
    # These are in a document of Amplify's that the service passes on as text.
    assert members >= MASKED_MEMBERS - {"GraphQLAPIKeyOutput", "AppClientSecret"}


SPELLINGS = {
    "camel case": {
        "OAuth": {"Google": {"ClientId": "shop", "clientSecret": "hush-1"}, "apple": {"privateKey": "hush-2"}}
    },
    "the Amplify CLI's": {
        "cognitoConfig": {
            "googleAppSecretUserPool": "hush-1",
            "hostedUIProviderCreds": '[{"ProviderName": "Google", "client_id": "shop", "client_secret": "hush-2"}]',
        }
    },
    "upper case": {"CLIENT_SECRET": "hush-1", "Private-Key": "hush-2"},
}


@pytest.mark.parametrize("how", SPELLINGS)
@pytest.mark.parametrize("form", [lambda value: value, json.dumps, str], ids=["dictionary", "JSON", "Python's text"])
def test_a_secret_is_masked_however_its_member_is_spelled(how: str, form: Callable[[Any], Any]) -> None:
    assert sorted(secret_values(form(SPELLINGS[how]))) == ["hush-1", "hush-2"]


def test_only_the_secret_members_of_the_model_are_taken_for_secrets() -> None:
    def names(shape: Any, inside: tuple[str, ...] = ()) -> Iterator[str]:
        if shape is None or shape.name in inside:
            return
        for name, member in getattr(shape, "members", {}).items():
            yield name
            yield from names(member, (*inside, shape.name))
        if shape.type_name == "list":
            yield from names(shape.member, (*inside, shape.name))

    model = service_model()
    operations = [model.operation_model(name) for name in model.operation_names]
    members = {
        name for entry in operations for shape in (entry.input_shape, entry.output_shape) for name in names(shape)
    }
    assert {name for name in members if is_secret_name(name)} == members & MASKED_MEMBERS


def test_a_value_that_contains_itself_is_looked_at_once() -> None:
    value: dict[str, Any] = {"ClientSecret": "hush"}
    value["again"] = [value]
    assert list(secret_values(value)) == ["hush"]


def test_no_secret_is_missed_for_another_value_that_was_forgotten() -> None:
    texts = [json.dumps({"ClientSecret": f"hush{number}"}) for number in range(1000)]
    assert set(secret_values(texts)) == {f"hush{number}" for number in range(1000)}
