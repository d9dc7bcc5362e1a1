"""docs/local.md says what there is, and its examples work."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

from airflow_provider_amplifybackend.local import cli
from airflow_provider_amplifybackend.local.control import LocalControl
from airflow_provider_amplifybackend.local.http import control_api
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.service import neighbours
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.testing.fault_kinds import KINDS

TEXT = (Path(__file__).parents[2] / "docs" / "local.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_every_fault_with_its_options_is_there() -> None:
    rows = {row for row in TEXT.splitlines() if row.startswith("| `")}
    for kind, options in KINDS.items():
        (row,) = [row for row in rows if f"`{kind}`" in row.split("|")[1]]
        assert all(f"`{option}`" in row for option in options), kind


def test_every_switch_with_its_values_is_there() -> None:
    for entry in fields(Settings):
        (row,) = [row for row in TEXT.splitlines() if row.startswith("| `") and f"`{entry.name}`" in row.split("|")[1]]
        for choice in entry.metadata.get("choices", ()):
            assert f"`{str(choice).lower() if isinstance(choice, bool) else choice}`" in row, entry.name


def test_every_control_request_and_method_is_there() -> None:
    for path in re.findall(r'Route\("([^"]+)"', inspect.getsource(control_api)):
        assert f"/_amplifybackend{path.replace(':int', '').replace('job_id', 'id')}`" in TEXT, path
    for name, _ in inspect.getmembers(LocalControl, inspect.isfunction):
        assert name.startswith("_") or f"{name}(" in TEXT, name


def test_the_seed_example_works(backend: LocalAmplifyBackend) -> None:
    backend.control.reset()
    (document,) = [json.loads(block) for block in blocks("json")]
    backend.control.seed(document)
    (store,) = backend.control.state()
    assert [app["app_id"] for app in store["apps"]] == ["dbare", "d1a2b3c4"]
    assert {job["Status"] for job in backend.control.jobs()} == {"FAILED", "RUNNING"}
    assert {"my-files", "somebody-elses"} <= set(store["buckets"])
    assert {"amplify-shop-real-1234", "other"} <= {stack["name"] for stack in store["stacks"]}


def test_every_operation_of_the_neighbours_that_is_built_is_there() -> None:
    (amplify,) = [row for row in TEXT.splitlines() if row.startswith("| AWS Amplify (`amplify`)")]
    (cloudformation,) = [row for row in TEXT.splitlines() if row.startswith("| CloudFormation |")]
    for row, handlers in ((amplify, neighbours.amplify.HANDLERS), (cloudformation, neighbours.cloudformation.HANDLERS)):
        assert set(re.findall(r"[A-Z]\w+", row.split("|")[2])) == set(handlers)


def test_the_python_example_works() -> None:
    (example,) = [block for block in blocks("python") if "with LocalAmplifyBackend" in block]
    exec(compile(example, "docs/local.md", "exec"), {})


def test_the_pytest_example_is_python() -> None:
    for block in blocks("python"):
        compile(block, "docs/local.md", "exec")


def test_every_option_is_there() -> None:
    options = re.findall(r'"(--[a-z-]+)"', inspect.getsource(cli))
    assert len(options) == 9
    assert [option for option in options if f"`{option}" not in TEXT] == []
