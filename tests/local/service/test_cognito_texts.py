"""Cognito demands the place of the code in its messages: a job whose texts it refuses ends FAILED."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.service import cognito_texts
from airflow_provider_amplifybackend.local.service.api_model import service_model
from tests.botocore_model import members_of
from tests.samples import APP, auth_change

GUESTS = {"AppId": APP, "BackendEnvironmentName": "staging", "ResourceName": "guests"}
MAIN = {**GUESTS, "ResourceName": "main"}
Finish = Callable[[dict[str, Any]], dict[str, Any]]


def messages(**texts: Any) -> dict[str, Any]:
    """Members of UserPoolConfigs as boto3 takes them, with these three texts of a verification."""
    return {"VerificationMessage": {"DeliveryMethod": "EMAIL", **texts}}


def email(text: str, subject: str = "{####} is your number") -> dict[str, Any]:
    return messages(EmailSettings={"EmailMessage": text, "EmailSubject": subject})


def sms(text: str) -> dict[str, Any]:
    return messages(SmsSettings={"SmsMessage": text})


def mfa(text: str) -> dict[str, Any]:
    return {"Mfa": {"MFAMode": "OPTIONAL", "Settings": {"MfaTypes": ["SMS"], "SmsMessage": text}}}


def forgotten(text: str) -> dict[str, Any]:
    return {"ForgotPassword": {"DeliveryMethod": "SMS", "SmsSettings": {"SmsMessage": text}}}


def forgotten_email(text: str) -> dict[str, Any]:
    settings = {"EmailMessage": text, "EmailSubject": "Forgotten?"}
    return {"ForgotPassword": {"DeliveryMethod": "EMAIL", "EmailSettings": settings}}


GOOD = [
    {},
    {
        **email("Hello! Type {####} to confirm."),
        **mfa("Shop: {####}"),
        **forgotten("{####} lets you choose a new word"),
    },
    email("{####}"),
    email("{##Click here##} to confirm"),
    email("two\r\nlines, Größe, 🐟: {####}\n"),
    email("{####} {####}"),
    forgotten_email("{####} again"),
    sms("{####}"),
    sms("x" * 134 + "{####}"),
    mfa("{####}"),
]
BAD = [
    (email("There is no place for a number here", "Welcome"), "emailVerificationMessage"),
    (email(""), "emailVerificationMessage"),
    (email("Hello! Type  to confirm."), "emailVerificationMessage"),
    (email("{###}"), "emailVerificationMessage"),
    (email("{#####"), "emailVerificationMessage"),
    (email("{##Click here"), "emailVerificationMessage"),
    (email("{####}" + "x" * 20_000), "less than or equal to 20000"),
    (email("{####}", "s" * 141), "emailVerificationSubject"),
    (forgotten_email("no place"), "emailVerificationMessage"),
    (sms("no place"), "smsVerificationMessage"),
    (sms("{##Click here##}"), "smsVerificationMessage"),
    (sms("{####}\nin two lines"), "smsVerificationMessage"),
    (sms("x" * 135 + "{####}"), "less than or equal to 140"),
    (forgotten(" lets you choose a new word"), "smsVerificationMessage"),
    (mfa("Shop: "), "smsAuthenticationMessage"),
]


@pytest.mark.parametrize("texts", GOOD)
def test_messages_with_the_place_of_the_code_arrive_unchanged(
    client: Any, finish: Finish, auth_config: dict[str, Any], texts: dict[str, Any]
) -> None:
    auth_config["UserPoolConfigs"] |= texts
    assert finish(client.create_backend_auth(**GUESTS, ResourceConfig=auth_config))["Status"] == "COMPLETED"
    assert client.get_backend_auth(**GUESTS)["ResourceConfig"] == auth_config
    change = {
        "AuthResources": "IDENTITY_POOL_AND_USER_POOL",
        "Service": "COGNITO",
        "UserPoolConfigs": texts,
    }
    assert finish(client.update_backend_auth(**MAIN, ResourceConfig=change))["Status"] == "COMPLETED"


@pytest.mark.parametrize(("texts", "names"), BAD)
def test_a_creation_without_the_place_of_the_code_fails_as_in_cognito(
    client: Any, finish: Finish, auth_config: dict[str, Any], texts: dict[str, Any], names: str
) -> None:
    auth_config["UserPoolConfigs"] |= texts
    row = finish(client.create_backend_auth(**GUESTS, ResourceConfig=auth_config))
    assert row["Status"] == "FAILED"
    assert names in row["Error"]
    assert "validation error" in row["Error"]
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_backend_auth(**GUESTS)


@pytest.mark.parametrize(("texts", "names"), BAD)
def test_an_update_without_the_place_of_the_code_fails_and_changes_nothing(
    client: Any, finish: Finish, texts: dict[str, Any], names: str
) -> None:
    before = client.get_backend_auth(**MAIN)["ResourceConfig"]
    change = auth_change(**texts)
    row = finish(client.update_backend_auth(**MAIN, ResourceConfig=change))
    assert row["Status"] == "FAILED"
    assert names in row["Error"]
    assert client.get_backend_auth(**MAIN)["ResourceConfig"] == before


def test_each_text_that_cognito_refuses_is_named(client: Any, finish: Finish, auth_config: dict[str, Any]) -> None:
    auth_config["UserPoolConfigs"] |= {**email("none"), **mfa("nothing"), **forgotten("nowhere")}
    error = finish(client.create_backend_auth(**GUESTS, ResourceConfig=auth_config))["Error"]
    assert "4 validation errors detected" in error  # `none` is too short, too
    assert error.count("regular expression pattern") == 3


def test_the_limits_are_those_of_cognitos_model() -> None:
    model = botocore.session.get_session().get_service_model("cognito-idp")
    for text in cognito_texts.TEXTS.values():
        for name in text.shapes:
            limits = model.shape_for(name).metadata
            assert (limits["min"], limits["max"]) == (text.shortest, text.longest)
            assert (r"\{##" in limits["pattern"]) is (text.has_place is not None)


@pytest.mark.parametrize("operation", ["CreateBackendAuth", "UpdateBackendAuth"])
def test_every_message_of_the_api_is_checked(operation: str) -> None:
    """A message that a later model has, and that is not in the table, is noticed here."""
    shape = members_of(service_model().operation_model(operation).input_shape)["ResourceConfig"]
    found = {path for path in _paths(members_of(shape)["UserPoolConfigs"]) if path[-1].endswith(("Message", "Subject"))}
    assert found == set(cognito_texts.TEXTS)


def _paths(shape: Any, *path: str) -> set[tuple[str, ...]]:
    if shape.type_name != "structure":
        return {path}
    return {found for name, sub in shape.members.items() for found in _paths(sub, *path, name)}


def test_a_seed_may_hold_what_cognito_would_refuse(
    backend: LocalAmplifyBackend, client: Any, finish: Finish, auth_config: dict[str, Any]
) -> None:
    """It may have been made before; an update of something else does not fail over it."""
    config = copy.deepcopy(auth_config)
    config["UserPoolConfigs"] |= sms("old")
    backend.control.seed_app(APP, {"name": "staging", "auth": {"guests": config}})
    change = auth_change(**mfa("{####}"))
    assert finish(client.update_backend_auth(**GUESTS, ResourceConfig=change))["Status"] == "COMPLETED"
