"""The names of Airflow's API server, for its pages: Airflow 3.1 and later, and nowhere else."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def api_security() -> Any:
    """Return the module by which Airflow's own API finds out who asks and what they may read."""
    return import_module("airflow.api_fastapi.core_api.security")


def auth_manager() -> Any:
    """Return Airflow's auth manager."""
    return import_module("airflow.api_fastapi.app").get_auth_manager()


def dag_entities(*names: str) -> list[Any]:
    """Return the parts of a DAG for which the auth manager has permissions."""
    details = import_module("airflow.api_fastapi.auth.managers.models.resource_details")
    return [details.DagAccessEntity[name] for name in names]


def dag_details(dag_id: str) -> Any:
    """Return a DAG, as the auth manager is asked about it."""
    return import_module("airflow.api_fastapi.auth.managers.models.resource_details").DagDetails(id=dag_id)


def database_session() -> Any:
    """Return a session of Airflow's database, as a context manager."""
    return import_module("airflow.utils.session").create_session()


def state_store_model() -> Any:
    """Return the database model of the task state store; None before Airflow 3.3."""
    try:
        return import_module("airflow.models.task_state_store").TaskStateStoreModel
    except ImportError:
        return None
