"""Client secrets and keys that come from a template, a Variable or an XCom are nowhere to be read in clear.

What Airflow itself makes impossible: a secret that is written into the DAG file stands in the serialized DAG and in
the DAG's source, both in the database, and an XCom or a `dag_run.conf` that carries a secret to our task is stored
by whoever made it.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner, Finished
from tests.samples import APP, auth

pytestmark = pytest.mark.usefixtures("everything_is_logged")

CONFIG = auth(
    OAuth={
        "OAuthGrantType": "CODE",
        "OAuthScopes": ["EMAIL"],
        "RedirectSignInURIs": ["https://example.com/"],
        "RedirectSignOutURIs": ["https://example.com/"],
        "SocialProviderSettings": {"Google": {"ClientId": "google-id", "ClientSecret": "SECRET"}},
    },
)


def config(secret: str, **more: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(CONFIG).replace("SECRET", secret))
    document["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"] |= more
    return document


def new_secret() -> str:
    return f"hush-{uuid.uuid4().hex}"


# Airflow's in-process supervisor, which only dag.test() has, logs the message that asks for masking.
ASKS_FOR_MASKING = "MaskSecret"


def assert_unseen(run: Finished, airflow_home: Path, *secrets: str, unless: tuple[str, ...] = ()) -> None:
    """None of the secrets is in the log of our task or in any table but `unless`, however it is written there."""
    lines = [json.dumps(line) for line in run.log_lines if line["task"] == "add_auth"]
    assert lines
    tables = dict(_tables(airflow_home))
    for secret in secrets:
        for line in lines:
            assert secret not in line or ASKS_FOR_MASKING in line, line[:2000]
        assert [name for name, text in tables.items() if secret in text and name not in unless] == []


def _tables(airflow_home: Path) -> Iterator[tuple[str, str]]:
    with sqlite3.connect(airflow_home / "airflow.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = database.execute(f'SELECT * FROM "{name}"').fetchall()
            yield name, "\n".join(str(row) for row in rows).replace("\\\\", "\\")


ADD_AUTH = """
CreateBackendAuthOperator(
    task_id="add_auth", app_id=APP, backend_environment_name="staging", resource_name="people",
    waiter_delay=0.1, deferrable={deferrable}, resource_config={config},
)
"""


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("form", ["member", "whole", "text"])
def test_a_secret_from_a_variable(
    dags: DagRunner,
    service: LocalAmplifyBackend,
    airflow_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    deferrable: bool,
) -> None:
    secret = new_secret()
    monkeypatch.setenv("AIRFLOW_VAR_GOOGLE", secret)
    monkeypatch.setenv("AIRFLOW_VAR_CONFIG", json.dumps(config(secret)))
    written = {
        "member": repr(config("{{ var.value.google }}")),
        "whole": "'{{ var.value.config }}'",
        "text": f"'''{json.dumps(config('{{ var.value.google }}'))}'''",
    }[form]
    service.control.set(job_seconds=0.4)
    run = dags.run(ADD_AUTH.format(config=written, deferrable=deferrable))
    assert run.states == {"add_auth": "success"}, run.errors("add_auth")
    (start,) = service.control.journal("CreateBackendAuth")
    assert secret in json.dumps(start["parameters"])
    assert "***" in json.dumps(run.rendered("add_auth")["resource_config"])
    assert_unseen(run, airflow_home, secret)


@pytest.mark.parametrize("levels", [5, 6, 12])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_secret_that_is_nested_deeper_than_airflow_masks(
    dags: DagRunner, airflow_home: Path, monkeypatch: pytest.MonkeyPatch, mapped: bool, levels: int
) -> None:
    secret = new_secret()
    monkeypatch.setenv("AIRFLOW_VAR_KEY", secret)
    written: Any = {"keyId": "k", "privateKey": "{{ var.value.key }}"}  # Airflow itself knows no such name
    for level in range(levels - 1):
        written = [written] if level % 2 else {"inner": written}
    common = "task_id='add_auth', app_id=APP, backend_environment_name='staging', resource_name='people'"
    given = (
        f".partial({common}).expand(resource_config=[{written!r}])"
        if mapped
        else f"({common}, resource_config={written!r})"
    )
    run = dags.run("CreateBackendAuthOperator" + given)
    assert set(run.states.values()) == {"failed"}
    rendered = json.dumps(run.rendered("add_auth", 0 if mapped else -1)["resource_config"])
    assert "***" in rendered
    assert "keyId" in rendered
    assert_unseen(run, airflow_home, secret)


def test_a_secret_from_an_xcom_stays_in_that_xcom(
    dags: DagRunner, airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = new_secret()
    monkeypatch.setenv("AIRFLOW_VAR_CONFIG", json.dumps(config(secret)))
    run = dags.run(
        """
        @task
        def fetch():
            return Variable.get("config", deserialize_json=True)

        CreateBackendAuthOperator(
            task_id="add_auth", app_id=APP, backend_environment_name="staging", resource_name="people",
            waiter_delay=0.1, resource_config=fetch(),
        )
        """
    )
    assert run.states == {"fetch": "success", "add_auth": "success"}
    xcoms = run.xcoms()
    assert [key for key, value in xcoms.items() if secret in json.dumps(value)] == [("fetch", -1, "return_value")]
    assert secret not in json.dumps(run.rendered("add_auth"))
    assert_unseen(run, airflow_home, secret, unless=("xcom",))


def test_the_secrets_of_mapped_configurations(
    dags: DagRunner, service: LocalAmplifyBackend, airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = [new_secret(), new_secret()]
    monkeypatch.setenv("AIRFLOW_VAR_CONFIGS", json.dumps([config(secret) for secret in secrets]))
    service.control.seed_app(APP, "one", "two")
    run = dags.run("""
        @task
        def configs():
            return [
                {"backend_environment_name": name, "resource_config": config}
                for name, config in zip(("one", "two"), Variable.get("configs", deserialize_json=True))
            ]

        CreateBackendAuthOperator.partial(
            task_id="add_auth", app_id=APP, resource_name="people", waiter_delay=0.1
        ).expand_kwargs(configs())
    """)
    assert run.states == {"configs": "success", "add_auth[0]": "success", "add_auth[1]": "success"}
    for index, secret in enumerate(secrets):
        rendered = run.rendered("add_auth", index)["resource_config"]
        assert secret not in json.dumps(rendered)
        assert "***" in json.dumps(rendered)
    sent = json.dumps([entry["parameters"] for entry in service.control.journal("CreateBackendAuth")])
    assert all(secret in sent for secret in secrets)
    assert_unseen(run, airflow_home, *secrets, unless=("xcom",))


def test_secrets_with_signs_that_json_escapes(
    dags: DagRunner, service: LocalAmplifyBackend, airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = uuid.uuid4().hex
    secret = f'hush"quoted"\\and\\{tail}'
    monkeypatch.setenv("AIRFLOW_VAR_CONFIG", json.dumps(_with_secret(secret)))
    run = dags.run(ADD_AUTH.format(config="'{{ var.value.config }}'", deferrable=False))
    assert run.states == {"add_auth": "success"}
    assert_unseen(run, airflow_home, tail)


def _with_secret(secret: str) -> dict[str, Any]:
    document = config("x")
    document["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]["Google"]["ClientSecret"] = secret
    return document


@pytest.mark.parametrize("form", ["dictionary", "text"])
def test_a_private_key_of_several_lines(
    dags: DagRunner, service: LocalAmplifyBackend, airflow_home: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    lines = [uuid.uuid4().hex * 2 for _ in range(3)]
    key = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])
    apple = {"ClientId": "apple-id", "KeyId": "key-id", "PrivateKey": key, "TeamId": "team-id"}
    document = json.dumps(config(new_secret(), SignInWithApple=apple))
    monkeypatch.setenv("AIRFLOW_VAR_CONFIG", document)
    run = dags.run(
        ADD_AUTH.format(config="'{{ var.value.config }}'", deferrable=False),
        options=f"render_template_as_native_obj={form == 'dictionary'}",
    )
    assert run.states == {"add_auth": "success"}, run.errors("add_auth")
    assert_unseen(run, airflow_home, *lines)


def test_a_configuration_too_long_for_the_page_of_rendered_fields(
    dags: DagRunner, airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = new_secret()
    document = config(secret)
    uris = [f"https://example.com/{number:05}" for number in range(400)]
    document["UserPoolConfigs"]["OAuth"]["RedirectSignInURIs"] = uris
    monkeypatch.setenv("AIRFLOW_VAR_CONFIG", json.dumps(document))
    run = dags.run(
        ADD_AUTH.format(config="'{{ var.value.config }}'", deferrable=False),
        options="render_template_as_native_obj=True",
    )
    assert run.states == {"add_auth": "success"}
    assert_unseen(run, airflow_home, secret)


@pytest.mark.parametrize("form", ["json with a comma too many", "a dictionary as Python writes it"])
def test_text_that_is_not_json_after_all(
    dags: DagRunner, airflow_home: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    secret = new_secret()
    document = config(secret)
    monkeypatch.setenv("AIRFLOW_VAR_CONFIG", json.dumps(document)[:-1] + ",}" if "comma" in form else repr(document))
    run = dags.run(ADD_AUTH.format(config="'{{ var.value.config }}'", deferrable=False))
    assert run.states == {"add_auth": "failed"}
    assert_unseen(run, airflow_home, secret)


SPELLINGS = {
    "camel case": {"clientSecret": "PLANTED"},
    "snake case": {"client_secret": "PLANTED"},
    "upper case": {"CLIENT_SECRET": "PLANTED"},
    "the Amplify CLI's": {"cognitoConfig": {"googleAppSecretUserPool": "PLANTED"}},
    "the Amplify CLI's key": {"cognitoConfig": {"signinwithapplePrivateKeyUserPool": "PLANTED"}},
    "JSON in JSON": {"hostedUIProviderCreds": '[{"ProviderName": "Google", "client_secret": "PLANTED"}]'},
    "JSON in JSON in JSON": {"config": json.dumps(json.dumps({"clientSecret": "PLANTED"}))},
    "YAML in JSON": {"config": "google:\n  client_secret: PLANTED\n"},
    "an API key": {"apiKey": "PLANTED"},
}


@pytest.mark.parametrize("how", SPELLINGS)
@pytest.mark.parametrize("form", ["dictionary", "text", "file"])
def test_a_secret_by_another_name_is_in_no_rendered_field(
    dags: DagRunner,
    airflow_home: Path,
    files: Callable[[str, Any], None],
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    how: str,
) -> None:
    secret = new_secret()
    monkeypatch.setenv("AIRFLOW_VAR_GOOGLE", secret)
    document = json.dumps(SPELLINGS[how]).replace("PLANTED", "{{ var.value.google }}")
    files("by_another_name.json", document)
    written = {"dictionary": document, "text": f"r'''{document}'''", "file": "'by_another_name.json'"}[form]
    run = dags.run(ADD_AUTH.format(config=written, deferrable=False))
    assert run.states == {"add_auth": "failed"}
    assert "***" in json.dumps(run.rendered("add_auth")["resource_config"])
    assert_unseen(run, airflow_home, secret)


FORMS = {
    "tojson": "'''{\"ClientSecret\": {{ var.value.google | tojson }}}'''",
    "unquoted": "'''{clientSecret: {{ var.value.google }}, a: b}'''",
    "cut": "'''{\"a\": {\"clientSecret\": \"{{ var.value.google }}\"'''",
    "YAML": "'''\nclientSecret: {{ var.value.google | tojson }}\na: b\n'''",
    "Python": "'''{{ {'clientSecret': var.value.google} }}'''",
}


@pytest.mark.parametrize("how", FORMS)
@pytest.mark.parametrize("signs", ["", "<b>&'c'", "+/=", "schlüssel-秘密"])
def test_a_secret_in_another_form_is_in_no_rendered_field(
    dags: DagRunner, airflow_home: Path, monkeypatch: pytest.MonkeyPatch, how: str, signs: str
) -> None:
    secret = new_secret()
    monkeypatch.setenv("AIRFLOW_VAR_GOOGLE", f"{signs}{secret}{signs}")
    run = dags.run(ADD_AUTH.format(config=FORMS[how], deferrable=False))
    assert run.states == {"add_auth": "failed"}
    assert "***" in json.dumps(run.rendered("add_auth")["resource_config"])
    assert_unseen(run, airflow_home, secret)


@pytest.mark.parametrize("secret", ["hush", "***"])
def test_what_is_no_secret_is_not_sent(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_GOOGLE", secret)
    run = dags.run(ADD_AUTH.format(config=repr(config("{{ var.value.google }}")), deferrable=False))
    assert run.states == {"add_auth": "failed"}
    assert "SocialProviderSettings.Google.ClientSecret=*** is " in run.error("add_auth")
    assert service.control.journal("CreateBackendAuth") == []


def test_what_the_service_answers_goes_into_xcom_without_its_api_key(
    dags: DagRunner, service: LocalAmplifyBackend, airflow_home: Path
) -> None:
    service.control.seed_app(APP, {"name": "full", "api": {"graph": None}})
    answer = service.client().get_backend(AppId=APP, BackendEnvironmentName="full")
    ((_, api),) = json.loads(answer["AmplifyMetaConfig"])["api"].items()
    key = api["output"]["GraphQLAPIKeyOutput"]
    run = dags.run('GetBackendOperator(task_id="get", app_id=APP, backend_environment_name="full")')
    assert key not in json.dumps(run.xcoms().get(("get", -1, "return_value")))
    assert api["output"]["GraphQLAPIEndpointOutput"] in json.dumps(run.xcom("get"))
