"""Keep an environment from Airflow's trigger form: for longer, or until somebody unpins it."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.lease import ExtendLeaseOperator, PinEnvironmentOperator


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "environment": Param("prabcdefgh", type="string", description="The environment"),
        "what": Param("pin", enum=["pin", "unpin", "extend"], description="What to do with it"),
        "ttl": Param("1d", type="string", description="For how long to extend its lease: 6h, 2d"),
        "note": Param("", type="string", description="Who wants it, and what for"),
    },
    tags=["amplifybackend"],
)
def example_keep_environment():
    @task.branch
    def choose(params: dict | None = None) -> str:
        return "extend" if (params or {})["what"] == "extend" else "pin"

    environment = {"app_id": "{{ params.app_id }}", "backend_environment_name": "{{ params.environment }}"}
    pin = PinEnvironmentOperator(
        task_id="pin", pinned="{{ params.what == 'pin' }}", note="{{ params.note }}", **environment
    )
    extend = ExtendLeaseOperator(task_id="extend", ttl="{{ params.ttl }}", **environment)
    choose() >> [pin, extend]


example_keep_environment()
