"""On whatever Airflow is installed, every example and every module imports, and without a deprecation warning."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.airflow_versions import AIRFLOW

pytestmark = pytest.mark.matrix

ROOT = Path(__file__).parents[2]
HAS_OPENLINEAGE = any(each.name == "apache-airflow-providers-openlineage" for each in distributions())
PACKAGE = ROOT / "airflow_provider_amplifybackend"
EXAMPLES = [*sorted((ROOT / "example_dags").glob("*.py")), ROOT / "docs" / "examples" / "operators.py"]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in PACKAGE.rglob("*.py")
)

# Airflow itself and its libraries warn of their own ways while they are imported: so everything that these tests import
# of them is imported before the filter is set. What comes after it is what our names and our calls cause.
PREAMBLE = """
import importlib, json, sys, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import airflow.models, airflow.configuration, airflow.providers_manager
    for library in ("airflow.providers.amazon.aws.hooks.base_aws", "aiobotocore.session", "starlette.applications",
                    "uvicorn", "uvicorn.protocols.websockets.auto", "airflow.sdk",
                    "airflow.providers.openlineage.extractors"):
        try:
            importlib.import_module(library)
        except ImportError:
            pass
warnings.simplefilter("error", DeprecationWarning)
warnings.simplefilter("error", PendingDeprecationWarning)
"""
PARSE = """
try:
    from airflow.sdk import DAG
except ImportError:
    from airflow.models.dag import DAG
import runpy
found = []
for path in sys.argv[1:]:
    names = runpy.run_path(path)
    dags = {value.dag_id for value in names.values() if isinstance(value, DAG)}
    dags |= {dag.dag_id for dag in made}
    made.clear()
    assert dags, f"{path} makes no DAG"
    found += dags
print("dags:", *sorted(found))
"""
# A decorated example calls its function for the sake of the DAG and drops the result.
COLLECT = """
made = []
try:
    from airflow.sdk import DAG as _DAG
except ImportError:
    from airflow.models.dag import DAG as _DAG
_enter = _DAG.__enter__
_DAG.__enter__ = lambda dag: made.append(dag) or _enter(dag)
"""


def run(tmp_path: Path, script: str, *arguments: object) -> str:
    """Run a script in a process of its own, because a warning comes with the first import only."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    environment = inherited | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # Airflow 2 warns of this default of its own at every start.
        "AIRFLOW__METRICS__TIMER_UNIT_CONSISTENCY": "True",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + script, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def test_every_example_makes_its_dag_without_a_deprecation_warning(tmp_path: Path) -> None:
    said = run(tmp_path, COLLECT + PARSE, *EXAMPLES)
    dags = {line.removeprefix("dags: ") for line in said.splitlines() if line.startswith("dags: ")}
    assert dags == {" ".join(sorted(path.stem for path in EXAMPLES))}


def dag_files_of_pages() -> list[tuple[str, str]]:
    """The code blocks of the documentation that are DAG files: they begin with imports of Airflow."""
    blocks = []
    for page in PAGES:
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            text = textwrap.dedent(block)
            if re.search(r"^(from|import) airflow\b", text, re.MULTILINE):
                blocks.append((page.name, text))
    return blocks


def test_every_dag_file_in_the_documentation_makes_its_dag_without_a_deprecation_warning(tmp_path: Path) -> None:
    files = []
    for number, (page, text) in enumerate(dag_files_of_pages()):
        files.append(tmp_path / f"{Path(page).stem}_{number}.py")
        files[-1].write_text(text, encoding="utf-8")
    assert files
    run(tmp_path, COLLECT + PARSE, *files)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_documentation_is_python(page: Path) -> None:
    for text in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        ast.parse(textwrap.dedent(text))


def test_every_module_imports_without_a_deprecation_warning(tmp_path: Path) -> None:
    script = "for module in sys.argv[1:]: importlib.import_module(module)"
    # As a program it starts a service; importing its other modules is enough.
    no_module = {f"{PACKAGE.name}.local.__main__"}
    if AIRFLOW < (3, 1):  # asks a person, and says that this Airflow cannot
        no_module.add(f"{PACKAGE.name}.task_groups._approval")
    if not HAS_OPENLINEAGE:  # an extra, imported where it is used
        no_module.add(f"{PACKAGE.name}._openlineage")
    assert no_module <= set(MODULES)
    run(tmp_path, script, *(module for module in MODULES if module not in no_module))
