"""Configurations from files, from other tasks, and what only looks like a file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_amplifybackend.parameters import service_model
from tests.operators.requests_by_operation import (
    API,
    AUTH,
    IMPORTS,
    STORAGE,
    operator_classes,
    shared_botocore_data,  # noqa: F401
)

COMMON = 'common = dict(app_id=APP, backend_environment_name="staging", waiter_delay=0.1)\n'
SCHEMA = "type {{ params.kind }} @model { id: ID! }"
RENDERED_SCHEMA = "type Note @model { id: ID! }"


def run(dags, body: str, **options):
    finished = dags.run(IMPORTS + COMMON + body, options='params={"kind": "Note", "length": 12}', **options)
    assert set(finished.states.values()) == {"success"}, [finished.errors(task_id) for task_id in finished.states]
    return finished


def _is_stored(line: dict[str, Any]) -> bool:
    """Only dag.test() logs what a task asks Airflow to mask; a task's process hands it over without a word."""
    return "MaskSecret" not in str(line)


def configs(service, operation: str) -> list[dict[str, Any]]:
    """The configurations that the service was given, in the order in which it got them."""
    return [entry["parameters"]["ResourceConfig"] for entry in service.control.journal(operation, effective=True)]


def test_a_configuration_can_be_a_json_file_with_templates_inside(dags, service, files):
    text = (
        json.dumps(AUTH)
        .replace('"people"', '"{{ params.kind }}{{ dag.dag_id[:3] }}"')
        .replace("12.0", "{{ params.length }}")
    )
    files("auth.json", text)
    finished = run(
        dags,
        'CreateBackendAuthOperator(task_id="auth", resource_name="people", resource_config="auth.json", **common)',
    )
    (config,) = configs(service, "CreateBackendAuth")
    expected = json.loads(json.dumps(AUTH).replace('"people"', '"Notedag"'))
    assert config == expected
    shown = finished.rendered("auth")["resource_config"]
    assert "Notedag" in shown
    assert "s3cret" not in json.dumps(finished.rendered("auth"))
    assert "s3cret" not in "".join(map(str, filter(_is_stored, finished.log_lines)))


def test_the_configuration_of_a_login_can_be_a_json_file(dags, service, files):
    service.control.seed_app("dconfigured", config={})
    files("login.json", '{"AwsUserPoolsId": "us-east-1_{{ params.kind }}"}')
    run(dags, 'UpdateBackendConfigOperator(task_id="login", app_id="dconfigured", login_auth_config="login.json")')
    (entry,) = service.control.journal("UpdateBackendConfig")
    assert entry["parameters"]["LoginAuthConfig"] == {"AwsUserPoolsId": "us-east-1_Note"}


@pytest.mark.parametrize("folder", ["", "schemas/"])
def test_a_schema_file_can_be_named_inside_a_dictionary(dags, service, files, folder):
    files(f"{folder}notes.graphql", SCHEMA)
    config = API | {"TransformSchema": f"{folder}notes.graphql"}
    finished = run(
        dags, f'CreateBackendAPIOperator(task_id="api", resource_name="n", resource_config={config!r}, **common)'
    )
    assert configs(service, "CreateBackendAPI") == [API | {"TransformSchema": RENDERED_SCHEMA}]
    assert finished.rendered("api")["resource_config"]["TransformSchema"] == RENDERED_SCHEMA


def test_a_schema_file_can_be_named_inside_a_json_file(dags, service, files):
    files("notes.graphql", RENDERED_SCHEMA)
    files("api.json", API | {"TransformSchema": "notes.graphql"})
    run(dags, 'CreateBackendAPIOperator(task_id="api", resource_name="n", resource_config="api.json", **common)')
    assert configs(service, "CreateBackendAPI") == [API | {"TransformSchema": RENDERED_SCHEMA}]


def test_a_file_that_is_not_there_is_named_and_nothing_is_sent(dags, service, files):
    service.control.clear_journal()
    files("api.json", API | {"TransformSchema": "nowhere.graphql"})
    finished = dags.run(
        IMPORTS
        + COMMON
        + """
CreateBackendAPIOperator(task_id="in_json", resource_name="n", resource_config="api.json", **common)
CreateBackendAPIOperator(
    task_id="in_dict", resource_name="n", resource_config={"TransformSchema": "nowhere.graphql"}, **common
)
"""
    )
    assert finished.states == {"in_json": "failed", "in_dict": "failed"}
    assert "nowhere.graphql" in finished.error("in_json")
    assert "nowhere.graphql" in finished.log
    assert not service.control.journal("CreateBackendAPI")


def test_a_file_that_is_no_json_is_reported_without_its_content(dags, service, files):
    files("auth.json", '{"ClientSecret": "s3cret-of-google",}')
    finished = dags.run(
        IMPORTS
        + COMMON
        + ('CreateBackendAuthOperator(task_id="auth", resource_name="n", resource_config="auth.json", **common)')
    )
    error = finished.error("auth")
    assert error.startswith("BackendParameterError")
    assert "resource_config is not valid JSON" in error
    assert "s3cret" not in error
    assert not service.control.journal("CreateBackendAuth")


def test_values_that_merely_end_like_a_file_are_literals(dags, service):
    run(
        dags,
        """
CreateBackendStorageOperator(
    task_id="storage",
    resource_name=literal("pictures.json"),
    resource_config={
        "BucketName": literal("pictures.json"), "Permissions": {"Authenticated": ["READ"]}, "ServiceName": "S3"
    },
    **common,
)
""",
    )
    (entry,) = service.control.journal("CreateBackendStorage")
    assert entry["parameters"]["ResourceName"] == "pictures.json"
    assert entry["parameters"]["ResourceConfig"] == STORAGE | {"BucketName": "pictures.json"}


XCOM_ARGS = """
@task(multiple_outputs=True)
def choose():
    return {whole!r}

chosen = choose()

CreateBackendAuthOperator(task_id="whole", resource_name="whole", resource_config=chosen, **common) >> (
    CreateBackendAuthOperator(
        task_id="parts",
        resource_name="parts",
        resource_config={{
            "AuthResources": chosen["AuthResources"],
            "IdentityPoolConfigs": {{"IdentityPoolName": "people", "UnauthenticatedLogin": named("login")}},
            "Service": "COGNITO",
            "UserPoolConfigs": {{
                "Mfa": {{"MFAMode": "OPTIONAL", "Settings": {{"MfaTypes": [named("type")]}}}},
                "OAuth": named("oauth"),
                "PasswordPolicy": {{"AdditionalConstraints": named("constraints"), "MinimumLength": named("length")}},
                "RequiredSignUpAttributes": ["EMAIL"],
                "SignInMethod": "{{{{ ti.xcom_pull(task_ids='choose')['UserPoolConfigs']['SignInMethod'] }}}}",
                "UserPoolName": "people",
            }},
        }},
        **common,
    )
)
"""


def test_results_of_other_tasks_work_at_every_depth_of_a_configuration(dags, service):
    user_pool = AUTH["UserPoolConfigs"]
    values = {
        "login": True,
        "type": "TOTP",
        "oauth": user_pool["OAuth"],
        "constraints": ["REQUIRE_DIGIT"],
        "length": 12,
    }
    givers = f"""
values = {values!r}

def named(name):
    return task(task_id=name)(lambda: values[name])()

"""
    run(dags, givers + XCOM_ARGS.format(whole=AUTH))
    assert configs(service, "CreateBackendAuth") == [AUTH, AUTH]


def test_mapped_tasks_take_configurations_from_other_tasks_and_files(dags, service, files):
    service.control.seed_app("dmapped", "one", "two", "three")
    files("one.json", STORAGE)
    finished = run(
        dags,
        f"""
@task
def choose():
    return [
        {{"backend_environment_name": "one", "resource_config": "one.json"}},
        {{"backend_environment_name": "two", "resource_config": {json.dumps(json.dumps(STORAGE))}}},
        {{"backend_environment_name": "three", "resource_config": {STORAGE!r}}},
    ]

CreateBackendStorageOperator.partial(
    task_id="storage", app_id="dmapped", resource_name="files", waiter_delay=0.1
).expand_kwargs(choose())
""",
    )
    assert configs(service, "CreateBackendStorage") == [STORAGE] * 3
    assert finished.xcom("storage", map_index=1)["BackendEnvironmentName"] == "two"


def test_every_configuration_is_shown_as_json_and_can_be_a_file():
    for name, cls in operator_classes().items():
        for parameter, member in service_model.members(cls.api_operation).items():
            shape = service_model.input_shape(cls.api_operation).members[member]
            if shape.type_name == "structure" and shape.members:
                assert cls.template_fields_renderers[parameter] == "json", name
                assert ".json" in cls.template_ext, name
                assert (".graphql" in cls.template_ext) or "TransformSchema" not in shape.members, name
        assert set(cls.template_fields_renderers) <= set(cls.template_fields), name
