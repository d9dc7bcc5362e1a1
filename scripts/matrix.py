"""Run tests on many Airflows, each in an environment of its own: `make test-matrix`.

The sessions: each version that Amazon MWAA offers, from its own constraints (constraints/mwaa); Airflow 3.1; the
declared minimum of each dependency (constraints/matrix); and the newest of each, resolved anew each time, on every
Python that Airflow supports.

Settings (environment):
  MATRIX          the sessions, alone or by series ("3.0.6 newest"); default: all
  MATRIX_TESTS    what pytest runs, "" to install only; default: all of `SUITES`
  MATRIX_VENVS    where the environments live; default: .venvs
  MATRIX_RESULTS  where results are kept; default: docs/matrix-results.json, with its table; "": nowhere
  JOBS            processes that each session's tests are shared among; default: 2; 0: pytest's own, for a debugger
  ARGS            handed on to pytest
  PYTHON312       the Python of sessions that name none; default: a 3.12, which is MWAA's, else a 3.11

Each row of the table that ends the output names the Python that it ran on, and how many tests passed, were skipped and
failed; the reasons stand above it. A session that cannot be run is "not run", with the reason: a failure, unless it is
one of a Python that is not here and was not asked for by name.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from scripts import matrix_results
from scripts.matrix_results import Result
from scripts.matrix_sessions import CONSTRAINTS, MWAA, ROOT, Session, merged, selected, sessions

# The suites that touch Airflow, or botocore, aiobotocore and moto, which each Airflow has in a version of its own.
SUITES = [
    f"tests/{name}"
    for name in (
        "cli",
        "compat",
        "example_dags",
        "faults",
        "fleet",
        "guard",
        "hooks",
        "local",
        "notifications",
        "operators",
        "plugins",
        "sensors",
        "start",
        "task_groups",
        "triggers",
        "upgrades",
    )
]
SHORT = ["tests/compat"]
# As in pyproject.toml, but with the tests that are there for this run.
MARKED = "not system and not crash and not faults and not js and not project and not guard and not package"
NEEDED = ("apache-airflow", "apache-airflow-providers-amazon", "botocore", "aiobotocore")
LOOK = f"""
import json, platform
from importlib.metadata import version
print(json.dumps([platform.python_version(), *map(version, {NEEDED!r})]))
"""


class NotRunError(Exception):
    """A session cannot be run."""


class NoPythonError(NotRunError):
    """Its Python is not here."""


def main() -> int:
    names = os.environ.get("MATRIX", "").split()
    try:
        chosen = selected(names)
    except ValueError as error:
        print(f"matrix: {error}", file=sys.stderr)
        return 1
    tests = shlex.split(os.environ["MATRIX_TESTS"]) if "MATRIX_TESTS" in os.environ else SUITES
    failed, rows = False, []
    for session in chosen:
        try:
            result = run(session, tests)
            failed |= bool(result.get("failed"))
        except NotRunError as reason:
            result = {"session": session.name, "why": str(reason)}
            # Nobody has every Python.
            failed |= not (
                isinstance(reason, NoPythonError) and session.name not in names and len(session.pythons) == 1
            )
        result |= {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "suites": form(tests)}
        keep(result)
        rows.append(row(result))
    print("", *rows, sep="\n")
    return int(failed)


def form(tests: Sequence[str]) -> str:
    """Return the name of a choice of tests."""
    return {tuple(SUITES): "all", tuple(SHORT): "short"}.get(tuple(tests), " ".join(tests))


def row(result: Result) -> str:
    """Return a line for those who read the output."""
    outcome = "installed" if result.get("passed") is None and "why" not in result else matrix_results.outcome(result)
    verdict = "FAILED: " if result.get("failed") else ""
    return f"Airflow {result['session']:<12} Python {result.get('python', '-'):<7} {verdict}{outcome}"


def keep(result: Result) -> None:
    """Keep the result of a session whose tests were all or the short ones."""
    path = Path(os.environ.get("MATRIX_RESULTS", matrix_results.RESULTS))
    if str(path) == "." or result["suites"] not in ("all", "short") or os.environ.get("ARGS"):
        return  # results of a part say nothing of the session
    order = [each.name for each in sessions()]
    found = matrix_results.record(matrix_results.load(path), result, order)
    if path == matrix_results.RESULTS:
        matrix_results.write(found, path, matrix_results.PAGE)
    else:
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def run(session: Session, tests: Sequence[str]) -> Result:
    """Return the result of a session.

    :raises NotRunError: There is no Python for it, or its packages cannot be installed.
    """
    commit = matrix_results.commit()
    python, minor = find_python(session)
    if minor != session.pythons[0]:
        say(f"no Python {session.pythons[0]} for {session.name}, so Python {minor}")
    environment = Path(os.environ.get("MATRIX_VENVS") or ROOT / ".venvs").absolute() / f"airflow-{session.name}"
    make_environment(session, environment, python, minor)
    versions = json.loads(subprocess.check_output([environment / "bin" / "python", "-c", LOOK], text=True))
    result: Result = {"session": session.name, **dict(zip(matrix_results.VERSIONS, versions, strict=True))}
    if tests:
        say(f"{session.name}: pytest {' '.join(tests)}")
        result |= run_tests(environment / "bin" / "python", tests)
    return result | {"commit": commit}


def run_tests(python: Path, tests: Sequence[str]) -> dict[str, int]:
    """Return how many tests passed, were skipped and failed."""
    # A file's tests share fixtures that take seconds, so a file stays together.
    arguments = ["-q", "-n", os.environ.get("JOBS", "2"), "--dist", "loadfile", "--no-loadscope-reorder", "-m", MARKED]
    with tempfile.TemporaryDirectory() as home:
        report = Path(home) / "report.xml"
        command: list[str | Path] = [
            python,
            "-m",
            "pytest",
            *arguments,
            f"--junitxml={report}",
            *shlex.split(os.environ.get("ARGS", "")),
        ]
        # Its environments have no Playwright: what runs in a browser is the same on every Airflow.
        own = {"AIRFLOW_HOME": home, "BROWSER_REQUIRED": ""}
        done = subprocess.run([*command, *tests], cwd=ROOT, env=os.environ | own, check=False)
        return counts(report.read_text(encoding="utf-8") if report.exists() else "", done.returncode)


def counts(report: str, status: int) -> dict[str, int]:
    """Return the counts of a JUnit report. What pytest itself calls a failure is one, also without a failed test."""
    suites = list(ElementTree.fromstring(report).iter("testsuite")) if report else []
    total, skipped, failed = (
        sum(int(suite.get(name, 0)) for suite in suites for name in names)
        for names in (["tests"], ["skipped"], ["failures", "errors"])
    )
    if status:
        failed = max(failed, 1)
    return {"passed": max(total - skipped - failed, 0), "skipped": skipped, "failed": failed}


# ------------------------------------------------------------------------------------------------------ environments


def make_environment(session: Session, environment: Path, python: str, minor: str) -> None:
    """Make an environment, unless there is one whose pins and needs are still the same.

    :raises NotRunError: Its packages cannot be installed.
    """
    pins = pins_of(session, minor)
    made_for = fingerprint(session, minor, pins)
    mark = environment / ".made-for"
    if mark.exists() and mark.read_text() == made_for:
        return
    say(f"making {environment}")
    begun = time.monotonic()
    try:
        install(session, environment, python, pins)
    except subprocess.CalledProcessError as error:
        raise NotRunError(f"its packages cannot be installed on Python {minor} (above)") from error
    mark.write_text(made_for)
    say(f"{environment} ready in {time.monotonic() - begun:.0f} s")


def install(session: Session, environment: Path, python: str, pins: list[str]) -> None:
    uv = shutil.which("uv")
    subprocess.run([python, "-m", "venv", "--clear", *(["--without-pip"] if uv else []), environment], check=True)
    constraints = environment / "constraints.txt"
    constraints.write_text("\n".join(pins) + "\n")
    own = environment / "bin" / "python"
    pip: list[str | Path] = [own, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if uv:
        pip = [uv, "pip", "install", "--quiet", "--python", own]
    else:  # older ones know no dependency groups
        subprocess.run([*pip, "-c", constraints, "--upgrade", "pip"], check=True)
    # MWAA's constraints do not pin Airflow itself.
    wanted: list[str | Path] = [f"apache-airflow=={session.airflow}"] if session.airflow else []
    wanted += ["-e", f".[{session.extras}]", "--group", "test"]
    subprocess.run([*pip, "-c", constraints, *wanted], cwd=ROOT, check=True)


def fingerprint(session: Session, minor: str, pins: list[str]) -> str:
    """Return a digest of all that an environment is made of: not of a linter's settings."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [str(ROOT), session.name, session.extras, minor, pins, settings["project"], settings["dependency-groups"]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def pins_of(session: Session, minor: str) -> list[str]:
    """Return what a session is installed with.

    :raises NotRunError: The newest versions cannot be resolved.
    """
    if session.constraints is None:
        return newest(session, minor)
    theirs = session.constraints.read_text(encoding="utf-8").splitlines()
    ours = (CONSTRAINTS / f"constraints-{minor}.txt").read_text(encoding="utf-8").splitlines()
    return merged(theirs, ours, judged_by_ours=session.constraints.parent == MWAA)


def newest(session: Session, minor: str) -> list[str]:
    """Return the newest versions that there are now. pip would take minutes, so uv resolves, installed if need be.

    :raises NotRunError: They cannot be resolved.
    """
    extras = [f"--extra={name}" for name in session.extras.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            uv = shutil.which("uv") or _installed_uv(Path(scratch))
            command = [uv, "pip", "compile", "pyproject.toml", *extras, "--group=test", f"--python-version={minor}"]
            options = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
            return subprocess.check_output([*command, *options], cwd=ROOT, text=True).splitlines()
        except subprocess.CalledProcessError as error:
            raise NotRunError(f"the newest versions for Python {minor} cannot be resolved (above)") from error


def _installed_uv(scratch: Path) -> str:
    subprocess.run([sys.executable, "-m", "venv", scratch], check=True)
    python = scratch / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "uv"], check=True)
    return str(scratch / "bin" / "uv")


# ---------------------------------------------------------------------------------------------------------- the Python


def find_python(session: Session) -> tuple[str, str]:
    """Return an interpreter for a session and its version: on the PATH, of pyenv, of uv.

    Each is run before it is believed, because a version manager's shim can exist and refuse. No package registry offers
    one to install.

    :raises NoPythonError: There is none.
    """
    given = os.environ.get("PYTHON312")
    if given and len(session.pythons) > 1:
        if (minor := minor_of(given)) in session.pythons:
            return given, minor
        raise NotRunError(f"PYTHON312={given} is no Python {' or '.join(session.pythons)}")
    for wanted in session.pythons:
        for candidate in candidates(wanted):
            if minor_of(candidate) == wanted:
                return candidate, wanted
    raise NoPythonError(f"no Python {' or '.join(session.pythons)} on this machine")


def candidates(minor: str) -> Iterator[str]:
    yield f"python{minor}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(map(str, pyenv.glob(f"versions/{minor}.*/bin/python")))
    if uv := shutil.which("uv"):
        found = subprocess.run(
            [uv, "python", "find", "--no-python-downloads", minor], capture_output=True, text=True, check=False
        )
        yield from found.stdout.split()


def minor_of(python: str) -> str:
    """Return the version of an interpreter, as in `3.12`; empty if it does not run."""
    command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def say(text: str) -> None:
    print(f"matrix: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
