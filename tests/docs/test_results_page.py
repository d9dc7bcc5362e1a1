"""The examples of docs/results.md run, and its tables name what the API has."""

from __future__ import annotations

import io
import json
import re
import urllib.request
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from airflow_provider_amplifybackend.parameters import service_model
from tests.botocore_model import members_of
from tests.docs.conftest import ROOT
from tests.operators.requests_by_operation import AUTH, FULL
from tests.samples import APP

PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
IMPORTS = """
from airflow_provider_amplifybackend.operators.api import *
from airflow_provider_amplifybackend.operators.storage import *
"""
API = {
    "ApiName": "shop",
    "TransformSchema": "type Order @model {# totals\n id: ID! }\n",
    "DefaultAuthType": {"Mode": "AMAZON_COGNITO_USER_POOLS", "Settings": {"CognitoUserPoolId": "the-source's"}},
    "AdditionalAuthTypes": [{"Mode": "API_KEY"}],
}


def chapter(title: str) -> str:
    return re.split(r"^##+ ", PAGE.partition(f" {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def example(title: str) -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```", chapter(title), re.DOTALL | re.MULTILINE)
    return str(block)


def rows(title: str) -> list[list[str]]:
    lines = [line for line in chapter(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def paths(shape: Any) -> dict[str, Any]:
    """Every member below a structure by its path; a list of structures counts as one of them."""
    found = {}
    for name, member in shape.members.items():
        inner = member.member if member.type_name == "list" else member
        found[name] = inner
        if inner.type_name == "structure":
            found |= {f"{name}.{path}": below for path, below in paths(inner).items()}
    return found


def config_shape(operation: str, *, output: bool = False) -> Any:
    model = service_model.service_model().operation_model(operation)
    return members_of(model.output_shape if output else model.input_shape)["ResourceConfig"]


@pytest.fixture
def run(dags: Any, service: Any) -> Any:
    """Runs an example in an app with two full environments."""
    config = json.loads(json.dumps(AUTH))
    config["UserPoolConfigs"]["OAuth"]["DomainPrefix"] = "source"
    config["UserPoolConfigs"]["VerificationMessage"] = {
        "DeliveryMethod": "EMAIL",
        "EmailSettings": {"EmailMessage": "Your code is {####}", "EmailSubject": "{{ no template }}"},
    }
    source = {"name": "staging", "auth": {"people": config}, "api": {"shop": API}, "storage": {"files": None}}
    target = FULL | {"name": "prod", "auth": {"people": None}, "api": {"shop": None}, "storage": {"files": None}}
    service.control.seed_app(APP, source, target, app_name="shop")

    def run(title: str) -> Any:
        finished = dags.run(IMPORTS + example(title))
        assert set(finished.states.values()) <= {"success", "skipped"}, [finished.errors(id) for id in finished.states]
        return finished

    return run


def test_the_example_of_members_reaches_what_is_nested(run: Any) -> None:
    finished = run("Members of a result")
    assert finished.xcom("stack_of") == finished.xcom("look", "stack_name")
    assert finished.xcom("auth")["ResourceName"] == "people"


def test_what_is_not_to_be_done_with_members_is_refused_by_airflow(dags: Any) -> None:
    body = 'app = GetBackendOperator(task_id="app", app_id=APP)\n'
    with pytest.raises(AssertionError, match="cannot map over XCom with custom key"):
        dags.load(
            f"{body}GetBackendOperator.partial(task_id='each', app_id=APP).expand("
            "backend_environment_name=app.output['BackendEnvironmentList'])"
        )
    nested = 'GetBackendOperator(task_id="look", app_id=APP).output["AmplifyMetaConfig"]["auth"]'
    dag = dags.load(
        f"UpdateBackendAuthOperator(task_id='t', app_id={nested}, backend_environment_name='a', "
        "resource_name='r', resource_config={})"
    )
    assert dag.task_dict["t"].app_id.key == "auth"


def test_the_example_of_a_missing_environment_skips_what_needs_it(run: Any) -> None:
    finished = run("A missing environment")
    assert finished.states == {"look": "success", "is_there": "success"}
    assert finished.xcom("is_there") is False


def test_the_example_with_an_api_key_uses_it_and_stores_it_nowhere(
    run: Any, service: Any, monkeypatch: pytest.MonkeyPatch, everything_is_logged: None
) -> None:
    sent = []

    def answer(query: urllib.request.Request, timeout: float) -> io.BytesIO:
        sent.append(query)
        return io.BytesIO(b'{"data": {"listOrders": {"items": [{"id": 1}, {"id": 2}]}}}')

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    finished = run("An API key inside a task")
    meta = json.loads(service.client().get_backend(AppId=APP, BackendEnvironmentName="staging")["AmplifyMetaConfig"])
    key = meta["api"]["shop"]["output"]["GraphQLAPIKeyOutput"]
    assert [query.get_header("X-api-key") for query in sent] == [key]
    assert finished.xcom("orders") == 2
    assert key not in json.dumps(list(finished.xcoms().values()))
    assert key not in "".join(str(line) for line in finished.log_lines if "MaskSecret" not in str(line))


def test_the_example_that_keeps_a_key_writes_it_to_the_secrets_backend_and_nowhere_else(
    dags: Any, airflow_home: Any, monkeypatch: pytest.MonkeyPatch, everything_is_logged: None
) -> None:
    with LocalAmplifyBackend(with_moto=True) as local:
        local.control.seed_app(APP, FULL | {"name": "staging", "api": {"shop": API}}, app_name="shop")
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_json(local.endpoint_url))
        answer = local.client().get_backend(AppId=APP, BackendEnvironmentName="staging")
        key = json.loads(answer["AmplifyMetaConfig"])["api"]["shop"]["output"]["GraphQLAPIKeyOutput"]
        kept = f"amplify/{APP}/staging/api-key"
        vault = local.client("secretsmanager")
        vault.create_secret(Name=kept, SecretString="none yet")
        finished = dags.run(example("A secret for others"))
        assert finished.states == {"keep_api_key": "success"}, finished.errors("keep_api_key")
        assert vault.get_secret_value(SecretId=kept)["SecretString"] == key
    assert finished.xcoms() == {}
    assert key not in "".join(str(line) for line in finished.log_lines if "MaskSecret" not in str(line))
    assert key.encode() not in (airflow_home / "airflow.db").read_bytes()


def test_the_example_of_copying_changes_the_target_and_keeps_what_is_its_own(run: Any, service: Any) -> None:
    client = service.client()
    where = {"AppId": APP, "BackendEnvironmentName": "prod"}
    before = client.get_backend_auth(ResourceName="people", **where)["ResourceConfig"]["UserPoolConfigs"]
    bucket = client.get_backend_storage(ResourceName="files", **where)["ResourceConfig"]["BucketName"]
    finished = run("Copying a configuration to another environment")
    source = AUTH["UserPoolConfigs"]
    auth = client.get_backend_auth(ResourceName="people", **where)["ResourceConfig"]["UserPoolConfigs"]
    assert (auth["PasswordPolicy"], auth["Mfa"]) == (source["PasswordPolicy"], source["Mfa"])
    assert auth["VerificationMessage"]["EmailSettings"] == {
        "EmailMessage": "Your code is {####}",
        "EmailSubject": "{{ no template }}",
    }
    assert auth["UserPoolName"] == before["UserPoolName"]
    assert set(auth["OAuth"]) == {"OAuthGrantType", "OAuthScopes"}
    assert "***" not in json.dumps(auth)
    api = client.get_backend_api(ResourceName="shop", **where)["ResourceConfig"]
    assert api["TransformSchema"] == API["TransformSchema"]
    assert api["DefaultAuthType"]["Settings"]["CognitoUserPoolId"] == finished.xcom("target", "user_pool_id")
    storage = client.get_backend_storage(ResourceName="files", **where)["ResourceConfig"]
    assert storage["BucketName"] == bucket
    assert client.get_backend_api_models(ResourceName="shop", **where)["Status"] == "LATEST"


@pytest.mark.parametrize("row", range(3))
def test_the_table_of_copying_has_exactly_what_update_refuses(row: int) -> None:
    resource, refused, _ = rows("Copying a configuration to another environment")[row]
    name = {"auth": "Auth", "api": "API", "storage": "Storage"}[resource]
    got, taken = config_shape(f"GetBackend{name}", output=True), config_shape(f"UpdateBackend{name}")
    assert set(codes(refused)) == paths(got).keys() - paths(taken).keys()


@pytest.mark.parametrize(("title", "name"), [("Auth", "Auth"), ("API", "API"), ("Storage", "Storage")])
def test_the_tables_of_the_clis_files_name_every_member_and_value_of_the_api(title: str, name: str) -> None:
    members = paths(config_shape(f"CreateBackend{name}"))
    accepted = {value for shape in members.values() for value in getattr(shape, "enum", ())}
    named = [code for _, ours in rows(title) for code in codes(ours)]
    assert {code for code in named if code not in members and code not in accepted} <= {'["EMAIL"]'}
    leaves = {path for path, shape in members.items() if shape.type_name != "structure"}
    left_out = {
        path for path in leaves - set(named) if "ForgotPassword" not in path and "AdditionalAuthTypes" not in path
    }
    assert left_out == set()


def test_the_example_of_labels_loads(dags: Any, service: Any) -> None:
    dag = dags.load(example("Labels of mapped tasks"))
    assert dag.task_dict["by_region"].map_index_template == "{{ task.region_name }}"
    assert "backend_environment_name" in dag.task_dict["by_name"].map_index_template
