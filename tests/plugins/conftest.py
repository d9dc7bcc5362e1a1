"""Airflow's own API server, in this process, with the pages mounted and users of its auth manager."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend._compat import HAS_PLUGIN_PAGES

# Before Airflow 3.1 there are no pages of plugins, and nothing to test them with.
collect_ignore_glob = [] if HAS_PLUGIN_PAGES else ["test_*.py"]
PREFIX = "/amplifybackend"
Get = Callable[..., Any]


@pytest.fixture(scope="session")
def api(airflow_home: Path) -> Iterator[Any]:
    """Airflow's API server, with the pages as it mounts them where the package is installed."""
    from airflow.api_fastapi.app import create_app
    from starlette.testclient import TestClient

    from airflow_provider_amplifybackend.plugins.amplify_backends import AmplifyBackendsPlugin

    before = set(os.environ)
    application = create_app(apps="core")
    if not any(getattr(route, "path", "") == PREFIX for route in application.routes):
        (mine,) = AmplifyBackendsPlugin.fastapi_apps
        application.mount(mine["url_prefix"], mine["app"])
        # Airflow mounts plugins before its own pages, of which the last takes every address.
        application.router.routes.insert(0, application.router.routes.pop())
    # As a user's browser: the addresses of the pages are below this.
    with TestClient(application, base_url="http://airflow.example", follow_redirects=False) as client:
        yield client
    for name in set(os.environ) - before:
        del os.environ[name]


@pytest.fixture
def get(api: Any) -> Get:
    """Asks for a page as a user of a role; "" is nobody."""

    def ask(path: str, role: str | None = "viewer", method: str = "GET") -> Any:
        return api.request(method, f"{PREFIX}{path}", headers={} if role == "" else bearer(role))

    return ask


def bearer(role: str | None) -> dict[str, str]:
    """The header of somebody who has logged in with a role, or with none."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="ann", role=role))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def only_dags(api: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str]], None]:
    """Lets users read these DAGs alone, as an auth manager with permissions for single DAGs does."""
    from airflow.api_fastapi.app import get_auth_manager

    manager = get_auth_manager()
    allowed: set[str] = set()

    def is_authorized_dag(*, method: str, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        dag_id = details.id if details else None
        return method == "GET" and (dag_id is None or dag_id in allowed)

    def allow(dag_ids: set[str]) -> None:
        allowed.update(dag_ids)
        monkeypatch.setattr(manager, "is_authorized_dag", is_authorized_dag)

    return allow
