"""The provider on whatever Airflow is installed here: `make test-matrix` runs this on each version of Amazon MWAA.

It uses the command line and nothing else of Airflow, because that is what all versions share.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend

pytestmark = pytest.mark.matrix

DAG_FILE = """
    from datetime import datetime, timedelta

    try:
        from airflow.sdk import DAG
    except ImportError:
        from airflow import DAG

    from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
    from airflow_provider_amplifybackend.operators.environment import (
        CloneBackendOperator, DeleteBackendOperator, GetBackendOperator
    )
    from airflow_provider_amplifybackend.sensors.environment import BackendEnvironmentSensor
    from airflow_provider_amplifybackend.sensors.job import BackendJobSensor

    AUTH = {
        "AuthResources": "USER_POOL_ONLY",
        "Service": "COGNITO",
        "UserPoolConfigs": {"RequiredSignUpAttributes": [], "SignInMethod": "EMAIL", "UserPoolName": "{{ 'pool' }}"},
    }
    app = {"app_id": "d1a2b3c4d5", "retries": 0}
    with DAG("life", schedule=None, start_date=datetime(2026, 1, 1), default_args=app, catchup=False):
        clone = CloneBackendOperator(
            task_id="clone", backend_environment_name="staging", target_environment_name="copy", deferrable=True
        )
        auth = CreateBackendAuthOperator(
            task_id="auth", backend_environment_name="copy", resource_name="auth", resource_config=AUTH,
            deferrable=False, waiter_delay=1, execution_timeout=timedelta(minutes=5),
        )
        get = GetBackendOperator(task_id="get", backend_environment_name="copy")
        unwaited = DeleteBackendOperator(
            task_id="unwaited", backend_environment_name="{{ 'copy' }}", wait_for_completion=False
        )
        job = BackendJobSensor(
            task_id="job", backend_environment_name="copy", job_id=unwaited.output["JobId"], poke_interval=1,
            deferrable=True,
        )
        gone = BackendEnvironmentSensor(
            task_id="gone", backend_environment_name="copy", condition="gone", poke_interval=1
        )
        clone >> auth >> get >> unwaited >> job >> gone
"""


TEXTS = """
    from datetime import datetime

    try:
        from airflow.sdk import DAG
    except ImportError:
        from airflow import DAG

    from airflow_provider_amplifybackend.operators.api import CreateBackendAPIOperator
    from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator

    def auth(message):
        return {
            "AuthResources": "USER_POOL_ONLY",
            "Service": "COGNITO",
            "UserPoolConfigs": {
                "RequiredSignUpAttributes": ["EMAIL"],
                "SignInMethod": "EMAIL",
                "UserPoolName": "1e3",
                "VerificationMessage": {
                    "DeliveryMethod": "EMAIL", "EmailSettings": {"EmailMessage": message, "EmailSubject": "0x1F"}
                },
            },
        }

    MESSAGE = "Type {####} {# not this #}at {{ params.shop }}\\r\\n"
    common = {"app_id": "d1a2b3c4d5", "retries": 0, "waiter_delay": 1}
    with DAG(
        "texts", schedule=None, start_date=datetime(2026, 1, 1), default_args=common, catchup=False,
        render_template_as_native_obj=NATIVE, params={"shop": "007"},
    ):
        CreateBackendAuthOperator(
            task_id="auth", backend_environment_name="a", resource_name="r", resource_config=auth(MESSAGE)
        )
        CreateBackendAPIOperator(
            task_id="api", backend_environment_name="a", resource_name="r", resource_config="api.json"
        )
        CreateBackendAuthOperator.partial(task_id="auths", backend_environment_name="b", resource_name="r").expand(
            resource_config=[auth(MESSAGE)]
        )
        CreateBackendAPIOperator.partial(task_id="apis", backend_environment_name="b", resource_name="r").expand(
            resource_config=["api.json"]
        )
"""
SCHEMA = "type {{ params.shop }} @model {# a comment\r\n  id: ID! #}\r\n}\r\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "life.py").write_text(textwrap.dedent(DAG_FILE))
    return tmp_path


def airflow(home: Path, endpoint_url: str, *arguments: str) -> str:
    extra = {"region_name": "us-east-1", "endpoint_url": endpoint_url}
    connection = {"conn_type": "aws", "login": "123456789012", "password": "not-a-secret", "extra": extra}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH"))}
    environment = inherited | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "airflow", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout + done.stderr


def test_the_life_of_an_environment_on_the_worker_deferred_and_with_sensors(
    home: Path, local_amplifybackend_server: LocalAmplifyBackend
) -> None:
    service = local_amplifybackend_server
    service.control.reset()
    service.control.seed_app("d1a2b3c4d5", "staging")
    service.control.set(job_seconds=2.0)
    airflow(home, service.endpoint_url, "db", "migrate")
    said = airflow(home, service.endpoint_url, "dags", "test", "life", "2026-01-02")
    starts = [entry["operation"] for entry in service.control.journal(effective=True) if entry["job_id"]]
    assert [name for name in starts if not name.startswith("Get")] == [
        "CloneBackend",
        "CreateBackendAuth",
        "DeleteBackend",
    ], said[-6000:]
    client = service.client()
    assert client.get_backend(AppId="d1a2b3c4d5")["BackendEnvironmentList"] == ["staging"]
    assert "state=success" in said or "state:success" in said or "successful" in said, said[-3000:]


@pytest.mark.parametrize("native", [False, True], ids=["as text", "natively"])
def test_texts_arrive_as_they_were_written_but_for_their_templates(
    home: Path, local_amplifybackend_server: LocalAmplifyBackend, native: bool
) -> None:
    service = local_amplifybackend_server
    service.control.reset()
    service.control.seed_app("d1a2b3c4d5", "a", "b")
    service.control.set(job_seconds=0.5)
    folder = home / "dags"
    (folder / "texts.py").write_text(textwrap.dedent(TEXTS).replace("NATIVE", str(native)))
    (folder / "api.json").write_text('{"ApiName": "1_000", "TransformSchema": "shop.graphql"}')
    (folder / "shop.graphql").write_bytes(SCHEMA.encode())
    airflow(home, service.endpoint_url, "db", "migrate")
    said = airflow(home, service.endpoint_url, "dags", "test", "texts", "2026-01-02")
    auths = [
        entry["parameters"]["ResourceConfig"]["UserPoolConfigs"]
        for entry in service.control.journal("CreateBackendAuth", effective=True)
    ]
    assert len(auths) == 2, said[-6000:]
    for pool in auths:
        assert pool["UserPoolName"] == "1e3"
        assert pool["VerificationMessage"]["EmailSettings"] == {
            "EmailMessage": "Type {####} at 007\r\n",
            "EmailSubject": "0x1F",
        }
    apis = [entry["parameters"] for entry in service.control.journal("CreateBackendAPI", effective=True)]
    schema = SCHEMA.replace("{{ params.shop }}", "007")
    assert [api["ResourceConfig"] for api in apis] == [{"ApiName": "1_000", "TransformSchema": schema}] * 2, said[
        -6000:
    ]


def test_the_provider_shows_itself(home: Path, local_amplifybackend_server: LocalAmplifyBackend) -> None:
    said = airflow(home, local_amplifybackend_server.endpoint_url, "providers", "links")
    if "airflow_provider_amplifybackend" not in said:
        pytest.skip("the package runs from its source here and is not installed, so Airflow does not list it")
    assert "AmplifyConsoleLink" in said


READS = """
    from datetime import datetime

    try:
        from airflow.sdk import DAG, task, task_group
    except ImportError:
        from airflow.decorators import task, task_group
        from airflow import DAG

    from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, GetBackendOperator
    from airflow_provider_amplifybackend.operators.job import ListBackendJobsOperator

    app = {"app_id": "d1a2b3c4d5", "retries": 0}
    with DAG("reads", schedule=None, start_date=datetime(2026, 1, 1), default_args=app, catchup=False):
        every = GetBackendOperator.partial(task_id="every", if_missing="skip").expand(
            backend_environment_name=["staging", "missing"]
        )

        @task_group
        def each(name):
            CloneBackendOperator(
                task_id="clone", backend_environment_name="staging", target_environment_name=name, waiter_delay=1
            )

        @task
        def use(meta):
            assert meta["providers"]["awscloudformation"]["StackName"]

        get = GetBackendOperator(task_id="get", backend_environment_name="staging")
        jobs = ListBackendJobsOperator(task_id="jobs", backend_environment_name="staging")
        every >> each.expand(name=["one", "two"]) >> get >> jobs
        use(get.output["AmplifyMetaConfig"])
"""


def test_members_of_what_is_read_are_xcoms_and_mapped_tasks_are_labelled(
    home: Path, local_amplifybackend_server: LocalAmplifyBackend
) -> None:
    service = local_amplifybackend_server
    service.control.reset()
    service.control.seed_app("d1a2b3c4d5", "staging")
    service.control.set(job_seconds=0.1)
    (home / "dags" / "reads.py").write_text(textwrap.dedent(READS))
    airflow(home, service.endpoint_url, "db", "migrate")
    said = airflow(home, service.endpoint_url, "dags", "test", "reads", "2026-01-02")
    with sqlite3.connect(home / "airflow.db") as database:
        rows = database.execute("select task_id, map_index, state, rendered_map_index from task_instance").fetchall()
        keys = database.execute("select key from xcom where task_id = 'get'").fetchall()
    assert {state for _, _, state, _ in rows} == {"success"}, said[-6000:]
    labels = {(task_id, index): label for task_id, index, _, label in rows if index >= 0}
    assert labels == {
        ("every", 0): "staging",
        ("every", 1): "missing",
        ("each.clone", 0): "one",
        ("each.clone", 1): "two",
    }
    assert {"return_value", "AmplifyMetaConfig", "BackendEnvironmentList", "exists", "stack_name"} <= {
        key for (key,) in keys
    }


def test_the_local_service_leaves_the_event_loop_of_the_process_alone() -> None:
    with LocalAmplifyBackend():
        loop = asyncio.new_event_loop()
        loop.close()
    assert type(loop).__module__.startswith("asyncio.")
