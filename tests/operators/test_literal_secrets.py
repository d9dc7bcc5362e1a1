"""A secret in clear in a DAG file is warned of when the DAG is parsed, and `validate_dag` fails on it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow import DAG

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from airflow_provider_amplifybackend.operators.environment import GetBackendOperator
from airflow_provider_amplifybackend.tasks.literal_secrets import LiteralSecretWarning
from airflow_provider_amplifybackend.validation import validate_dag
from tests.samples import auth

HUSH = "hush-hush"
COMMON: dict[str, Any] = {"app_id": "d1", "backend_environment_name": "staging", "resource_name": "r"}
MEMBER = "resource_config.UserPoolConfigs.OAuth.SocialProviderSettings.Google.ClientSecret"


def config(secret: Any, name: str = "ClientSecret") -> Any:
    oauth = {
        "OAuthGrantType": "CODE",
        "OAuthScopes": ["EMAIL"],
        "RedirectSignInURIs": ["https://example.com/"],
        "RedirectSignOutURIs": ["https://example.com/"],
        "SocialProviderSettings": {"Google": {"ClientId": "shop", name: secret}},
    }
    return auth(OAuth=oauth)


def warned(make: Callable[[], Any], **options: Any) -> tuple[DAG, list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with DAG("shop", schedule=None, start_date=datetime(2026, 1, 1), **options) as dag:
            make()
    return dag, [warning for warning in found if warning.category is LiteralSecretWarning]


def add(value: Any, **more: Any) -> Callable[[], Any]:
    return lambda: CreateBackendAuthOperator(task_id="add_auth", resource_config=value, **COMMON, **more)


def only_task(dag: DAG) -> Any:
    (task,) = dag.tasks
    return task


IN_CLEAR: dict[str, Callable[[], Any]] = {
    "a dictionary": add(config(HUSH)),
    "a JSON text": add(json.dumps(config(HUSH))),
    "a number": add(config(1234567890)),
    "mapped": lambda: CreateBackendAuthOperator.partial(task_id="add_auth", **COMMON).expand(
        resource_config=[config("{{ conn.google.password }}"), config(HUSH), config(HUSH)]
    ),
    "mapped over parameters": lambda: CreateBackendAuthOperator.partial(task_id="add_auth", app_id="d1").expand_kwargs(
        [COMMON | {"resource_config": config(HUSH)}]
    ),
    "fixed for all": lambda: CreateBackendAuthOperator.partial(
        task_id="add_auth", app_id="d1", resource_name="r", resource_config=config(HUSH)
    ).expand(backend_environment_name=["one", "two"]),
}


@pytest.mark.parametrize("how", IN_CLEAR)
def test_a_secret_in_clear_is_warned_of_once_and_fails_the_check(how: str) -> None:
    dag, (warning,) = warned(IN_CLEAR[how])
    text = str(warning.message)
    assert text.startswith(f"DAG shop, task add_auth: {MEMBER} is a secret in clear, which Airflow stores with the DAG")
    assert "{{ conn.google.password }}" in text
    assert "hush" not in text
    assert warning.filename == __file__
    with pytest.raises(BackendParameterError) as error:
        validate_dag(dag)
    assert f"add_auth: {MEMBER} is a secret in clear" in str(error.value)
    assert "hush" not in str(error.value)


IN_NO_CLEAR: dict[str, Any] = {
    "a template": config("{{ conn.google.password }}"),
    "a part of a template": json.dumps(config("{{ var.value.google }}")),
    "a whole template": "{{ var.value.config }}",
    "a template that writes JSON": json.dumps(config("HUSH")).replace('"HUSH"', "{{ var.value.google | tojson }}"),
    "nothing": config(""),
    "no secret": auth(),
    "a text for people": auth(VerificationMessage={"EmailSettings": {"EmailMessage": "Your token: {####}"}}),
}


@pytest.mark.parametrize("how", IN_NO_CLEAR)
def test_what_is_no_secret_in_clear_is_not_warned_of(how: str) -> None:
    value = IN_NO_CLEAR[how]
    _, found = warned(add(value))
    assert found == []
    _, found = warned(
        lambda: CreateBackendAuthOperator.partial(task_id="add_auth", **COMMON).expand(resource_config=[value])
    )
    assert found == []
    _, found = warned(
        lambda: GetBackendOperator(task_id="get", app_id="secret-token", backend_environment_name="password")
    )
    assert found == []


def test_a_file_is_not_read_when_the_dag_is_parsed_but_when_it_is_checked(tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text(json.dumps(config(HUSH)))
    dag, found = warned(add("auth.json"), template_searchpath=[str(tmp_path)])
    assert found == []
    with pytest.raises(BackendParameterError) as error:
        validate_dag(dag)
    assert f"add_auth: {MEMBER} is a secret in clear" in str(error.value)
    (tmp_path / "auth.json").write_text(json.dumps(config("{{ conn.google.password }}")))
    validate_dag(dag)


def test_a_secret_that_a_template_gives_is_not_warned_of() -> None:
    dag, _ = warned(add(config("{{ params.secret }}")))
    task = only_task(dag)
    with warnings.catch_warnings():
        warnings.simplefilter("error", LiteralSecretWarning)
        task.render_template_fields({"params": {"secret": HUSH}, "ti": None}, dag.get_template_env())
    assert task.resource_config == config(HUSH)


REFUSED = {
    "short": ("hush", "is shorter than 5 characters, and Airflow masks no text that short"),
    "a short number": (1234, "is shorter than 5 characters"),
    "a mark": ("***", "is the placeholder of a Get operator for a secret, or a mask of Airflow"),
    "a longer mark": ("******", "is the placeholder of a Get operator"),
    "a key with a masked line": ("-----BEGIN PRIVATE KEY-----\n***\n-----END PRIVATE KEY-----", "is the placeholder"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("form", [lambda value: value, json.dumps], ids=["dictionary", "text"])
def test_what_can_be_no_secret_or_cannot_be_masked_is_refused(kind: str, form: Callable[[Any], Any]) -> None:
    secret, why = REFUSED[kind]
    dag, _ = warned(add(form(config(secret))))
    task = only_task(dag)
    with pytest.raises(BackendParameterError) as error:
        task.build_request()
    assert f"{MEMBER}=*** {why}" in str(error.value)
    assert "read the secret from an Airflow connection, variable or secrets backend" in str(error.value)
    assert "hush" not in str(error.value)
    assert "1234" not in str(error.value)


def test_how_short_is_too_short_is_airflows_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    dag, _ = warned(add(config("hush-12")))
    task = only_task(dag)
    task.build_request()
    monkeypatch.setenv("AIRFLOW__LOGGING__MIN_LENGTH_MASKED_SECRET", "8")
    with pytest.raises(BackendParameterError, match="is shorter than 8 characters"):
        task.build_request()
    monkeypatch.setenv("AIRFLOW__LOGGING__MIN_LENGTH_MASKED_SECRET", "many")
    task.build_request()
