"""The fixtures as other people's tests use them, and what they cost those who do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PLUGIN = "airflow_provider_amplifybackend.local.pytest_plugin"


def run_pytest(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: what is imported, and what is missing, is the point."""
    (folder / "test_it.py").write_text(test)
    plugins = ["-p", "no:cacheprovider", *(() if installed() else ("-p", PLUGIN))]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "--rootdir", str(folder), str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def installed() -> bool:
    """Whether pytest finds the plugin by its entry point."""
    from importlib.metadata import entry_points

    return any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))


def test_each_test_gets_an_empty_service(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        """
import pytest

@pytest.mark.parametrize("time", [1, 2])
def test_it(local_amplifybackend, local_amplifybackend_server, time):
    assert local_amplifybackend is local_amplifybackend_server
    assert local_amplifybackend.control.state() == []
    local_amplifybackend.client().create_backend(AppId="d1", AppName="a", BackendEnvironmentName="dev")
""",
    )
    assert done.returncode == 0, done.stdout


def test_dags_under_test_find_all_three_services_here(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\namplifybackend_dags = dags\n")
    done = run_pytest(
        tmp_path,
        """
import os

def test_it(local_airflow, local_amplifybackend):
    set_here = {name: value for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL")}
    assert set(set_here) == {f"AWS_ENDPOINT_URL_{name}" for name in ("AMPLIFYBACKEND", "AMPLIFY", "CLOUDFORMATION")}
    assert set(set_here.values()) == {local_amplifybackend.endpoint_url}
""",
    )
    assert done.returncode == 0, done.stdout


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        """
import sys
sys.modules["uvicorn"] = None

def test_it(local_amplifybackend):
    pass
""",
    )
    assert done.returncode == 1
    assert 'pip install "airflow-provider-amplifybackend[local]"' in done.stdout
    assert "Traceback" not in done.stdout


def test_the_plugin_imports_nothing_until_it_is_used() -> None:
    script = f"""
import sys
import pytest
before = set(sys.modules)
import {PLUGIN}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
assert new <= {{"airflow_provider_amplifybackend"}}, new
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


def test_nothing_here_imports_airflow_or_moto() -> None:
    script = """
import sys
import airflow_provider_amplifybackend.local.server
import airflow_provider_amplifybackend.local.cli
assert not {"airflow", "moto", "boto3"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


def test_the_control_client_needs_only_the_standard_library() -> None:
    script = """
import sys
before = set(sys.modules)
import airflow_provider_amplifybackend.local.control
new = {name.partition(".")[0] for name in set(sys.modules) - before}
assert new - {"airflow_provider_amplifybackend"} <= set(sys.stdlib_module_names), new
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)
