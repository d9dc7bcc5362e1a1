"""Airflow compiles all masked texts again for each new one, so a file of many tasks must not mask too many."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_amplifybackend._compat import redact
from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from tests.airflow_versions import masked_texts
from tests.operators.test_secrets import config, new_secret
from tests.samples import APP

pytestmark = pytest.mark.filterwarnings("ignore:.*is a secret in clear")


def secret_with_signs() -> str:
    """Return a secret that JSON, Python and URLs write in ways of their own."""
    return f"""{new_secret()}+é/'"\\"""


def create(secret: str, task_id: str = "add_auth", **more: Any) -> CreateBackendAuthOperator:
    given: dict[str, Any] = {"app_id": APP, "backend_environment_name": "staging", "resource_name": "people"}
    document: Any = config("PLACE")
    document["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]["Google"]["ClientSecret"] = secret
    return CreateBackendAuthOperator(task_id=task_id, resource_config=document, **given | more)


def in_json(secret: str) -> str:
    return json.dumps(secret)[1:-1]


def test_a_file_of_many_tasks_masks_each_secret_once() -> None:
    secrets = [secret_with_signs() for _ in range(100)]
    before = masked_texts()
    for number, secret in enumerate(secrets):
        create(secret, f"add_{number}")
    written = 2  # Airflow's masker adds each text as Python writes it
    assert len(masked_texts() - before) <= written * len(secrets)
    assert not [secret for secret in secrets if secret in str(redact(f"it is {secret}"))]


def test_a_secret_that_is_rendered_is_masked_in_every_form() -> None:
    secret = secret_with_signs()
    task = create(secret)
    task.set_rendered("resource_config", task.resource_config)
    assert in_json(secret) not in str(redact(in_json(secret)))


def test_a_secret_of_a_mapped_task_is_masked_in_every_form() -> None:
    secret = secret_with_signs()
    create(secret, _airflow_from_mapped=True)  # as Airflow makes the one that runs
    assert in_json(secret) not in str(redact(in_json(secret)))


def test_a_secret_of_a_request_that_nobody_has_rendered_is_masked_in_every_form() -> None:
    secret = secret_with_signs()
    create(secret).build_request()
    assert in_json(secret) not in str(redact(in_json(secret)))
