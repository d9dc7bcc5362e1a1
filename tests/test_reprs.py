"""What holds a request does not show it: a repr ends up in tracebacks, assertions and DEBUG lines."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import airflow_provider_amplifybackend
from airflow_provider_amplifybackend.core.requests import Call
from airflow_provider_amplifybackend.core.secret_texts import in_words
from airflow_provider_amplifybackend.core.secrets import is_secret_name
from airflow_provider_amplifybackend.core.service_text import ServiceTexts
from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from airflow_provider_amplifybackend.start.actions import Prepare, SendStart

REQUEST = {"ResourceConfig": {"ClientSecret": "hush-now"}}


def dataclasses_of_the_package() -> Iterator[type[Any]]:
    prefix = airflow_provider_amplifybackend.__name__ + "."
    for module in pkgutil.walk_packages(airflow_provider_amplifybackend.__path__, prefix):
        if not module.name.startswith(f"{prefix}local"):
            for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if dataclasses.is_dataclass(found) and found.__module__ == module.name:
                    yield found


def test_no_dataclass_shows_a_request_of_an_operation() -> None:
    # Of what the guard and a proof read beside AmplifyBackend: names alone.
    of_reads = {"Ask", "Look"}
    found = {
        cls.__name__: field.repr
        for cls in dataclasses_of_the_package()
        for field in dataclasses.fields(cls)
        if field.name == "request" and cls.__name__ not in of_reads
    }
    assert found == dict.fromkeys(("Call", "Prepare", "SendStart"), False)


def test_nothing_that_holds_a_secret_shows_it() -> None:
    texts = ServiceTexts()
    texts.learn(REQUEST)
    operator = CreateBackendAuthOperator(
        task_id="add",
        app_id="d1",
        backend_environment_name="dev",
        resource_name="people",
        resource_config="{{ var.value.config }}",
    )
    operator.resource_config = '{"ClientSecret": "hush-now"}'
    found = [*in_words("ClientSecret=hush-now", is_secret_name)]
    assert found
    actions = [
        Call("CreateBackendAuth", REQUEST),
        Prepare("CreateBackendAuth", REQUEST),
        SendStart("CreateBackendAuth", REQUEST, lambda: True),
    ]
    for shown in (texts, operator, *found, *actions):
        assert "hush" not in repr(shown)
        assert "hush" not in f"{shown}"
