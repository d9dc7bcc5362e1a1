"""Operator parameters become requests, by botocore's model of the service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.validate import ParamValidator

from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.parameters.service_model import ParameterError, build_request
from tests.samples import storage

NAMES = {"app_id": "d1", "backend_environment_name": "dev", "resource_name": "main"}
OPERATIONS = sorted(service_model.operation_names())


def sample(shape: Any, *, full: bool) -> Any:
    """A value for a shape: with all of its members, or only those that are required."""
    match shape.type_name:
        case "structure":
            names = shape.members if full else shape.required_members
            return {name: sample(shape.members[name], full=full) for name in names}
        case "list":
            return [sample(shape.member, full=full)]
        case "boolean":
            return True
        case "string":
            return shape.enum[0] if getattr(shape, "enum", None) else "a text"
        case _:
            return shape.metadata.get("min") or 1


def parameters(operation: str, *, full: bool) -> dict[str, Any]:
    request = sample(service_model.input_shape(operation), full=full)
    return {parameter: request.get(name) for parameter, name in service_model.members(operation).items()}


def as_rendered(value: Any) -> str:
    """What a template leaves of a value: a text."""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def problems(operation: str, **values: Any) -> list[str]:
    with pytest.raises(ParameterError) as raised:
        build_request(operation, NAMES | values)
    assert str(raised.value) == f"{operation} was not sent: " + "; ".join(raised.value.problems)
    return raised.value.problems


@pytest.mark.parametrize("full", [False, True], ids=["least", "full"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_good_request_is_one_for_botocore_too(operation: str, full: bool) -> None:
    values = parameters(operation, full=full)
    request = build_request(operation, values)
    shape = service_model.input_shape(operation)
    assert not ParamValidator().validate(request, shape).has_errors()
    assert set(request) == set(shape.members if full else shape.required_members)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_rendered_texts_make_the_same_request_as_native_values(operation: str) -> None:
    values = parameters(operation, full=True)
    rendered = {name: as_rendered(value) for name, value in values.items()}
    assert build_request(operation, rendered) == build_request(operation, values)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_required_parameter_is_missed(operation: str) -> None:
    required = service_model.input_shape(operation).required_members
    by_member = {name: parameter for parameter, name in service_model.members(operation).items()}
    for name in required:
        parameter = by_member[name]
        for empty in (None, "", " ", "None"):
            with pytest.raises(ParameterError, match=f"{parameter}=.* is missing a value"):
                build_request(operation, parameters(operation, full=True) | {parameter: empty})


def test_there_are_31_operations() -> None:
    assert len(OPERATIONS) == 31


# Coercion, at every depth


@pytest.mark.parametrize(
    ("value", "sent"),
    [(True, True), (False, False), ("True", True), ("False", False), (" true ", True), ("FALSE", False)],
)
def test_booleans(value: Any, sent: bool) -> None:
    assert build_request("RemoveAllBackends", {"app_id": "d1", "clean_amplify_app": value})["CleanAmplifyApp"] is sent


@pytest.mark.parametrize("value", [0, 1, "yes", "0", [], {}])
def test_what_is_no_boolean(value: Any) -> None:
    assert "clean_amplify_app" in problems("RemoveAllBackends", clean_amplify_app=value)[0]


@pytest.mark.parametrize("value", [8, "8", " 8 ", 8.0])
def test_whole_numbers(value: Any) -> None:
    request = build_request("ListBackendJobs", NAMES | {"max_results": value})
    assert request["MaxResults"] == 8
    assert type(request["MaxResults"]) is int


@pytest.mark.parametrize("value", [True, "eight", "8.5", 8.5, [8], "nan"])
def test_what_is_no_whole_number(value: Any) -> None:
    assert "must be a whole number" in problems("ListBackendJobs", max_results=value)[0]


@pytest.mark.parametrize("value", [0, 26, "26", -1])
def test_a_number_out_of_range_is_said_with_the_range(value: Any) -> None:
    assert problems("ListBackendJobs", max_results=value) == [
        f"max_results={value!r} is out of range; accepted: 1 to 25"
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "1e400", True, "twelve"])
def test_what_is_no_number(value: Any) -> None:
    policy = {"UserPoolConfigs": {"PasswordPolicy": {"MinimumLength": value}}}
    config = {"AuthResources": "USER_POOL_ONLY", "Service": "COGNITO"} | policy
    assert "MinimumLength" in problems("UpdateBackendAuth", resource_config=config)[0]


@pytest.mark.parametrize("value", [12, "12", 12.0])
def test_numbers_and_names_are_taken_from_either_type(value: Any) -> None:
    config = {
        "AuthResources": "USER_POOL_ONLY",
        "Service": "COGNITO",
        "UserPoolConfigs": {
            "PasswordPolicy": {"MinimumLength": value, "AdditionalConstraints": '["REQUIRE_DIGIT"]'},
            "OAuth": '{"DomainPrefix": 42}',
        },
    }
    request = build_request("UpdateBackendAuth", NAMES | {"resource_config": config, "app_id": 123})
    assert request["AppId"] == "123"
    pool = request["ResourceConfig"]["UserPoolConfigs"]
    assert pool["PasswordPolicy"] == {"MinimumLength": 12.0, "AdditionalConstraints": ["REQUIRE_DIGIT"]}
    assert pool["OAuth"] == {"DomainPrefix": "42"}


def test_what_is_not_set_is_not_sent() -> None:
    assert build_request("GetBackend", {"app_id": "d1", "backend_environment_name": None}) == {"AppId": "d1"}
    config = {"Permissions": {"Authenticated": ["READ"], "UnAuthenticated": None}, "ServiceName": "S3"}
    request = build_request("CreateBackendStorage", NAMES | {"resource_config": config})
    assert request["ResourceConfig"]["Permissions"] == {"Authenticated": ["READ"]}


@pytest.mark.parametrize("empty", ["", " ", "None"])
def test_a_filter_or_setting_that_a_template_left_empty_is_left_out(empty: str) -> None:
    filters = {"status": empty, "operation": empty, "next_token": empty, "max_results": empty}
    assert set(build_request("ListBackendJobs", NAMES | filters)) == {"AppId", "BackendEnvironmentName"}
    assert "ResourceConfig" not in build_request("UpdateBackendAPI", NAMES | {"resource_config": empty})


@pytest.mark.parametrize("empty", ["", " ", "None"])
@pytest.mark.parametrize(
    ("operation", "parameter"),
    [
        ("CreateBackend", "resource_name"),
        ("CreateBackendConfig", "backend_manager_app_id"),
        ("GetBackend", "backend_environment_name"),
        ("ImportBackendAuth", "identity_pool_id"),
        ("ImportBackendStorage", "bucket_name"),
        ("ListBackendJobs", "job_id"),
    ],
)
def test_an_optional_name_or_id_that_a_template_left_empty_is_refused(
    operation: str, parameter: str, empty: str
) -> None:
    """It was meant to select something: without it the question, or the import, is another one."""
    given = parameters(operation, full=False)
    assert service_model.members(operation)[parameter] not in build_request(operation, given | {parameter: None})
    with pytest.raises(ParameterError, match=f"{parameter}={empty!r} is missing a value; .* returned none; .* None$"):
        build_request(operation, given | {parameter: empty})


def test_the_callers_values_stay_as_they_are() -> None:
    config = storage()
    before = json.dumps(config)
    build_request("CreateBackendStorage", NAMES | {"resource_config": config})
    assert json.dumps(config) == before


# What is said


def test_every_problem_is_said_with_its_path() -> None:
    config = {
        "AuthResources": "EVERYTHING",
        "UserPoolConfigs": {"Mfa": {"MFAMode": "MAYBE"}, "Colour": "blue", "SignInMethod": []},
    }
    found = problems("CreateBackendAuth", app_id="None", resource_config=config)
    said = "\n".join(found)
    assert "app_id='None' is missing a value" in said
    assert "resource_config.AuthResources='EVERYTHING' is not accepted; accepted values: USER_POOL_ONLY, " in said
    assert "resource_config.Service is missing" in said
    assert "resource_config.UserPoolConfigs.Mfa.MFAMode='MAYBE' is not accepted; accepted values: ON, OFF" in said
    assert "resource_config.UserPoolConfigs.Colour is not a member of" in said
    assert "resource_config.UserPoolConfigs.SignInMethod, a list, must be a string" in said


def test_items_of_lists_have_a_path_too() -> None:
    config = {"ServiceName": "S3", "Permissions": {"Authenticated": ["READ", "WRITE", None]}}
    first, second = problems("CreateBackendStorage", resource_config=config)
    assert first.startswith("resource_config.Permissions.Authenticated[1]='WRITE' is not accepted")
    assert second.startswith("resource_config.Permissions.Authenticated[2]")


def test_nothing_fits_into_the_empty_structure_of_create_backend() -> None:
    values = {"app_name": "shop", "resource_config": {"Any": 1}}
    assert "accepted members: none at all" in problems("CreateBackend", **values)[0]
    assert build_request("CreateBackend", NAMES | values | {"resource_config": "{}"})["ResourceConfig"] == {}


HUSH = "hush-hush"


@pytest.mark.parametrize(
    "google",
    [
        HUSH,
        {"ClientSecret": [HUSH]},
        {"ClientSecret": {"x": HUSH}},
        {"ClientId": {"ClientSecret": HUSH}},
        [{"ClientSecret": HUSH}],
        f'{{"ClientSecret": "{HUSH}"',
        f'"{HUSH}"',
        f'["{HUSH}"]',
    ],
    ids=str,
)
def test_no_message_quotes_a_secret(google: Any) -> None:
    oauth = {"SocialProviderSettings": {"Google": google}}
    config = {
        "AuthResources": "USER_POOL_ONLY",
        "Service": "COGNITO",
        "UserPoolConfigs": {"OAuth": oauth},
    }
    assert not any(HUSH in problem for problem in problems("UpdateBackendAuth", resource_config=config))
    text = json.dumps(config)
    assert not any(HUSH in problem for problem in problems("UpdateBackendAuth", resource_config=text))
    assert not any(HUSH in problem for problem in problems("UpdateBackendAuth", resource_config=text[:-1]))


DOCUMENTS = [
    json.dumps({"ClientSecret": HUSH}),
    json.dumps({"Google": json.dumps({"ClientSecret": f"{HUSH}/{HUSH}"})}),
    f"ClientSecret: {HUSH}\nClientId: id\n",
    f"{{'ClientSecret': '{HUSH}'}}",
    f'{{"ClientSecret": "{HUSH}"',
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_in_the_wrong_place_is_shown_without_its_secret(document: str) -> None:
    members = {
        "AuthResources": document,
        "IdentityPoolConfigs": {"IdentityPoolName": "p", "UnauthenticatedLogin": document},
        "UserPoolConfigs": {
            "RequiredSignUpAttributes": [document],
            "PasswordPolicy": {"MinimumLength": document},
            "SignInMethod": document,
            document: 1,
        },
    }
    found = problems("CreateBackendAuth", resource_config=members)
    assert len(found) == 8
    found += problems("CreateBackendAuth", app_id=f"{document}/", backend_environment_name=f"/{document}")
    found += problems("ListBackendJobs", max_results=document, job_id=f"{document}?")
    assert not any(HUSH in problem for problem in found), found


@pytest.mark.parametrize("config", [[{"ClientSecret": HUSH}], f'[{{"ClientSecret": "{HUSH}"}}]', f'"{HUSH}"', 5])
def test_a_configuration_of_the_wrong_kind_is_not_quoted(config: Any) -> None:
    [problem] = problems("CreateBackendAuth", resource_config=config)
    assert problem.startswith("resource_config must be a dictionary")
    assert HUSH not in problem


def test_text_that_is_not_json_is_said_to_be_none() -> None:
    assert "resource_config is not valid JSON" in problems("CreateBackendAuth", resource_config="{a: 1}")[0]


# Templates


def test_templates_are_left_out_where_a_dag_is_checked() -> None:
    values = {"resource_config": {"ServiceName": "{{ var.value.s }}", "Permissions": "{{ p }}"}, "app_id": "{{ a }}"}
    assert service_model.problems("CreateBackendStorage", NAMES | values, templates=True) == []
    assert service_model.problems("CreateBackendStorage", NAMES | values) != []


def test_an_unknown_operation_is_an_error() -> None:
    with pytest.raises(Exception, match="DoNothing"):
        build_request("DoNothing", {})
