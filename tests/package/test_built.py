"""Wheel and sdist, as `make build` has made them: what is in them, and what an index and an Airflow make of them."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from airflow_provider_amplifybackend import __version__
from tests.pages import ROOT

pytestmark = pytest.mark.package

NAME = "airflow_provider_amplifybackend"
CONSTRAINTS = ROOT / "constraints" / f"constraints-{sys.version_info[0]}.{sys.version_info[1]}.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXAMPLES = {path.name for path in (ROOT / "example_dags").iterdir() if path.suffix in (".py", ".json", ".graphql")}
# What `airflow` needs to run once, in a home that ends with the test.
OUTSIDE = {
    name: value for name, value in os.environ.items() if name in ("HOME", "PATH", "LANG") or name.startswith("PIP_")
}
SETTINGS = {"AIRFLOW__CORE__LOAD_EXAMPLES": "True", "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
BUNDLES = """
from airflow.dag_processing.bundles.manager import DagBundlesManager
for bundle in DagBundlesManager().get_all_dag_bundles():
    if "amplifybackend" in bundle.name:
        print("bundle", bundle.path)
"""


@pytest.fixture(scope="module")
def wheel() -> Path:
    return built(".whl")


@pytest.fixture(scope="module")
def sdist() -> Path:
    return built(".tar.gz")


def built(suffix: str) -> Path:
    found = [path for path in (ROOT / "dist").glob("*") if path.name.endswith(suffix)]
    assert len(found) == 1, "run `make build`"
    assert f"-{__version__}" in found[0].name
    return found[0]


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(f"{NAME}-{__version__}.dist-info/METADATA"))


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    return root


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it needs, and nothing of this checkout."""
    folder = made_environment(tmp_path_factory.mktemp("bare"))
    pip(folder, str(wheel))
    return folder


@pytest.fixture(scope="module")
def bare_for_tests(sdist: Path, unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one, with the sdist and what it and its tests need."""
    folder = made_environment(tmp_path_factory.mktemp("bare-for-tests"))
    wanted = f"{PROJECT['name']}[local] @ {sdist.as_uri()}"
    install(folder, "--build-constraint", str(CONSTRAINTS), wanted, "--group", f"{unpacked}/pyproject.toml:test")
    return folder


def made_environment(folder: Path) -> Path:
    venv.create(folder / "venv", with_pip=True)
    pip(folder, "--upgrade", "pip")  # the one that venv brings is older than its options below
    return folder


def install(folder: Path, *arguments: str) -> None:
    """Install with uv where it is: the same versions, in seconds."""
    uv = shutil.which("uv")
    if uv is None:
        pip(folder, *arguments)
        return
    python = folder / "venv" / "bin" / "python"
    command: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python, "-c", CONSTRAINTS]
    done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def pip(folder: Path, *arguments: str) -> None:
    run(folder, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-c", str(CONSTRAINTS), *arguments)


def run(folder: Path, *arguments: str, cwd: Path | None = None) -> str:
    """Run the environment's Python there, outside of this checkout, and return what it prints."""
    done = subprocess.run(
        [folder / "venv" / "bin" / "python", *arguments],
        cwd=cwd or folder,
        env=OUTSIDE | SETTINGS | {"AIRFLOW_HOME": str(folder / "airflow")},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


# What is in them


def test_the_wheel_has_the_package_its_examples_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {NAME, f"{NAME}-{__version__}.dist-info"}
    assert {name.rpartition("/")[2] for name in names if "/example_dags/" in name} == EXAMPLES
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / NAME).rglob("*.py")}
    assert ours == {name for name in names if name.endswith(".py") and "/example_dags/" not in name}
    assert f"{NAME}/py.typed" in names
    assert {f"{NAME}-{__version__}.dist-info/licenses/{name}" for name in ("LICENSE", "NOTICE")} <= set(names)


def test_the_sdist_has_every_file_of_the_repository(unpacked: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not in a repository")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = {name for name in listed.splitlines() if (ROOT / name).exists()}
    there = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert tracked - there == set()


# What an index shows


def test_the_metadata_has_addresses_licence_and_classifiers(metadata: Message) -> None:
    addresses = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL", []))
    assert {"Documentation", "Source", "Changelog", "Issues"} <= set(addresses)
    assert all(address.startswith("https://") for address in addresses.values())
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Framework :: Apache Airflow :: Provider" in metadata.get_all("Classifier", [])
    assert metadata["Requires-Python"] == PROJECT["requires-python"]


def test_every_link_of_the_readme_leads_into_the_repository_at_this_version(metadata: Message) -> None:
    source = PROJECT["urls"]["Source"]
    readme = str(metadata.get_payload())
    inside = 0
    for link in re.findall(r"\]\(([^)\s]+)\)", readme):
        assert link.startswith("https://"), link
        if link.startswith(source):
            path = link.removeprefix(f"{source}/blob/v{__version__}/").partition("#")[0]
            assert (ROOT / path).exists(), link
            inside += 1
    assert inside > 20


# What an Airflow makes of them


def test_airflow_lists_the_provider_of_the_wheel(bare: Path) -> None:
    listed = json.loads(run(bare, "-m", "airflow", "providers", "list", "--output", "json"))
    assert [row["version"] for row in listed if row["package_name"] == PROJECT["name"]] == [__version__]
    described = run(bare, "-m", "airflow", "providers", "get", PROJECT["name"], "--full", "--output", "json")
    assert "amplifybackend" in described


def test_airflow_finds_the_examples_of_the_wheel_and_can_load_each(bare: Path) -> None:
    # As Airflow 3.3 and newer do with `load_examples`.
    (folder,) = re.findall(r"^bundle (.+)$", run(bare, "-c", BUNDLES), re.MULTILINE)
    assert {path.name for path in Path(folder).iterdir() if path.suffix} >= EXAMPLES
    # The environment's Python, in which nothing of this checkout is.
    program = (
        "import runpy, pathlib, sys\n"
        f"for path in sorted(pathlib.Path({folder!r}).glob('*.py')):\n"
        "    runpy.run_path(str(path))\n"
        "    print('loaded', path.name)\n"
    )
    loaded = re.findall(r"^loaded (.+)$", run(bare, "-c", program), re.MULTILINE)
    assert set(loaded) == {name for name in EXAMPLES if name.endswith(".py")}


def test_the_command_of_the_wheel_runs_a_program_against_the_local_service(bare: Path) -> None:
    # What its extra brings, Airflow 3 brings as well.
    program = "import os; print(os.environ['AWS_ENDPOINT_URL_AMPLIFYBACKEND'])"
    printed = run(bare, "-m", f"{NAME}.local", "--", str(bare / "venv" / "bin" / "python"), "-c", program)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", printed.strip())


def test_tests_of_the_sdist_are_green_in_a_bare_environment(bare_for_tests: Path, unpacked: Path) -> None:
    shown = run(bare_for_tests, "-c", f"import {NAME}; print({NAME}.__version__, {NAME}.__file__)").split()
    assert shown[0] == __version__
    assert Path(shown[1]).is_relative_to(bare_for_tests / "venv")
    quick = ("tests/core", "tests/parameters", "tests/start", "tests/test_exceptions.py")
    options = ("-q", "-n", "0", "-m", "quick", "-p", "no:cacheprovider")
    printed = run(bare_for_tests, "-m", "pytest", *options, *quick, cwd=unpacked)
    assert re.search(r"^\d{3,} passed", printed.splitlines()[-1])


def test_all_tests_of_the_sdist_can_be_collected(unpacked: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"],
        cwd=unpacked,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
