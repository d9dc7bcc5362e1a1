"""The project of docs/first-dag.md: the files that a reader copies, and the commands that they run."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from tests.pages import DOCS, Command, blocks, commands

PAGE = DOCS / "first-dag.md"


def write_project(folder: Path) -> Path:
    """Copy the project's files from the page into `folder`, and return it."""
    for block in blocks(PAGE):
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    return folder


def page_as_script() -> tuple[str, list[Command]]:
    """Return a script that does all that the page says, and the commands that it runs and numbers."""
    lines: list[str] = ["set -eu"]
    run: list[Command] = []
    for block in blocks(PAGE):
        if block.file:
            name, folder = shlex.quote(block.file), shlex.quote(str(Path(block.file).parent))
            lines += [f"mkdir -p {folder}", f"cat >{name} <<'END OF THE BLOCK'", f"{block.text}END OF THE BLOCK"]
        elif block.language == "console":
            for command in commands(block):
                lines += [f"echo '@@ {len(run)} @@'", command.line]
                run.append(command)
    return "\n".join(lines) + "\n", run


def existing_airflow(folder: Path) -> dict[str, str]:
    """A developer's own Airflow and AWS, as their shell names them: nothing may be read or written there."""
    home = folder / "existing"
    home.mkdir()
    (home / "airflow.cfg").write_text("[core]\ndags_folder = /nowhere\n")
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(home / "airflow.cfg"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }


def is_untouched(existing: dict[str, str]) -> bool:
    home = Path(existing["AIRFLOW_HOME"])
    return [path.name for path in home.iterdir()] == ["airflow.cfg"]


def run_pytest(
    python: str, folder: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project with an interpreter, and with no variables but these and what a process needs."""
    needed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=needed | {"PYTHONDONTWRITEBYTECODE": "1"} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
