"""The pages over HTTP: who may read what, and the headers that keep a page to itself.

Airflow does not protect the applications of plugins. Here each page asks Airflow's auth manager, as Airflow's own do,
and there is nothing but pages to read. FastAPI and Airflow's API are imported when the application is made: this
module is importable on every Airflow.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_amplifybackend.plugins import _database, _fleet_page, _sources
from airflow_provider_amplifybackend.plugins._airflow import api_security, auth_manager
from airflow_provider_amplifybackend.plugins._markup import SCRIPTS, headers


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
        text = _fleet_page.page(found, _database.last_touches(readable.dag_ids))
        return HTMLResponse(text, headers=headers(SCRIPTS))

    return application
