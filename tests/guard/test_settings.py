"""Settings of the guard: as the configuration has them, and as it had them when the DAG was loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_amplifybackend.get_provider_info import get_provider_info
from airflow_provider_amplifybackend.guard.protected import SettingError, entries_of_connection, refuse_strays
from airflow_provider_amplifybackend.guard.settings import SECTION, configured_mode, protected_entries
from airflow_provider_amplifybackend.guard.verdict import Mode

ROOT = Path(__file__).parents[2]
CONFIGURATION = """
[amplifybackend]
protected =
    production,
    d1/*
guard = require
"""
ALL_SETTINGS = [*get_provider_info()["config"]["amplifybackend"]["options"]]
# As a template of Airflow 2 can do it, which has the configuration itself.
PROGRAM = """
from airflow_provider_amplifybackend._compat import conf
import airflow_provider_amplifybackend.operators.environment
from airflow_provider_amplifybackend.guard.settings import configured_mode, protected_entries
conf.set("amplifybackend", "protected", "qa")
conf.set("amplifybackend", "guard", "off")
print([entry.text for entry in protected_entries()], configured_mode())
conf.remove_section("amplifybackend")
print([entry.text for entry in protected_entries()], configured_mode())
"""


def test_what_the_file_says_is_not_taken_back_by_whoever_sets_the_configuration_later(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text(CONFIGURATION)
    known = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__AMPLIFYBACKEND__")}
    environment = known | {"AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["['qa', 'production', 'd1/*'] require", "['production', 'd1/*'] require"]


def test_a_variable_of_the_environment_counts_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", "production")
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", " OFF ")
    assert [entry.text for entry in protected_entries()] == ["production"]
    assert configured_mode() is Mode.OFF


@pytest.mark.parametrize(
    ("sections", "environ", "named"),
    [
        ({"amplifybackend": ["protected_cmd"]}, [], "[amplifybackend] protected_cmd"),
        ({"amplifybackend": ["protectd"]}, [], "[amplifybackend] protectd"),
        ({"AmplifyBackend": ["protected"]}, [], "[AmplifyBackend] protected"),
        ({"amplify_backend": ["protected"]}, [], "[amplify_backend] protected"),
        ({}, ["AIRFLOW__AMPLIFYBACKEND__PROTECTED_CMD"], "AIRFLOW__AMPLIFYBACKEND__PROTECTED_CMD"),
        ({}, ["AIRFLOW__AMPLIFYBACKEND__PROTECTED_SECRET"], "AIRFLOW__AMPLIFYBACKEND__PROTECTED_SECRET"),
        ({}, ["AIRFLOW__AMPLIFY_BACKEND__PROTECTED"], "AIRFLOW__AMPLIFY_BACKEND__PROTECTED"),
        ({}, ["airflow__amplifybackend__protected"], "airflow__amplifybackend__protected"),
        ({"amplifybackend": ["portected"]}, [], "[amplifybackend] portected"),
        ({"amplify": ["protected"]}, [], "[amplify] protected"),
        ({"airflow_provider_amplifybackend": ["protected"]}, [], "[airflow_provider_amplifybackend] protected"),
        ({}, ["AIRFLOW__AMPLIFYBACKEND_PROTECTED"], "AIRFLOW__AMPLIFYBACKEND_PROTECTED"),
        ({}, ["AIRFLOW_AMPLIFYBACKEND__PROTECTED"], "AIRFLOW_AMPLIFYBACKEND__PROTECTED"),
        ({}, ["AIRFLOW__AMPLIFYBACKEND__APROTECTED"], "AIRFLOW__AMPLIFYBACKEND__APROTECTED"),
        ({}, ["AMPLIFYBACKEND__PROTECTED"], "AMPLIFYBACKEND__PROTECTED"),
        # The mode as well: auto would count where somebody has written require.
        ({"AmplifyBackend": ["guard"]}, [], "[AmplifyBackend] guard"),
        ({"amplifybackend": ["gaurd"]}, [], "[amplifybackend] gaurd"),
        ({"amplifybackend": ["guard_mode"]}, [], "[amplifybackend] guard_mode"),
        ({}, ["AIRFLOW__AMPLIFYBACKEND__GUARD_CMD"], "AIRFLOW__AMPLIFYBACKEND__GUARD_CMD"),
        ({}, ["AIRFLOW__AMPLIFY_BACKEND__GUARD"], "AIRFLOW__AMPLIFY_BACKEND__GUARD"),
        ({}, ["AIRFLOW__AMPLIFYBACKEND_GUARD"], "AIRFLOW__AMPLIFYBACKEND_GUARD"),
    ],
)
def test_a_setting_that_nobody_reads_is_refused(sections: dict[str, list[str]], environ: list[str], named: str) -> None:
    with pytest.raises(SettingError) as error:
        refuse_strays(sections, environ, SECTION)
    assert str(error.value).startswith(f"{named} protects nothing")


def test_settings_that_are_read_and_those_of_others_are_none_of_these() -> None:
    sections = {"amplifybackend": ALL_SETTINGS, "core": ["protected"]}
    environ = [
        *(f"AIRFLOW__AMPLIFYBACKEND__{name.upper()}" for name in ALL_SETTINGS),
        "AIRFLOW__AMPLIFYBACKEND__SNAPSHOT_KEY_CMD",
        "AIRFLOW__CORE__PROT",
        "AIRFLOW_CONN_AMPLIFYBACKEND_PROTECTED",
        "AIRFLOW_VAR_AMPLIFYBACKEND_GUARD",
        "AMPLIFY_GUARD_TOKEN",
        "AMPLIFYBACKEND_PROJECT",
        "PATH",
    ]
    refuse_strays(sections, environ, SECTION)


@pytest.mark.parametrize(
    "key",
    [
        "AmplifyBackend",
        "amplify_backend",
        "protected",
        "Protected",
        "amplifybackend.protected",
        "amplifybackend_protected",
        "protected_environments",
        "portected",
        "extra__aws__amplifybackend",
    ],
)
def test_a_connection_that_has_its_names_elsewhere_is_refused(key: str) -> None:
    with pytest.raises(SettingError, match=f"{key}' of the connection 'x' is not read"):
        entries_of_connection({key: {"protected": ["production"]}}, SECTION, "of the connection 'x'")


def test_options_of_the_service_are_no_protection() -> None:
    service: dict[str, object] = {"amplifybackend": {"endpoint_url": "http://localhost"}}
    assert entries_of_connection({"service_config": service}, SECTION, "of x") == []
    for members in ({"amplifybackend": {"protected": ["a"]}}, {"protected": ["a"]}, {"x": {"protected_names": ["a"]}}):
        with pytest.raises(SettingError, match=r"'protected.*' in the extra 'service_config' of x is not read"):
            entries_of_connection({"service_config": members}, SECTION, "of x")


def test_an_extra_of_any_other_meaning_is_none_of_these() -> None:
    extra = {
        "region_name": "eu-west-1",
        "endpoint_url": "http://localhost",
        "config_kwargs": {"retries": {"mode": "standard"}, "proxies": {"http": "http://proxy:3128"}},
        "assume_role_kwargs": {"ExternalId": "x"},
        "host": "x",
        "project": "shop",
    }
    assert entries_of_connection(extra, SECTION, "of x") == []
