"""The container file of the local service, without Docker: what it names is there, and what it runs works."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from airflow_provider_amplifybackend.local.control import LocalControl
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.docker.container_file import stages

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker" / "amplifybackend-local.Dockerfile"
PLACE = "/opt/amplifybackend-local"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
BUILD, FINAL = stages(FILE)
WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = WHOLE["project"]


def copied(value: str) -> tuple[list[str], str]:
    *sources, target = shlex.split(value)
    return sources, target


def allowed(source: str) -> bool:
    """What the ignore file lets through: all is excluded but what stands there with `!`."""
    lines = FILE.with_name(FILE.name + ".dockerignore").read_text().splitlines()
    patterns = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines
    return any(Path(source).match(pattern) for pattern in patterns)


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    sources = [source for instruction in BUILD.all("COPY") for source in copied(instruction.value)[0]]
    assert len(sources) == 7
    assert set(WHOLE["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]) <= set(sources)
    assert [source for source in sources if not (ROOT / source).exists() or not allowed(source)] == []
    assert not allowed("tests")
    # The build back end reads these.
    readme = WHOLE["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["fragments"]
    assert {"pyproject.toml", *(part["path"] for part in readme), *PROJECT["license-files"]} <= set(sources)


def test_the_second_stage_has_only_what_the_first_made() -> None:
    assert FINAL.one("COPY").value == f"--from=build {PLACE} {PLACE}"
    assert f"python -m venv {PLACE}" in [instruction.value for instruction in BUILD.all("RUN")]
    assert BUILD.base.removesuffix(" AS build") == FINAL.base


def test_its_python_is_one_that_the_package_and_its_constraints_have() -> None:
    version = FINAL.base.removeprefix("python:").removesuffix("-slim")
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]
    assert (ROOT / "constraints" / f"constraints-{version}.txt").exists()


def test_it_runs_as_nobody_in_particular() -> None:
    names = [instruction.name for instruction in FINAL.instructions]
    user = FINAL.one("USER").value
    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", user)
    assert names.index("USER") > max(index for index, name in enumerate(names) if name in ("RUN", "COPY"))
    made = " ".join(instruction.value for instruction in FINAL.all("RUN"))
    number = user.partition(":")[0]
    assert f"--uid {number}" in made
    assert f"install -d -o {number} -g {number} -m 0700 /state" in made


def test_it_starts_the_command_of_the_package_on_the_port_that_it_exposes() -> None:
    command, *options = FINAL.one("ENTRYPOINT").listed
    assert command == f"{PLACE}/bin/amplifybackend-local"
    assert Path(command).name in PROJECT["scripts"]
    assert options == ["--host", "0.0.0.0", "--port", FINAL.one("EXPOSE").value]
    assert f"http://127.0.0.1:{FINAL.one('EXPOSE').value}'" in FINAL.one("HEALTHCHECK").value


def checked(python: str, port: int) -> int:
    """The exit status of the image's health check, with another interpreter and for another port."""
    place, *arguments = FINAL.one("HEALTHCHECK").listed
    assert place == f"{PLACE}/bin/python"
    script = [argument.replace(f":{FINAL.one('EXPOSE').value}", f":{port}") for argument in arguments]
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run([python, *script], env=environment, capture_output=True, timeout=60, check=False).returncode


def test_the_health_check_tells_a_service_that_answers_from_one_that_does_not() -> None:
    with LocalAmplifyBackend() as service:
        port = int(service.endpoint_url.rpartition(":")[2])
        assert checked(sys.executable, port) == 0
    assert checked(sys.executable, port) != 0


@pytest.mark.project
def test_its_commands_make_a_service_without_airflow(tmp_path: Path) -> None:
    """All that the first stage runs is run, in another place; then the entry point, as the image would."""
    build, final = stages(FILE, PYTHON=HERE)
    source, place, builder = tmp_path / "src", tmp_path / "opt", tmp_path / "builder"
    for instruction in build.all("COPY"):
        names, target = copied(instruction.value)
        for name in names:
            copy(ROOT / name, source / target / ("" if (ROOT / name).is_dir() else Path(name).name))
    for instruction in build.all("RUN"):
        moved = instruction.value.replace(PLACE, str(place)).replace("/opt/builder", str(builder))
        moved = re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", moved)
        done = subprocess.run(moved, shell=True, cwd=source, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, f"{moved}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    python = str(place / "bin" / "python")
    listed = subprocess.run(
        [python, "-m", "pip", "list"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert "airflow-provider-amplifybackend" in listed
    assert "apache-airflow" not in listed
    entry = [argument.replace(PLACE, str(place)) for argument in final.one("ENTRYPOINT").listed]
    free = [argument if argument != final.one("EXPOSE").value else "0" for argument in entry]
    state = tmp_path / "state"
    process = subprocess.Popen(
        [*free, "--state", str(state)], stdout=subprocess.PIPE, cwd=tmp_path, env={"PATH": os.defpath}, text=True
    )
    try:
        assert process.stdout is not None
        control = LocalControl(process.stdout.readline().strip())
        control.seed_app("d", "dev")
        assert checked(python, int(control.endpoint_url.rpartition(":")[2])) == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
    assert state.stat().st_size > 100


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
