"""Values that Python, JSON or Airflow cannot handle are refused with the task and the parameter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, DeleteBackendOperator
from airflow_provider_amplifybackend.parameters.reading import as_choice, as_flag, as_name, as_number, flaws, shown
from airflow_provider_amplifybackend.parameters.service_model import ParameterError, build_request
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor

NAMES: dict[str, Any] = {"app_id": "d1", "backend_environment_name": "dev", "resource_name": "r"}


class Shy:
    """Can be neither shown nor compared."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = None  # type: ignore[assignment]


class ShyText(str):
    """A text that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class ShyNumber(float):
    """A number that cannot be used."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Undecided:
    """Neither true nor false."""

    def __bool__(self) -> bool:
        raise RuntimeError("no")


class Closed(dict[str, Any]):
    """Cannot be looked into."""

    def items(self) -> Any:
        raise RuntimeError("no")


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["UserPoolConfigs"] = [value]
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(3000):
        value = [value]
    return value


BAD = {
    "cyclic": (cyclic(), "contains itself"),
    "deep": (deep(), "is nested deeper than 64 levels"),
    "long number": (10**5000, "is a number of more than 4000 digits"),
    "shy": (Shy(), "cannot be shown as text (RuntimeError)"),
    "shy text": (ShyText("a"), "cannot be shown as text (RuntimeError)"),
    "shy number": (ShyNumber(5), "cannot be shown as text (RuntimeError)"),
    "undecided": (Undecided(), "cannot be shown as text (RuntimeError)"),
    "surrogate": ("half \ud83d of a pair", "character 6 is half of a surrogate pair (U+D83D)"),
    "not a number": (float("nan"), "must be a finite number"),
    "infinite": (float("-inf"), "must be a finite number"),
}
EVERY_BAD = pytest.mark.parametrize(("value", "said"), BAD.values(), ids=BAD)


@EVERY_BAD
@pytest.mark.parametrize("nested", [False, True], ids=["bare", "nested"])
def test_an_operator_refuses_it_where_the_dag_is_written(value: Any, said: str, nested: bool) -> None:
    config: Any = {"Service": value} if nested else value
    with pytest.raises(BackendParameterError) as error:
        CreateBackendAuthOperator(task_id="add", **NAMES, resource_config=config)
    assert str(error.value).startswith("add: resource_config")
    assert said in str(error.value)
    with pytest.raises(BackendParameterError, match="clone: waiter_delay"):
        CloneBackendOperator(task_id="clone", **NAMES_OF_CLONE, waiter_delay=value)
    with pytest.raises(BackendParameterError, match="clone: botocore_config"):
        CloneBackendOperator(task_id="clone", **NAMES_OF_CLONE, botocore_config={"x": value})


NAMES_OF_CLONE = {"app_id": "d1", "backend_environment_name": "dev", "target_environment_name": "copy"}


@EVERY_BAD
def test_a_sensor_refuses_it_where_the_dag_is_written(value: Any, said: str) -> None:
    for name in ("job_id", "app_id", "no_job_pending", "region_name"):
        parameters = {"app_id": "d1", "backend_environment_name": "dev", "job_id": "j", name: value}
        with pytest.raises(BackendParameterError, match=f"^sensor: {name}"):
            BackendJobSensor(task_id="sensor", **parameters)


FIXED = {"task_id": "add", "app_id": "d1", "backend_environment_name": "dev"}
WAYS_TO_MAP: dict[str, Callable[[Any], Any]] = {
    "fixed": lambda config: CreateBackendAuthOperator.partial(**FIXED, resource_config=config),
    "expanded": lambda config: CreateBackendAuthOperator.partial(**FIXED, resource_name="r").expand(
        resource_config=[{}, config]
    ),
    "expanded over a dictionary": lambda config: CreateBackendAuthOperator.partial(**FIXED, resource_name="r").expand(
        resource_config={"one": config}
    ),
    "by keywords": lambda config: CreateBackendAuthOperator.partial(**FIXED).expand_kwargs(
        [{"resource_config": config}]
    ),
}


@EVERY_BAD
@pytest.mark.parametrize("way", WAYS_TO_MAP)
def test_a_mapped_task_is_refused_where_the_dag_is_written(value: Any, said: str, way: str) -> None:
    with DAG("mapped", schedule=None), pytest.raises(BackendParameterError) as error:
        WAYS_TO_MAP[way]({"Service": value})
    assert str(error.value).startswith("add: resource_config")
    assert said in str(error.value)


@pytest.mark.parametrize("name", ["poke_interval", "timeout"])
@pytest.mark.parametrize("value", [-1, 1e308, 10**30, float("nan"), float("inf"), "60", "{{ x }}s", [], Shy(), True])
def test_seconds_of_a_sensor_that_airflow_fails_on(name: str, value: Any) -> None:
    given: dict[str, Any] = {"task_id": "wait", "app_id": "d1", "backend_environment_name": "dev", "job_id": "j"}
    with pytest.raises(BackendParameterError, match=f"^wait: {name}"):
        BackendJobSensor(**given, **{name: value})
    with DAG("mapped", schedule=None):
        with pytest.raises(BackendParameterError, match=f"^wait: {name}"):
            BackendJobSensor.partial(**given).expand(**{name: [value]})
        with pytest.raises(BackendParameterError, match=f"^wait: {name}"):
            BackendJobSensor.partial(**given, **{name: value})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 3000 + "]" * 3000, "resource_config is "),
        ('{"a": ' * 100_000 + "1" + "}" * 100_000, "resource_config is not valid JSON"),
        ("1" * 5000, "resource_config is not valid JSON"),
        ('{"Service": "\\ud83d"}', "resource_config.Service is a string that cannot be encoded"),
        ('{"Service": 1e400}', "resource_config.Service=inf is not accepted"),
        ("NaN", "resource_config=nan is not accepted"),
        ("null", "resource_config must be a dictionary (or a JSON object as text), not null"),
        ("[]", "resource_config must be a dictionary (or a JSON object as text), not a list"),
        ("true", "resource_config must be a dictionary (or a JSON object as text), not a bool"),
        ("1", "resource_config must be a dictionary (or a JSON object as text), not a int"),
        ('"text"', "resource_config must be a dictionary (or a JSON object as text), not a str"),
    ],
    ids=lambda text: text[:12],
)
def test_json_texts_that_are_no_configuration(text: str, said: str) -> None:
    operator = CreateBackendAuthOperator(task_id="add", **NAMES, resource_config=text)
    with pytest.raises(BackendParameterError, match="add: ") as error:
        operator.build_request()
    assert said in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("read", [as_flag, lambda name, value: as_number(name, value, least=1), as_name])
@pytest.mark.parametrize(
    "value", [Shy(), "x" * 10_000, [], {}, object()], ids=["shy", "long text", "list", "dictionary", "object"]
)
def test_readers_refuse_or_take_a_value_and_never_fail(read: Callable[[str, Any], object], value: Any) -> None:
    try:
        assert read("waiter_delay", value) == value
    except BackendParameterError as error:
        said = str(error)
    else:
        said = "waiter_delay= is taken"
    assert said.startswith("waiter_delay=")
    assert len(said) < 500


def test_a_choice_can_be_anything() -> None:
    odd: tuple[Any, ...] = (Shy(), [], {}, 1, None, "x" * 10_000)
    for value in odd:
        with pytest.raises(BackendParameterError, match="condition="):
            as_choice("condition", value, ("exists", "gone"))


def test_values_shared_by_many_are_looked_at_once() -> None:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    assert [*flaws("resource_config", value)] == []


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_whatever_json_can_hold_is_sound(value: Any) -> None:
    json.dumps(value)
    assert [*flaws("p", value)] == []
    assert len(shown(value)) < 300


# What is written for somebody else

POOL = {"userPoolName": "guests"}
LOOKALIKES: list[tuple[str, Any, str]] = [
    ("cli-inputs of auth", {"version": "1", "cognitoConfig": POOL | {"googleAppSecret": "hush"}}, "cli-inputs.json"),
    ("cli-inputs of api", {"version": 1, "serviceConfiguration": {"apiName": "a"}}, "cli-inputs.json"),
    ("cli-inputs of storage", {"resourceName": "r", "policyUUID": "u", "bucketName": "b"}, "cli-inputs.json"),
    ("addAuth", {"version": 1, "resourceName": "r", "serviceConfiguration": {"serviceName": "Cognito"}}, "headless"),
    ("updateApi", {"version": 1, "serviceModification": {"serviceName": "AppSync"}}, "headless"),
    ("importAuth", {"version": 1, "userPoolId": "u", "webClientId": "w"}, "headless"),
    ("parameters of auth", {"resourceNameTruncated": "r", "userPoolName": "u"}, "parameters.json"),
    ("parameters of api", {"AppSyncApiName": "a", "DynamoDBBillingMode": "PAY_PER_REQUEST"}, "parameters.json"),
    ("meta", {"providers": {"awscloudformation": {}}, "auth": {}}, "amplify-meta.json"),
    ("backend-config", {"auth": {"x": {"service": "Cognito", "providerPlugin": "aws"}}}, "backend-config.json"),
    ("team-provider-info", {"dev": {"awscloudformation": {}}}, "team-provider-info.json"),
    ("outputs", {"version": "1", "auth": {"user_pool_id": "u"}}, "amplify_outputs.json"),
    ("library", {"aws_project_region": "us-east-1"}, "client libraries"),
    ("library without a region", {"aws_user_pools_id": "u", "oauth": {}}, "client libraries"),
    ("cli-inputs of a bucket", {"resourceName": "r", "bucketName": "b", "authAccess": ["READ"]}, "cli-inputs.json"),
    ("cli-inputs of a table", {"tableName": "t", "partitionKey": {"fieldName": "id"}}, "cli-inputs.json"),
    ("cli-inputs below its first member", POOL | {"usernameAttributes": ["email"]}, "cli-inputs.json"),
    ("cli-inputs of a REST API", {"version": 1, "paths": {"/items": {"lambdaFunction": "f"}}}, "REST API"),
    ("parameters of an imported pool", {"resourceName": "r", "serviceType": "imported"}, "parameters.json"),
    ("parameters of a table", {"tableName": "t", "partitionKeyName": "id"}, "parameters.json"),
    ("storage-params", {"groupPermissionMap": {"Admin": []}, "groupList": ["Admin"]}, "storage-params.json"),
    ("addAuth below its first member", {"serviceName": "Cognito", "userPoolConfiguration": {}}, "headless request"),
    ("a user pool of addAuth", POOL | {"signinMethod": "EMAIL"}, "headless request"),
    ("local-env-info", {"projectPath": "/x", "envName": "dev"}, "local-env-info.json"),
    ("an environment of team-provider-info", {"awscloudformation": {}, "categories": {}}, "team-provider-info.json"),
    ("local-aws-info", {"dev": {"profileName": "hush"}}, "in another format than the API's (dev)"),
    ("a backend-config of nothing", {"auth": {}, "api": {}}, "in another format than the API's (api, auth)"),
    ("template", {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}, "CloudFormation template"),
    ("stack parameters", [{"ParameterKey": "a", "ParameterValue": "hush"}], "is a file of CloudFormation parameters"),
    ("request", {"AppId": "d1", "ResourceName": "r", "ResourceConfig": {"Service": "COGNITO"}}, "whole request"),
    ("request in camelCase", {"appId": "d1", "resourceConfig": {}}, "whole request"),
    ("request in snake_case", {"app_id": "d1", "resource_config": {}}, "whole request"),
    ("camelCase", {"authResources": "X", "service": "Y", "userPoolConfigs": POOL}, "AuthResources, Service, UserPoolC"),
    ("snake_case", {"auth_resources": "X", "user_pool_configs": {}}, "AuthResources, UserPoolConfigs"),
    ("lower case", {"authresources": "X", "service": "Y", "userpoolconfigs": {}}, "AuthResources, Service, UserPool"),
]


@pytest.mark.parametrize("as_text", [False, True], ids=["dictionary", "text"])
@pytest.mark.parametrize(("config", "said"), [case[1:] for case in LOOKALIKES], ids=[case[0] for case in LOOKALIKES])
def test_what_is_written_for_somebody_else_gets_one_sentence(config: Any, said: str, as_text: bool) -> None:
    with pytest.raises(ParameterError) as error:
        build_request("UpdateBackendAuth", NAMES | {"resource_config": json.dumps(config) if as_text else config})
    (problem,) = [problem for problem in error.value.problems if "is missing: it is required" not in problem]
    assert said in problem
    assert len(str(error.value)) < 500
    assert "hush" not in str(error.value)


@pytest.mark.parametrize("config", [{"UserPoolName": "guests"}, {"UserPoolName": "guests", "SignInMethod": "EMAIL"}])
def test_members_of_another_operation_of_the_api_are_named_and_no_other_format(config: Any) -> None:
    with pytest.raises(ParameterError) as error:
        build_request("UpdateBackendAuth", NAMES | {"resource_config": {"UserPoolConfigs": config}})
    assert "UserPoolName" in str(error.value)
    assert "of UpdateBackendAuthUserPoolConfig; accepted members: ForgotPassword" in str(error.value)


def test_many_unknown_members_get_one_sentence() -> None:
    with pytest.raises(ParameterError) as error:
        build_request("CreateBackendAuth", NAMES | {"resource_config": {f"Member{number}": 1 for number in range(40)}})
    assert "resource_config has Member0, Member1, Member2, Member3 and 36 more, which are not members of" in str(
        error.value
    )
    assert len(str(error.value)) < 600


def test_the_marks_of_a_get_operator_are_no_secret() -> None:
    social = {
        "Google": {"ClientId": "shop", "ClientSecret": "***"},
        "SignInWithApple": {"ClientId": "shop", "KeyId": "K1", "TeamId": "T1", "PrivateKey": "***"},
    }
    config = {"UserPoolConfigs": {"OAuth": {"SocialProviderSettings": social}}}
    with pytest.raises(ParameterError) as error:
        build_request("UpdateBackendAuth", NAMES | {"resource_config": config})
    for member in ("Google.ClientSecret", "SignInWithApple.PrivateKey"):
        assert f"{member}=*** is the placeholder of a Get operator for a secret" in str(error.value)
    assert "read the secret from an Airflow connection, variable or secrets backend" in str(error.value)


def test_a_value_that_cannot_be_looked_into_is_refused() -> None:
    config: Any = {"Service": Closed(a=1)}
    with pytest.raises(BackendParameterError) as error:
        CreateBackendAuthOperator(task_id="add", **NAMES, resource_config=config)
    assert str(error.value) == "add: resource_config, a dict, cannot be read (RuntimeError)"


@pytest.mark.parametrize("value", [[], ["require"], {}, {"a": 1}, b"require", bytearray(b"x")], ids=repr)
def test_a_mode_of_the_guard_that_is_no_text_is_refused(value: Any) -> None:
    operator = DeleteBackendOperator(task_id="delete", app_id="d1", backend_environment_name="e", guard=value)
    with pytest.raises(BackendParameterError, match=r"guard=<.*> is not one of"):
        operator.validate()


@pytest.mark.parametrize("parameter", ["botocore_config", "only_if"])
def test_the_name_of_a_setting_that_is_very_long_is_cut(parameter: str) -> None:
    operator = DeleteBackendOperator(
        task_id="delete", app_id="d1", backend_environment_name="e", **{parameter: {"k" * 100_000: 1}}
    )
    with pytest.raises(BackendParameterError, match=f"{parameter}.*kkkk") as error:
        operator.validate()
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("length", ["1_0", "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}", "0x10", "1.2.3", ""])
def test_a_number_as_text_has_plain_digits(length: str) -> None:
    config = {"UserPoolConfigs": {"PasswordPolicy": {"MinimumLength": length}}}
    with pytest.raises(ParameterError, match=r"PasswordPolicy.MinimumLength='.*' must be a number"):
        build_request("UpdateBackendAuth", NAMES | {"resource_config": config})
