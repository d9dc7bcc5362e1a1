"""The wheel in an environment like MWAA's: with the requirements.txt of docs/mwaa.md and the constraints of AWS.

`MWAA="3.0.6 3.3.1"` selects versions, `MWAA=all` takes each; without it, one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.mwaa_files import CONSTRAINTS, DAGS, PLUGINS, pins, requirements, versions
from tests.project.test_from_the_wheel import build_wheel
from tests.samples import APP

pytestmark = pytest.mark.project

CHOSEN = os.environ.get("MWAA", "3.0.6")
PINNED = ("apache-airflow-providers-amazon", "apache-airflow-providers-common-compat", "botocore", "aiobotocore")
SHOW = """
import importlib.metadata, json, pkgutil
import airflow_provider_amplifybackend.operators as operators
for module in pkgutil.iter_modules(operators.__path__):
    importlib.import_module(f"{operators.__name__}.{module.name}")
print(json.dumps({name: importlib.metadata.version(name) for name in %r}))
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel, as MWAA unpacks it from plugins.zip."""
    folder = tmp_path_factory.mktemp("plugins")
    build_wheel(folder)
    return folder


@pytest.fixture(scope="module")
def python() -> str:
    """MWAA's Python, 3.12, or this one where there is none."""
    known = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [os.environ.get("PYTHON312", ""), "python3.12", *map(str, known.glob("3.12.*/bin/python"))]
    for candidate in filter(None, candidates):
        try:
            told = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False).stdout
        except OSError:
            continue
        if told.startswith("Python 3.12."):
            return candidate
    return sys.executable


def pip(python: str, *arguments: str) -> None:
    done = subprocess.run(
        [python, "-m", "pip", *arguments, "-qq", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("version", versions())
def test_it_installs_and_checks_a_connection(version: str, python: str, plugins: Path, tmp_path: Path) -> None:
    if CHOSEN != "all" and version not in CHOSEN.split():
        pytest.skip("MWAA=all takes every version")
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True)
    own = tmp_path / "venv" / "bin"
    wanted = tmp_path / "requirements.txt"
    wanted.write_text(requirements()[version].replace(PLUGINS, str(plugins)).replace(DAGS, str(CONSTRAINTS)))
    # MWAA's image has Airflow already, in this version, which its constraints do not name.
    pip(str(own / "python"), "install", "-r", str(wanted), f"apache-airflow=={version}")

    home = {"AIRFLOW_HOME": str(tmp_path / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | home
    shown = subprocess.run(
        [own / "python", "-c", SHOW % (PINNED,)], env=environment, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    installed = json.loads(shown.stdout.splitlines()[-1])
    assert installed == {name: pins(version)[name] for name in PINNED}

    with LocalAmplifyBackend() as service:
        service.control.seed_app(APP, "staging")
        commands: list[list[Path | str]] = [[own / "airflow-amplifybackend"]]
        if tuple(map(int, version.split(".")[:2])) >= (3, 2):
            commands.append([own / "airflow", "amplifybackend"])
        for command in commands:
            done = subprocess.run(
                [*command, "doctor", "--output", "json"],
                env=environment | {"AIRFLOW_CONN_AWS_DEFAULT": connection_json(service.endpoint_url)},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            marks = {one["what"]: one["mark"] for one in json.loads(done.stdout)}
            assert (marks["connection"], marks["allowed"], marks["guard"]) == ("ok", "ok", "ok")
