"""docs/mwaa.md has a requirements.txt for each set of constraints, and its table says what is in them."""

from __future__ import annotations

import re

import pytest

import airflow_provider_amplifybackend
from tests.docs.conftest import ROOT
from tests.mwaa_files import DAGS, PAGE, PLUGINS, pins, requirements, table, versions


def test_there_is_a_file_for_each_set_of_constraints() -> None:
    assert sorted(requirements()) == versions()
    (heads,) = re.findall(r"^\| \| (2\.11.*?) \|$", PAGE.read_text(), re.MULTILINE)
    assert sorted(heads.split(" | ")) == versions()


@pytest.mark.parametrize("version", versions())
def test_it_names_the_constraints_and_the_version_of_the_package(version: str) -> None:
    assert requirements()[version].splitlines() == [
        f'--constraint "{DAGS}/airflow-{version}-constraints.txt"',
        f'--find-links "{PLUGINS}"',
        f"airflow-provider-amplifybackend=={airflow_provider_amplifybackend.__version__}",
    ]


def test_the_table_has_the_versions_that_aws_pins() -> None:
    (heads,) = re.findall(r"^\| \| (2\.11.*?) \|$", PAGE.read_text(), re.MULTILINE)
    rows = table()
    for column, version in enumerate(heads.split(" | ")):
        pinned = pins(version)
        assert rows["amazon provider"][column] == pinned["apache-airflow-providers-amazon"]
        assert rows["botocore / aiobotocore"][column] == f"{pinned['botocore']} / {pinned['aiobotocore']}"


@pytest.mark.parametrize("version", versions())
def test_what_the_page_says_of_the_constraints_is_so(version: str) -> None:
    pinned = pins(version)
    assert "aiolimiter" not in pinned
    assert {"s3fs", "apache-airflow-providers-openlineage"} <= set(pinned)


def test_every_extra_is_on_the_page_of_the_installation() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    page = (ROOT / "docs" / "installation.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == set(extras)
