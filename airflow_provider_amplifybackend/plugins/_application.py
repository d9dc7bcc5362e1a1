"""The pages over HTTP: who may read what, and the headers that keep a page to itself.

Airflow does not protect the applications of plugins. Here each page asks Airflow's auth manager, as Airflow's own do,
and there is nothing but pages to read. FastAPI and Airflow's API are imported when the application is made: this
module is importable on every Airflow.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.plugins import _database, _fleet_page, _job_facts, _job_page, _sources
from airflow_provider_amplifybackend.plugins._airflow import api_security, auth_manager, dag_entities
from airflow_provider_amplifybackend.plugins._markup import PAGE_SCRIPTS, TABLE_SCRIPTS, headers


def make_application() -> Any:
    """Return the application, which Airflow mounts."""
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    security = api_security()
    application = FastAPI(title="Amplify backends", docs_url=None, redoc_url=None, openapi_url=None)

    # A plain function, which FastAPI runs in a thread: what it reads may take a moment.
    @application.get("/fleet", dependencies=[Depends(security.requires_access_dag(method="GET"))])
    def fleet(user: Any = Depends(security.get_user)) -> Any:  # noqa: B008
        readable = _database.Readable.of(auth_manager(), user)
        found = _sources.find_fleet(readable)
        text = _fleet_page.page(found, _database.last_touches(readable))
        return HTMLResponse(text, headers=headers(TABLE_SCRIPTS))

    of_task = [
        Depends(security.requires_access_dag(method="GET", access_entity=entity))
        for entity in dag_entities("TASK_INSTANCE", "XCOM")
    ]

    # The id of the DAG is in the path, where Airflow's own check looks for it; a run's may have any characters.
    @application.get("/job/{dag_id}", dependencies=of_task)
    def job(dag_id: str, run_id: str, task_id: str, map_index: str = "") -> Any:
        key = _database.TaskKey.of(dag_id, run_id, task_id, map_index)
        return HTMLResponse(_job_text(key), headers=headers(PAGE_SCRIPTS))

    return application


def _job_text(key: _database.TaskKey) -> str:
    """Return the tab of a task instance; of a mapped task as a whole, the list of its instances."""
    left = _database.left_by(key)
    if left is None:
        return _job_page.list_page(key, *_database.instances_of(key))
    return _job_page.page(_job_facts.facts_of(*left), current().now())
