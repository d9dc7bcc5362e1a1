"""What the repository says of itself to GitHub, Read the Docs and whoever releases it is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import release
from scripts.matrix_sessions import sessions
from tests.pages import ROOT

CI, NIGHTLY = (ROOT / ".github" / "workflows" / name for name in ("ci.yml", "nightly.yml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
# For publishing without a token, and only in the job that publishes.
MAY_WRITE = {("release.yml", "publish"): {"id-token": "write"}}


def load(path: Path) -> Any:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML 1.1 takes the key `on` for true.
    return {("on" if key is True else key): value for key, value in document.items()}


def made(path: Path) -> set[str]:
    """Return the targets that a workflow makes, those of a matrix included."""
    return {target for job in load(path)["jobs"].values() for target in made_by(job)}


def made_by(job: Any) -> set[str]:
    found: set[str] = set()
    targets = job.get("strategy", {}).get("matrix", {}).get("target", [])
    for step in job["steps"]:
        run = step.get("run", "")
        if "make ${{ matrix.target }}" in run:
            found |= {target.split()[0] for target in targets}
        elif run.startswith("make "):
            found |= set(run.split()[1:])
    return found


def actions(path: Path) -> list[str]:
    return [step["uses"] for job in load(path)["jobs"].values() for step in job["steps"] if "uses" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_makes_what_there_is(path: Path) -> None:
    assert made(path)
    assert made(path) <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_but_for_the_job_that_publishes(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job.get("permissions", {}) == MAY_WRITE.get((path.name, name), {}), name
        assert job["timeout-minutes"]
    assert "pull_request_target" not in workflow["on"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_an_action_is_pinned_to_a_version_at_least(path: Path) -> None:
    for action in actions(path):
        assert re.fullmatch(r"[\w-]+/[\w-]+@((release/)?v\d+(\.\d+)*|[0-9a-f]{40})", action), action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_step_runs_text_that_an_event_brings(path: Path) -> None:
    for job in load(path)["jobs"].values():
        for step in job["steps"]:
            assert "github." not in step.get("run", "")


def test_a_target_that_help_lists_is_made_whatever_files_there_are() -> None:
    (phony,) = re.findall(r"^\.PHONY:((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)) <= set(phony.split())


def test_what_ci_runs_here_is_what_github_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    stages = {word for line in re.findall(r"^stage (.+)$", script, re.MULTILINE) for word in line.split()}
    assert {word for word in stages if "=" not in word} - made(CI) == set()


def test_every_night_each_python_of_the_matrix_is_there_and_the_usual_one_is_the_last() -> None:
    (job,) = (job for job in load(NIGHTLY)["jobs"].values() if "test-matrix" in made_by(job))
    (step,) = (step for step in job["steps"] if step.get("uses", "").startswith("actions/setup-python@"))
    there = step["with"]["python-version"].split()
    assert {python for session in sessions() for python in session.pythons} == set(there)
    # Of several, this is `python3`, and the first choice of the sessions that name none.
    assert there[-1] == sessions()[0].pythons[0]


def test_every_night_the_container_is_built_and_run() -> None:
    (job,) = (job for job in load(NIGHTLY)["jobs"].values() if "image" in made_by(job))
    (image,) = re.findall(r"docker build .* -t (\S+)", MAKEFILE)
    assert [step["run"] for step in job["steps"] if "run" in step] == [
        "make image",
        f"docker run --rm {image} --version",
    ]


@pytest.mark.parametrize("path", [CI, NIGHTLY], ids=lambda path: path.name)
def test_no_test_is_skipped_on_github_for_want_of_a_browser(path: Path) -> None:
    assert load(path)["env"]["BROWSER_REQUIRED"] == "yes"


def test_ci_installs_a_browser_before_the_first_stage_that_has_tests_in_one() -> None:
    before, _, after = (ROOT / ".ci" / "run").read_text(encoding="utf-8").partition("\nstage test\n")
    assert after
    assert "installed chromium; then\n    export BROWSER_REQUIRED=yes\n" in before


def test_read_the_docs_builds_what_is_there_and_takes_no_warning() -> None:
    settings = load(ROOT / ".readthedocs.yaml")
    assert settings["sphinx"] == {"configuration": "docs/conf.py", "fail_on_warning": True}
    python = settings["build"]["tools"]["python"]
    for constraints in re.findall(r"constraints/\S+", " ".join(settings["build"]["jobs"]["install"])):
        assert constraints == f"constraints/constraints-{python}.txt"
        assert (ROOT / constraints).exists()


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_a_document_of_github_parses(path: Path) -> None:
    assert load(path)


# Releases


def test_a_change_is_in_a_file_that_a_release_reads() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    types = "|".join(each["directory"] for each in tools["towncrier"]["type"])
    for path in release.fragments(ROOT):
        assert re.fullmatch(rf"(\d+|\+[\w-]+)\.({types})\.md", path.name), path.name
        assert path.read_text(encoding="utf-8").strip()


def test_every_pin_and_wheel_of_this_package_in_the_documentation_is_of_its_version() -> None:
    assert release.other_versions(ROOT) == []
    pages = "\n".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("kubernetes.md", "mwaa.md"))
    assert set(release.NAMED.findall(pages)) == {release.version(ROOT)}


def test_every_file_with_a_placeholder_is_in_the_list_of_what_to_fill_in() -> None:
    page = (ROOT / "docs" / "release.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)`", page.partition("## Before the first one")[2].partition("##")[0], re.MULTILINE)
    assert all((ROOT / row).exists() for row in rows)
    assert set(release.with_placeholders(ROOT)) <= set(rows)


def test_the_links_of_the_readme_lead_to_the_source_that_the_package_names() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    source = tools["project"]["urls"]["Source"]
    (substitution,) = tools["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]
    assert substitution["replacement"].startswith(f"]({source}/blob/v")
