"""An Airflow of its own for tests of DAGs: its home, its database and its AWS are made for one process and end with it.

The pytest plugin is the way to it (docs/local.md). Nothing of Airflow is imported until a DAG is loaded.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pluggy

from airflow_provider_amplifybackend.local.no_proxy import no_proxy_variables
from airflow_provider_amplifybackend.local.service.store import DEFAULT_ACCOUNT, DEFAULT_REGION


class AirflowIsNotIsolatedError(RuntimeError):
    """Airflow would use, or uses already, a home that is not the one made for the tests."""


def isolate_airflow(dags: Path | None = None) -> Path:
    """Make a new AIRFLOW_HOME for this process and return it; `dags` is its dags folder, by default a new one inside.

    Airflow reads its settings when it is imported, so this comes first. Every `AIRFLOW*` variable of the environment
    is removed: one of them could lead to the database, the secrets or the logs of a real deployment.
    """
    if "airflow" in sys.modules:
        raise AirflowIsNotIsolatedError(
            f"Airflow has been imported already, with AIRFLOW_HOME={_imported_home()}, and cannot get another home"
        )
    home = Path(tempfile.mkdtemp(prefix="amplifybackend-airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for name in environment_names("AIRFLOW"):
        del os.environ[name]
    if dags is None:
        dags = home / "dags"
        dags.mkdir()
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database(home),
        # Airflow 2 fills a new database with connections; its `aws_default` leads to the real AWS.
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return home


def database(home: Path) -> str:
    """Return the database of the home that was made for the tests."""
    return f"sqlite:///{home / 'airflow.db'}"


def aws_variables(home: Path) -> dict[str, str]:
    """Return the variables that keep boto3 away from real credentials: its files are not there, nor is an instance.

    And those that keep the developer's proxy from the local service, which is on this machine.
    """
    return {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "no-aws"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-aws"),
        **no_proxy_variables(os.environ),
    }


def leave_aws(home: Path) -> None:
    """Remove each variable of AWS from this process, and have boto3 find nothing in its place."""
    for name in environment_names("AWS_", "BOTO"):
        del os.environ[name]
    os.environ |= aws_variables(home)


def service_variables(endpoint_url: str) -> dict[str, str]:
    """Return the variables with which the connection `aws_default` leads to a local service, and boto3 has keys for it.

    The keys are for tasks with another connection, or none. The first one is the account; nobody checks the secret.
    """
    return {
        "AWS_ACCESS_KEY_ID": DEFAULT_ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_DEFAULT_REGION": DEFAULT_REGION,
        "AIRFLOW_CONN_AWS_DEFAULT": connection_json(endpoint_url),
    }


def connection_json(endpoint_url: str, *, region_name: str | None = DEFAULT_REGION, **extra: object) -> str:
    """Return an AWS connection to a local service, as an `AIRFLOW_CONN_*` variable takes it."""
    return json.dumps(
        {
            "conn_type": "aws",
            "login": DEFAULT_ACCOUNT,
            "password": "not-a-secret",
            "extra": {"region_name": region_name, "endpoint_url": endpoint_url, **extra},
        }
    )


def environment_names(*prefixes: str) -> list[str]:
    """Return the names of the environment's variables that begin like this."""
    return [name for name in os.environ if name.startswith(prefixes)]


def migrate(home: Path) -> None:
    """Make the database of the tests' home, once it is certain that Airflow uses that home and no other."""
    # Before anything is imported: Airflow writes into its home already then.
    _check(os.environ.get("AIRFLOW_HOME", ""), os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"), home)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from airflow.configuration import conf
        from airflow.utils.db import initdb

        _check(_imported_home(), conf.get("database", "sql_alchemy_conn"), home)
        initdb()


def _check(used_home: str, used_database: str | None, home: Path) -> None:
    if used_home != str(home) or used_database != database(home):
        # The values can hold a password, so they are not shown.
        raise AirflowIsNotIsolatedError(
            "AIRFLOW_HOME or AIRFLOW__DATABASE__SQL_ALCHEMY_CONN has been changed since a home was made for the "
            "tests, so Airflow would use another database than theirs: remove that from conftest.py"
        )


def _imported_home() -> str:
    from airflow.configuration import AIRFLOW_HOME

    return str(AIRFLOW_HOME)


@dataclass(frozen=True)
class LocalRun:
    """A DAG run that has ended. Its repr begins with why: whoever prints it may cut it."""

    errors: dict[str, str]
    """What each failed task raised last, by task id, for a mapped task by `id[index]`: `Type: text`, secrets masked."""
    state: str
    """`success` or `failed`."""
    states: dict[str, str]
    """State by task id; for a mapped task by `id[index]`."""
    dag_id: str
    run_id: str

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return what a task has pushed, or None."""
        from airflow.utils.session import create_session

        from airflow_provider_amplifybackend._compat import XCom, xcom_model

        model = xcom_model()
        with create_session() as session:
            row = (
                session.query(model.value)  # the column: Airflow 2 has deserialized the value of a loaded model already
                .filter_by(dag_id=self.dag_id, run_id=self.run_id, task_id=task_id, key=key, map_index=map_index)
                .one_or_none()
            )
            return None if row is None else XCom.deserialize_value(row)


class LocalAirflow:
    """Loads DAGs from the dags folder and runs them in this process: each task, its retries and its trigger."""

    def __init__(self, dags: Path) -> None:
        self._dags = dags
        self._files: dict[str, str] = {}
        self._failed: list[LocalRun] = []

    def dag(self, dag_id: str) -> Any:
        """Load a DAG anew from its file."""
        from airflow_provider_amplifybackend._compat import load_dags

        bag = load_dags(self._files.get(dag_id, str(self._dags)))
        self._files |= {each: dag.fileloc for each, dag in bag.dags.items()}
        if dag_id in bag.dags:
            return bag.dags[dag_id]
        errors = "".join(f"\n{path}:\n{error}" for path, error in bag.import_errors.items())
        known = ", ".join(sorted(bag.dags)) or "none"
        raise LookupError(f"there is no DAG '{dag_id}' in {self._dags} (there: {known}){errors}")

    def run(self, dag: str | Any, *, conf: dict[str, Any] | None = None, retry_delay: float | None = 0.0) -> LocalRun:
        """Run a DAG, given by its id or as `dag()` has loaded it, to its end.

        `retry_delay` is how many seconds to wait between two tries, whatever the tasks say (Airflow's own default is
        300, and they are waited out); None waits as long as they say.
        """
        from airflow_provider_amplifybackend.local.testing.dag_runs import run_in_process

        if isinstance(dag, str):
            dag = self.dag(dag)
        if retry_delay is not None:
            for task in dag.tasks:
                _wait_between_tries(task, timedelta(seconds=retry_delay))
        with warnings.catch_warnings(), _heard() as failures:
            warnings.simplefilter("ignore")
            run = run_in_process(dag, conf)
        states = {_name(task): str(task.state) for task in run.get_task_instances()}
        errors = {name: failures.text(name) for name in failures.errors if states.get(name) == "failed"}
        state = str(run.state).encode().decode()  # an object of its own, by which `reasons` knows the run again
        ended = LocalRun(errors=errors, state=state, states=states, dag_id=run.dag_id, run_id=run.run_id)
        if errors:
            self._failed.append(ended)
        return ended

    def reasons(self, state: object) -> list[str]:
        """Return why a run has failed, known by its very `state`: what its tasks raised.

        The state itself cannot carry that: pytest-xdist sends a plain string and nothing else.
        """
        runs = [run for run in self._failed if run.state is state]
        return [f"{name}: {error}" for run in runs for name, error in run.errors.items()]


class _Failures:
    """The errors that tries of tasks raised, the last of each task: Airflow's database has only that they failed."""

    def __init__(self) -> None:
        self.errors: dict[str, BaseException | str] = {}

    @pluggy.HookimplMarker("airflow")
    def on_task_instance_failed(self, task_instance: Any, error: BaseException | str | None) -> None:
        if error is not None:
            self.errors[_name(task_instance)] = error

    def text(self, name: str) -> str:
        """Return what a task raised, without whatever has become a secret by now."""
        from airflow_provider_amplifybackend._compat import redact

        error = self.errors[name]
        return str(redact(error if isinstance(error, str) else f"{type(error).__name__}: {error}"))


@contextlib.contextmanager
def _heard() -> Iterator[_Failures]:
    from airflow_provider_amplifybackend._compat import listener_manager

    manager, failures = listener_manager(), _Failures()
    manager.add_listener(failures)
    try:
        yield failures
    finally:
        manager.pm.unregister(failures)


def _name(task: Any) -> str:
    """Return how a task instance is called here."""
    return str(task.task_id) if task.map_index is None or task.map_index < 0 else f"{task.task_id}[{task.map_index}]"


def _wait_between_tries(task: Any, delay: timedelta) -> None:
    if hasattr(task, "partial_kwargs"):  # mapped: the tries of its instances read this
        task.partial_kwargs |= {"retry_delay": delay, "retry_exponential_backoff": False}
    else:
        task.retry_delay = delay
        task.retry_exponential_backoff = False
