"""`botocore_config` is checked like any parameter, before anything is sent."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import botocore.config
import pytest

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.parameters.client_config import as_client_config, for_botocore
from airflow_provider_amplifybackend.validation import validate_dag
from tests.dag_run import DagRunner

CYCLE: dict[str, Any] = {}
CYCLE["proxies"] = CYCLE

GOOD: list[tuple[Any, Any]] = [
    (None, None),
    ("", None),
    (" None ", None),
    ({}, {}),
    ("{}", {}),
    ('{"read_timeout": 5, "retries": {"mode": "standard"}}', {"read_timeout": 5, "retries": {"mode": "standard"}}),
    ({"read_timeout": "60", "connect_timeout": 0.5}, {"read_timeout": 60.0, "connect_timeout": 0.5}),
    ({"use_fips_endpoint": "True", "tcp_keepalive": False}, {"use_fips_endpoint": True, "tcp_keepalive": False}),
    ({"retries": {"total_max_attempts": "3"}}, {"retries": {"total_max_attempts": 3}}),
    ({"retries": '{"max_attempts": 0}'}, {"retries": {"max_attempts": 0}}),
    ({"read_timeout": None, "retries": None}, {"read_timeout": None, "retries": None}),
    ({"client_cert": ("/c.pem", "/k.pem")}, {"client_cert": ["/c.pem", "/k.pem"]}),
    ({"proxies": {"http": "http://proxy:3128"}}, {"proxies": {"http": "http://proxy:3128"}}),
    ({"max_pool_connections": 50.0}, {"max_pool_connections": 50}),
    ({"user_agent_extra": "for-us"}, {"user_agent_extra": "for-us"}),
    ({"signature_version": "v4"}, {"signature_version": "v4"}),
    ({"signature_version": "unsigned"}, {"signature_version": "unsigned"}),
]
BAD: list[tuple[Any, str]] = [
    (
        botocore.config.Config(read_timeout=60),
        'a Config: pass the keyword arguments .* as a dictionary, e.g. {"read_timeout"',
    ),
    ("read_timeout=60", "is not valid JSON"),
    ('{"read_timeout": 1, "read_timeout": 2}', "botocore_config has read_timeout more than once: write it once"),
    ({"signature_version": "zz"}, "botocore_config.signature_version='zz' is not accepted; accepted values: .*v4"),
    ({"user_agent": "x\r\ny"}, "botocore_config.user_agent='x.*y' has characters that no header can have"),
    ({"user_agent_extra": "x\x7f"}, "botocore_config.user_agent_extra=.* has characters that no header can have"),
    ({"region_name": "eu west 1"}, "botocore_config.region_name='eu west 1' must be the name of an AWS region"),
    ({"read_timeout": "1_0"}, "botocore_config.read_timeout='1_0' must be a number"),
    ("[1]", "is a list"),
    ([("read_timeout", 60)], "is a list"),
    (7, "is a int"),
    ({"reed_timeout": 1}, "botocore_config.reed_timeout is not an option .* did you mean read_timeout"),
    ({"colour": 1}, "botocore_config.colour is not an option .* it has: region_name"),
    ({"read_timeout": "long"}, "botocore_config.read_timeout='long' must be a number"),
    ({"read_timeout": -1}, "botocore_config.read_timeout=-1 must be a number"),
    ({"read_timeout": 0}, "botocore_config.read_timeout=0 must be"),
    ({"connect_timeout": float("nan")}, "botocore_config.connect_timeout=nan must be a finite number"),
    ('{"connect_timeout": 1e400}', "botocore_config.connect_timeout=inf must be a finite number"),
    ({"connect_timeout": 10**30}, "botocore_config.connect_timeout is a number of more than 64 bits"),
    ({"connect_timeout": 10**5000}, "botocore_config.connect_timeout is a number of more than 64 bits"),
    ({"read_timeout": 1e12}, "botocore_config.read_timeout=.* is too large"),
    ({"read_timeout": [1]}, "botocore_config.read_timeout"),
    ({"use_fips_endpoint": "perhaps"}, "botocore_config.use_fips_endpoint='perhaps' must be true or false"),
    ({"max_pool_connections": 0}, "botocore_config.max_pool_connections=0 must be"),
    ({"max_pool_connections": 2.5}, "botocore_config.max_pool_connections=2.5 must be a whole number"),
    ({"retries": 3}, "botocore_config.retries must be a dictionary, not a int"),
    ({"retries": {"attempts": 3}}, "attempts"),
    ({"retries": {"max_attempts": "many"}}, "botocore_config.retries.max_attempts='many' must be a number"),
    ({"retries": {"total_max_attempts": 0}}, "botocore_config.retries.total_max_attempts=0 must be"),
    ({"retries": {"mode": "eager"}}, "botocore_config is not accepted by botocore: .*eager"),
    ({"retries": {"mode": 1}}, "botocore_config.retries.mode must be a string"),
    ({"s3": {"addressing_style": "sideways"}}, "not accepted by botocore"),
    ({"s3": [1]}, "botocore_config.s3 must be a dictionary"),
    ({"user_agent": 5}, "botocore_config.user_agent must be a string"),
    ({"user_agent": "half \ud83d"}, "botocore_config.user_agent is a string that cannot be encoded"),
    ({"user_agent": "nul \x00"}, "botocore_config.user_agent is a string that cannot be encoded"),
    ({"proxies": {"http": lambda: 1}}, "botocore_config.proxies.http is a function, which cannot be stored"),
    ({"proxies": {"http"}}, "botocore_config.proxies is a set, which cannot be stored"),
    ({"signature_version": object()}, "botocore_config.signature_version is a object, which cannot be stored"),
    ({"client_cert": ["/only-one.pem"]}, "botocore_config.client_cert must be the path of a file, or a list of two"),
    ({"client_cert": b"bytes"}, "botocore_config.client_cert is a bytes"),
    ({7: "seven"}, "botocore_config has a key that is not a string"),
    (CYCLE, "is nested more than 8 levels deep"),
]


@pytest.mark.parametrize(("given", "read"), GOOD, ids=repr)
def test_what_botocore_takes_is_read_whether_it_was_rendered_or_not(given: Any, read: Any) -> None:
    assert as_client_config("botocore_config", given) == read


@pytest.mark.parametrize(("given", "complaint"), BAD, ids=range(len(BAD)))
def test_what_botocore_or_a_trigger_cannot_take_is_refused_by_its_name(given: Any, complaint: str) -> None:
    with pytest.raises(BackendParameterError, match=complaint):
        as_client_config("botocore_config", given)


def test_the_password_of_a_proxy_is_not_quoted() -> None:
    for given in ('{"proxies": {"http": "http://me:hush@proxy"', {"proxies": ["http://me:hush@proxy"]}):
        with pytest.raises(BackendParameterError) as raised:
            as_client_config("botocore_config", given)
        assert "hush" not in str(raised.value)


@pytest.mark.parametrize("given", [read for _, read in GOOD if read], ids=repr)
def test_what_is_read_passes_a_trigger_unchanged(given: Any) -> None:
    from airflow.sdk.serde import deserialize, serialize

    assert deserialize(serialize(given)) == given
    botocore.config.Config(**for_botocore(given))


def test_a_pair_of_certificate_and_key_is_a_pair_for_botocore() -> None:
    pair = ["/c.pem", "/k.pem"]
    given = {"client_cert": pair, "proxies_config": {"proxy_client_cert": pair, "proxy_ca_bundle": "/ca.pem"}}
    assert for_botocore(given) == {
        "client_cert": ("/c.pem", "/k.pem"),
        "proxies_config": {"proxy_client_cert": ("/c.pem", "/k.pem"), "proxy_ca_bundle": "/ca.pem"},
    }


CLONE = """
CloneBackendOperator(
    task_id="task", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
    waiter_delay=0.1, {options}
)
"""
GET = 'GetBackendOperator(task_id="task", app_id=APP, {options})'
SENSOR = 'BackendEnvironmentSensor(task_id="task", app_id=APP, backend_environment_name="copy", timeout=5, {options})'
CONFIG = "botocore_config=__import__('botocore.config', fromlist=['Config']).Config(read_timeout=60)"


@pytest.mark.parametrize(
    ("task", "options"),
    [(CLONE, "deferrable=True"), (CLONE, "deferrable=False"), (GET, ""), (SENSOR, "deferrable=True"), (SENSOR, "")],
)
def test_a_config_object_is_refused_before_anything_is_sent(
    dags: DagRunner, service: LocalAmplifyBackend, task: str, options: str
) -> None:
    dag = dags.load(task.format(options=f"{options}, {CONFIG}" if options else CONFIG))
    with pytest.raises(BackendParameterError, match=r"task: botocore_config is a Config: pass the keyword arguments"):
        validate_dag(dag)
    run = dags.run_dag(dag)
    assert run.states == {"task": "failed"}
    assert "BackendParameterError" in run.error("task")
    assert "botocore_config is a Config" in run.error("task")
    assert service.control.journal() == []


@pytest.mark.parametrize("deferrable", [True, False])
def test_json_text_and_rendered_numbers_reach_the_client(
    dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.set(job_seconds=0.3)
    text = """botocore_config='{"read_timeout": "{{ 7 }}", "retries": {"total_max_attempts": 2}}'"""
    run = dags.run(CLONE.format(options=f"deferrable={deferrable}, {text}"))
    assert run.states == {"task": "success"}


def test_a_dag_may_hold_templates_in_it_and_mistakes_beside_them(dags: DagRunner) -> None:
    validate_dag(dags.load(GET.format(options="botocore_config={'read_timeout': '{{ var.value.t }}'}")))
    with pytest.raises(BackendParameterError, match="reed_timeout"):
        validate_dag(dags.load(GET.format(options="botocore_config={'reed_timeout': 1}")))


def test_reading_operators_loads_no_botocore() -> None:
    module = "airflow_provider_amplifybackend.parameters.client_config"
    code = f"import sys, {module}; assert not any('boto' in m for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
