"""`dag.test()`, and what older Airflows get wrong in it. Imported when a DAG is run: Airflow comes with it."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from airflow_provider_amplifybackend._compat import SERIES


def run_in_process(dag: Any, conf: dict[str, Any] | None) -> Any:
    """Return the run of `dag.test()`."""
    if (3, 0) <= SERIES < (3, 2):
        _read_reschedule_dates()
    if (3, 0) <= SERIES < (3, 3):
        _keep_the_api()
    return dag.test(run_conf=conf)


def _read_reschedule_dates() -> None:
    """Give a rescheduled sensor a date, where it gets a text for one (apache/airflow#58777)."""
    answer: Any = import_module("airflow.sdk.execution_time.comms").TaskRescheduleStartDate
    answer.model_construct = answer  # whoever makes one gets the date read


def _keep_the_api() -> None:
    """Have all tasks use one API server, as Airflow 3.3 does.

    Older ones make another for each try of each task: most of the time of a run, and a thread that never ends.
    """
    supervisor: Any = import_module("airflow.sdk.execution_time.supervisor")
    supervisor.in_process_api_server = _api_server


@lru_cache(maxsize=1)
def _api_server() -> Any:
    return import_module("airflow.api_fastapi.execution_api.app").InProcessExecutionAPI()
