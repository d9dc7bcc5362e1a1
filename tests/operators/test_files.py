"""Configurations from files, from other tasks, and what only looks like a file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.model import StructureShape

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.parameters import service_model
from tests.dag_run import DagRunner, Finished
from tests.fixture_types import WriteFile
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


def run(dags: DagRunner, body: str, **options: Any) -> Finished:
    finished = dags.run(IMPORTS + COMMON + body, options='params={"kind": "Note", "length": 12}', **options)
    assert set(finished.states.values()) == {"success"}, [finished.errors(task_id) for task_id in finished.states]
    return finished


def _is_stored(line: dict[str, Any]) -> bool:
    """Only dag.test() logs what a task asks Airflow to mask; a task's process hands it over without a word."""
    return "MaskSecret" not in str(line)


def configs(service: LocalAmplifyBackend, operation: str) -> list[dict[str, Any]]:
    """The configurations that the service was given, in the order in which it got them."""
    return [entry["parameters"]["ResourceConfig"] for entry in service.control.journal(operation, effective=True)]


def test_a_configuration_can_be_a_json_file_with_templates_inside(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile
) -> None:
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


def test_the_configuration_of_a_login_can_be_a_json_file(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile
) -> None:
    service.control.seed_app("dconfigured", config={})
    files("login.json", '{"AwsUserPoolsId": "us-east-1_{{ params.kind }}"}')
    run(dags, 'UpdateBackendConfigOperator(task_id="login", app_id="dconfigured", login_auth_config="login.json")')
    (entry,) = service.control.journal("UpdateBackendConfig")
    assert entry["parameters"]["LoginAuthConfig"] == {"AwsUserPoolsId": "us-east-1_Note"}


@pytest.mark.parametrize("folder", ["", "schemas/"])
def test_a_schema_file_can_be_named_inside_a_dictionary(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile, folder: str
) -> None:
    files(f"{folder}notes.graphql", SCHEMA)
    config = API | {"TransformSchema": f"{folder}notes.graphql"}
    finished = run(
        dags, f'CreateBackendAPIOperator(task_id="api", resource_name="n", resource_config={config!r}, **common)'
    )
    assert configs(service, "CreateBackendAPI") == [API | {"TransformSchema": RENDERED_SCHEMA}]
    assert finished.rendered("api")["resource_config"]["TransformSchema"] == RENDERED_SCHEMA


def test_a_schema_file_can_be_named_inside_a_json_file(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile
) -> None:
    files("notes.graphql", RENDERED_SCHEMA)
    files("api.json", API | {"TransformSchema": "notes.graphql"})
    run(dags, 'CreateBackendAPIOperator(task_id="api", resource_name="n", resource_config="api.json", **common)')
    assert configs(service, "CreateBackendAPI") == [API | {"TransformSchema": RENDERED_SCHEMA}]


def test_a_file_that_is_not_there_is_named_and_nothing_is_sent(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile
) -> None:
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


def test_a_file_that_is_no_json_is_reported_without_its_content(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile
) -> None:
    files("auth.json", '{"ClientSecret": "s3cret-of-google",}')
    finished = dags.run(
        IMPORTS
        + COMMON
        + ('CreateBackendAuthOperator(task_id="auth", resource_name="n", resource_config="auth.json", **common)')
    )
    error = finished.error("auth")
    assert error.startswith("BackendParameterError")
    assert "resource_config (auth.json) is not valid JSON" in error
    assert "JSON has no comments and no trailing commas" in error
    assert "s3cret" not in error
    assert not service.control.journal("CreateBackendAuth")


def test_values_that_merely_end_like_a_file_are_literals(dags: DagRunner, service: LocalAmplifyBackend) -> None:
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


def test_results_of_other_tasks_work_at_every_depth_of_a_configuration(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
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


def test_mapped_tasks_take_configurations_from_other_tasks_and_files(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile
) -> None:
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


def test_every_configuration_is_shown_as_json_and_can_be_a_file() -> None:
    for name, cls in operator_classes().items():
        for parameter, member in service_model.members(cls.api_operation).items():
            shape = service_model.input_shape(cls.api_operation).members[member]
            if isinstance(shape, StructureShape) and shape.members:
                assert cls.template_fields_renderers[parameter] == "json", name
                assert ".json" in cls.template_ext, name
                assert (".graphql" in cls.template_ext) or "TransformSchema" not in shape.members, name
        assert set(cls.template_fields_renderers) <= set(cls.template_fields), name


@pytest.mark.parametrize("native", [False, True])
def test_a_request_of_another_tool_is_named_in_every_form_however_deep_its_secret(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile, native: bool
) -> None:
    secret = "hush-of-google-1234"
    deep = {"oAuth": {"socialProviderConfigurations": [{"provider": "GOOGLE", "clientSecret": secret}]}}
    requests: dict[str, dict[str, Any]] = {
        "headless": {"version": 1, "serviceConfiguration": {"userPoolConfiguration": deep}},
        "change": {"version": 1, "serviceModification": {"userPoolModification": deep}},
        "part": {"userPoolConfiguration": {"more": deep}},
        "whole": {"ResourceName": "r", "ResourceConfig": {"UserPoolConfigs": {"more": deep}}},
        "team": {"dev": {"awscloudformation": {}, "categories": {"auth": {"x": deep}}}},
        "stack": {"Resources": {"Pool": {"Properties": deep}}},
    }
    words = {
        "headless": "is a headless request of the Amplify CLI",
        "change": "is a headless request of the Amplify CLI",
        "part": "is a part of a headless request",
        "whole": "is a whole request or response of the API",
        "team": "is a file of the Amplify CLI's backend folder",
        "stack": "is a CloudFormation template",
    }
    body = IMPORTS + COMMON
    for name, request in requests.items():
        files(f"{name}.json", request)
        files(f"{name}_template.json", request | {"comment": "{{ params.kind }}"})
        forms = [request, json.dumps(request), f"{name}.json", f"{name}_template.json"]
        for number, form in enumerate(forms):
            body += (
                f'CreateBackendAuthOperator(task_id="{name}_{number}", resource_name="n", '
                f"resource_config={form!r}, **common)\n"
            )
    finished = dags.run(body, options=f'params={{"kind": "Note"}}, render_template_as_native_obj={native}')
    for name, word in words.items():
        for number in range(4):
            error = finished.error(f"{name}_{number}")
            assert f"resource_config {word}" in error, error
            assert secret not in error
            stored = json.dumps(finished.rendered(f"{name}_{number}"))
            assert secret not in stored
            assert '"\\"{' not in stored  # quoted once more
    assert not service.control.journal()


def test_a_member_that_is_there_twice_is_named_with_its_file(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile
) -> None:
    twice = json.dumps(AUTH)[:-1] + ', "UserPoolConfigs": {"UserPoolName": "{{ params.kind }}"}}'
    files("dup.json", twice)
    body = "".join(
        f"CreateBackendAuthOperator(task_id={task!r}, resource_name='n', resource_config={form!r}, **common)\n"
        for task, form in {"file": "dup.json", "text": twice}.items()
    )
    finished = dags.run(IMPORTS + COMMON + body, options='params={"kind": "Note"}')
    assert "resource_config (dup.json) has UserPoolConfigs more than once" in finished.error("file")
    assert "resource_config has UserPoolConfigs more than once" in finished.error("text")
    assert not service.control.journal()


@pytest.mark.parametrize("name", ["sch.gql", "SCH.GRAPHQL", "sch.graphql ", "my schemas/sch.txt", "sch.graphqls"])
def test_a_file_name_is_no_schema(dags: DagRunner, service: LocalAmplifyBackend, name: str) -> None:
    finished = dags.run(
        IMPORTS
        + COMMON
        + 'CreateBackendAPIOperator(task_id="api", resource_name="n", '
        + f"resource_config={ {**API, 'TransformSchema': name}!r}, **common)"
    )
    assert f"TransformSchema={name!r} is a file name, not a schema; only a name that ends in .graphql" in (
        finished.error("api")
    )
    assert not service.control.journal("CreateBackendAPI")


def test_a_tag_that_is_not_closed_is_reported_where_it_begins(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile
) -> None:
    files("first.graphql", "# {{ unclosed\ntype A { id: ID! }\n")
    files("second.graphql", "# {{ params.kind }}\n# {{ unclosed\n\ntype A { id: ID! }\n")
    body = "".join(
        f"CreateBackendAPIOperator(task_id={name!r}, resource_name='n', "
        f"resource_config={ {**API, 'TransformSchema': f'{name}.graphql'}!r}, **common)\n"
        for name in ("first", "second")
    )
    finished = dags.run(IMPORTS + COMMON + body, options='params={"kind": "Note"}')
    for name, line in {"first": 1, "second": 2}.items():
        assert f"TransformSchema ({name}.graphql), line {line}: Jinja cannot render it" in finished.error(name)
    assert not service.control.journal()
