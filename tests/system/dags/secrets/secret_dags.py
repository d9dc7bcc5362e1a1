"""One task for each road on which a secret can come (secret_plants.py has them), with templates in place of secrets.

Runs under `make test` through dag.test() and, for `make test-secrets`, on a running Airflow.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

try:
    from airflow.sdk import DAG, Variable, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task  # type: ignore[attr-defined,no-redef]
    from airflow.models import Variable

from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.operators.api import GetBackendAPIOperator
from airflow_provider_amplifybackend.operators.auth import (
    CreateBackendAuthOperator,
    GetBackendAuthOperator,
    ImportBackendAuthOperator,
    UpdateBackendAuthOperator,
)
from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator, GetBackendOperator
from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator
from airflow_provider_amplifybackend.operators.job import GetBackendJobOperator, ListBackendJobsOperator
from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
from airflow_provider_amplifybackend.operators.snapshot import CompareBackendsOperator, SnapshotBackendOperator
from airflow_provider_amplifybackend.operators.token import CreateTokenOperator, DeleteTokenOperator, GetTokenOperator
from airflow_provider_amplifybackend.sensors.environment import BackendEnvironmentSensor
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor
from tests.samples import APP, auth
from tests.system.secret_plants import RESOURCE, environment_of, social

FILES = os.environ.get("SECRET_DAGS_FILES") or str(Path(__file__).parent / "files")
# Among the temporary files, which are searched.
RECORDS = os.environ.get("SECRET_DAGS_RECORDS") or f"{tempfile.gettempdir()}/records"
ONCE_MORE: dict[str, Any] = {"retries": 1, "retry_delay": timedelta(seconds=1)}
# Airflow itself fails a task that a busy API server does not let begin in time, and under LocalExecutor some whose
# trigger fires soon (apache/airflow#67287).
MAY_RETRY: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=1)}
IN_APP: dict[str, Any] = {"app_id": APP}
READS: dict[str, Any] = {**IN_APP, **MAY_RETRY}
OPTIONS: dict[str, Any] = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1),
    "catchup": False,
    "max_active_tasks": 64,
    "template_searchpath": [FILES],
}


def var(name: str) -> str:
    return f"{{{{ var.value.{name} }}}}"


def of(task_id: str, *members: str, change: bool = False) -> dict[str, Any]:
    """The configuration whose secrets are templates."""
    return social(change=change, **{member: var(f"{task_id}_{member}") for member in members})


def resource(operator: Any, task_id: str, config: Any, **more: Any) -> Any:
    given = {**IN_APP, "backend_environment_name": environment_of(task_id)}
    given |= {"resource_name": RESOURCE, "waiter_delay": 0.2}
    # What is not said otherwise does not wait: most roads end with the request.
    given["wait_for_completion"] = "deferrable" in more
    if not task_id.startswith("fails_"):
        given |= MAY_RETRY
    return operator(task_id=task_id, resource_config=config, **given | more)


def create(task_id: str, config: Any, **more: Any) -> Any:
    return resource(CreateBackendAuthOperator, task_id, config, **more)


def update(task_id: str, config: Any, **more: Any) -> Any:
    return resource(UpdateBackendAuthOperator, task_id, config, **more)


def renamed(config: dict[str, Any], **names: str) -> str:
    text = json.dumps(config)
    for old, new in names.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    return text


def yaml(config: dict[str, Any]) -> str:
    """YAML in which only the names are not quoted."""
    lines: list[str] = []

    def write(value: dict[str, Any], depth: int) -> None:
        for name, member in value.items():
            if isinstance(member, dict):
                lines.append(f"{'  ' * depth}{name}:")
                write(member, depth + 1)
            else:
                lines.append(f"{'  ' * depth}{name}: {member if isinstance(member, str) else json.dumps(member)}")

    write(config, 0)
    return "\n".join(lines)


def escaped(task_id: str, *members: str) -> str:
    """JSON text in which `| tojson` writes the secrets."""
    text = json.dumps(of(task_id, *members))
    for member in members:
        name = f"{task_id}_{member}"
        text = text.replace(json.dumps(var(name)), f"{{{{ var.value.{name} | tojson }}}}")
    return text


@task
def fetch() -> Any:
    return Variable.get("document_from_xcom", deserialize_json=True)


@task
def hook() -> None:
    environment = environment_of("hook")
    given = {"AppId": APP, "BackendEnvironmentName": environment, "ResourceName": RESOURCE}
    change = social(change=True, google=Variable.get("hook_google"))
    AmplifyBackendHook().call("UpdateBackendAuth", {**given, "ResourceConfig": change})


with DAG("secrets_in", **OPTIONS):
    create("dictionary", of("dictionary", "google", "facebook", "amazon", "apple"), deferrable=False)
    create("deferred", of("deferred", "google", "facebook", "amazon", "apple"), deferrable=True)
    create("json_text", json.dumps(of("json_text", "google", "apple")))
    create("json_file", "json_file.json")
    create("whole_variable", var("document_whole_variable"))
    create("tojson", escaped("tojson", "google", "apple"))
    CreateBackendAuthOperator.partial(
        task_id="mapped", app_id=APP, resource_name=RESOURCE, waiter_delay=0.2, deferrable=True, **MAY_RETRY
    ).expand_kwargs(
        [
            {
                "backend_environment_name": f"mapped-{index}",
                "resource_config": social(google=var(f"mapped_{member}")),
            }
            for index, member in enumerate(("first", "second", "third"))
        ]
    )
    create(
        "from_connection",
        social(google="{{ conn.social.password }}", facebook="{{ conn.social.extra_dejson.facebook }}"),
    )
    create("from_database", social(google=var("db_google"), facebook="{{ conn.db_social.password }}"))
    update("update", json.dumps(of("update", "google", "apple", change=True)))
    update("update_deferred", of("update_deferred", "google", "apple", change=True), deferrable=True)
    create("from_xcom", fetch.override(**MAY_RETRY)())
    hook.override(**MAY_RETRY)()

with DAG("secrets_refused", **OPTIONS):
    names = {"ClientSecret": "clientSecret", "PrivateKey": "privateKey"}
    create("fails_camel_case", renamed(of("fails_camel_case", "google", "facebook", "amazon", "apple"), **names))
    create("fails_camel_file", "camel_case.json")
    create("fails_cli_inputs", var("text_fails_cli_inputs"))
    create(
        "fails_names",
        {
            "user_api_key": var("fails_names_keyed"),
            "Refresh-Token": var("fails_names_tokened"),
            "dbPassword": var("fails_names_worded"),
            "CREDENTIAL": [var("fails_names_credited")],
            "jwtSigningKey": var("fails_names_signed"),
            "headers": f"Authorization: Bearer {var('fails_names_authorized')}",
        },
    )
    create("fails_yaml", yaml(of("fails_yaml", "google", "apple")))
    create("fails_python_text", var("text_fails_python_text"))
    create("fails_cut", var("text_fails_cut"))
    unquoted = "{UserPoolConfigs: {Google: {ClientSecret: SECRET}}}"
    create("fails_unquoted", unquoted.replace("SECRET", var("fails_unquoted_google")))
    create("fails_twice_encoded", var("text_fails_twice_encoded"))
    create("fails_list", {"clientSecrets": [var("fails_list_first"), {"value": var("fails_list_second")}]})
    create("fails_short", of("fails_short", "google"))

with DAG("secrets_said", **OPTIONS):
    create("fails_refused", of("fails_refused", "google", "apple"))
    create("fails_refused_again", of("fails_refused_again", "google"), **ONCE_MORE)
    create("throttled", of("throttled", "google"))
    create("answer_lost", of("answer_lost", "google"))
    create("already_there", of("already_there", "google", "apple"), if_exists="skip")

    create("fails_job_on_worker", of("fails_job_on_worker", "google", "apple"), deferrable=False)
    create("fails_job_deferred", of("fails_job_deferred", "google", "apple"), deferrable=True, **ONCE_MORE)
    create("fails_job_again", of("fails_job_again", "google"), deferrable=True, **ONCE_MORE)
    pool = {"user_pool_id": "us-east-1_AbCdEfGhI", "native_client_id": "native", "web_client_id": "web"}
    ImportBackendAuthOperator(
        task_id="fails_import",
        **ONCE_MORE,
        app_id=APP,
        backend_environment_name=environment_of("fails_import"),
        waiter_delay=0.2,
        deferrable=True,
        **pool,
    )
    for name, deferrable in (("fails_sensor_job", False), ("fails_sensor_deferred", True)):
        BackendJobSensor(
            task_id=name,
            app_id=APP,
            backend_environment_name=environment_of(name),
            job_id=f"job-of-{environment_of(name)}",
            deferrable=deferrable,
            **ONCE_MORE,
            poke_interval=0.2,
            timeout=60,
        )
    DeleteTokenOperator(task_id="fails_challenge", app_id="d0refused", session_id=var("fails_challenge_session"))
    environment = environment_of("get_job")
    GetBackendJobOperator(
        task_id="get_job", **READS, backend_environment_name=environment, job_id=f"job-of-{environment}"
    )
    ListBackendJobsOperator(task_id="list_jobs", **READS, backend_environment_name=environment_of("list_jobs"))

with DAG("secrets_out", **OPTIONS):
    GetBackendOperator(task_id="get_backend", **READS, backend_environment_name=environment_of("get_backend"))
    GetBackendAuthOperator(
        task_id="get_auth",
        **READS,
        backend_environment_name=environment_of("get_auth"),
        resource_name=RESOURCE,
    )
    GetBackendAPIOperator(
        task_id="get_api",
        **READS,
        backend_environment_name=environment_of("get_api"),
        resource_name="graph",
    )
    in_plan: dict[str, Any] = {**READS, "backend_environment_name": environment_of("plan")}
    PlanBackendDeletionOperator(task_id="plan", **in_plan)
    DeleteBackendOperator(
        task_id="delete_recorded",
        **IN_APP,
        backend_environment_name=environment_of("delete_recorded"),
        record=RECORDS,
        waiter_delay=0.2,
        deferrable=True,
        **MAY_RETRY,
    )
    in_snapshot = {"app_id": APP, "backend_environment_name": environment_of("snapshot")}
    snapshot = SnapshotBackendOperator(
        task_id="snapshot", **in_snapshot, path=RECORDS, snapshot_key_conn_id="digests", **MAY_RETRY
    )
    CompareBackendsOperator(
        task_id="compare",
        left=snapshot.output,
        right=in_snapshot,
        fail_on="doubt",
        snapshot_key_conn_id="digests",
        **MAY_RETRY,
    )
    BackendInventoryOperator(task_id="inventory", path=RECORDS, requests_per_second=50, **MAY_RETRY)
    CreateTokenOperator(task_id="create_challenge", **READS)
    GetTokenOperator(task_id="get_challenge", **READS, session_id=var("get_challenge_session"))
    DeleteTokenOperator(task_id="delete_challenge", **READS, session_id=var("delete_challenge_session"))

with DAG("secrets_connections", **OPTIONS):

    def get(task_id: str, **aws: Any) -> Any:
        retries = {} if task_id.startswith("fails_") else MAY_RETRY
        given = {**IN_APP, "backend_environment_name": environment_of(task_id), **retries}
        return GetBackendOperator(task_id=task_id, **given, **aws)

    def uri(name: str) -> str:
        return f"aws://AKIAIOSFODNN7EXAMPLE:{var(name)}@/?region_name=us-east-1"

    def proxied(name: str) -> dict[str, Any]:
        proxy = f"http://hunter:{var(name)}@127.0.0.1:9"
        return {"proxies": {"http": proxy, "https": proxy}}

    get("aws_keys", aws_conn_id="aws_keys")
    create("aws_keys_deferred", auth(), aws_conn_id="aws_keys_deferred", deferrable=True)
    get("role", aws_conn_id="aws_role")
    create("role_deferred", auth(), aws_conn_id="aws_role_deferred", deferrable=True)
    get("proxy", aws_conn_id="aws_proxy")
    create("proxy_deferred", auth(), aws_conn_id="aws_proxy_deferred", deferrable=True)
    get("fails_proxy", aws_conn_id="aws_no_proxy")
    get("fails_endpoint", aws_conn_id="aws_userinfo")
    get("fails_uri", aws_conn_id=uri("fails_uri_key"))
    get("fails_json_conn", aws_conn_id=json.dumps({"conn_type": "aws", "password": var("fails_json_conn_key")}))
    get("fails_config", botocore_config=proxied("fails_config_userinfo"))
    get("fails_config_text", botocore_config=json.dumps(proxied("fails_config_text_userinfo")))
    of_sensors: dict[str, dict[str, Any]] = {
        "fails_sensor_config": {"botocore_config": json.dumps(proxied("fails_sensor_config_userinfo"))},
        "fails_sensor_uri": {"aws_conn_id": uri("fails_sensor_uri_key")},
    }
    for sensor, aws in of_sensors.items():
        BackendEnvironmentSensor(
            task_id=sensor,
            app_id=APP,
            backend_environment_name=environment_of(sensor),
            deferrable=True,
            poke_interval=0.2,
            timeout=30,
            **aws,
        )

with DAG("secrets_native", render_template_as_native_obj=True, **OPTIONS):
    create("native_member", of("native_member", "google", "facebook", "apple"), deferrable=True)
    create("native_whole", var("document_native_whole"))
    create("native_tojson", escaped("native_tojson", "google", "facebook"))
