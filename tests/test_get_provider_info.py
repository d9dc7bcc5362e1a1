"""What Airflow reads about the provider is complete and true."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import airflow_provider_amplifybackend
from airflow_provider_amplifybackend.get_provider_info import get_provider_info

PACKAGE = airflow_provider_amplifybackend.__name__
INFO = get_provider_info()
# What users write, or Airflow loads, by part. What stands behind it, in private modules, is nobody's business.
PARTS = {"hooks": "Hook", "operators": "Operator", "sensors": "Sensor", "triggers": "Trigger"}


def test_airflow_takes_it() -> None:
    import json

    import airflow
    from jsonschema import validate

    schema = Path(airflow.__file__).parent / "provider_info.schema.json"
    validate(INFO, json.loads(schema.read_text()))


@pytest.mark.parametrize("part", PARTS)
def test_every_module_is_listed_and_can_be_imported(part: str) -> None:
    folder = Path(airflow_provider_amplifybackend.__file__).parent / part
    names = {module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_")}
    modules = [importlib.import_module(f"{PACKAGE}.{part}.{name}") for name in names]
    there = [module.__name__ for module in modules if any(_is_own(module, name, part) for name in vars(module))]
    listed = [module for entry in INFO[part] for module in entry["python-modules"]]
    assert sorted(listed) == sorted(there)


def _is_own(module: ModuleType, name: str, part: str) -> bool:
    return name.endswith(PARTS[part]) and getattr(vars(module)[name], "__module__", None) == module.__name__


def test_every_part_belongs_to_a_listed_integration() -> None:
    integrations = {entry["integration-name"] for entry in INFO["integrations"]}
    for part in PARTS:
        assert {entry["integration-name"] for entry in INFO[part]} <= integrations


def test_every_extra_link_is_listed_and_can_be_imported() -> None:
    from airflow_provider_amplifybackend import links
    from airflow_provider_amplifybackend._compat import BaseOperatorLink

    there = {
        f"{PACKAGE}.links.{name}"
        for name, value in vars(links).items()
        if isinstance(value, type) and issubclass(value, BaseOperatorLink) and hasattr(value, "key")
    }
    assert set(INFO["extra-links"]) == there


def test_what_airflow_loads_by_name_can_be_imported() -> None:
    handlers = [entry[name] for entry in INFO["asset-uris"] for name in ("handler", "factory")]
    for path in [*INFO["notifications"], *handlers]:
        module, _, name = path.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_setting_that_is_read_is_described() -> None:
    import re

    sources = Path(airflow_provider_amplifybackend.__file__).parent.rglob("*.py")
    read = {
        name
        for source in sources
        for name in re.findall(r'conf\.get\w*\(\s*"amplifybackend",\s*"(\w+)"', source.read_text())
    }
    assert read
    assert read <= set(INFO["config"]["amplifybackend"]["options"])


def test_the_version_is_that_of_the_package() -> None:
    assert INFO["versions"] == [airflow_provider_amplifybackend.__version__]


def test_airflow_finds_the_provider() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()  # type: ignore[no-untyped-call]
    if "airflow-provider-amplifybackend" not in manager.providers:
        pytest.skip("the package is not installed here, so that it has no entry point")
    assert set(INFO["extra-links"]) <= set(manager.extra_links_class_names)
