"""The names of Airflow's API server, for its pages: Airflow 3.1 and later, and nowhere else."""

from __future__ import annotations

from collections.abc import Collection
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


def dag_details(dag_ids: Collection[str]) -> list[Any]:
    """Return DAGs, as the auth manager is asked about them: with their teams, by which it may decide."""
    details = import_module("airflow.api_fastapi.auth.managers.models.resource_details").DagDetails
    model = import_module("airflow.models.dag").DagModel
    # Airflow asks about all of them with one query from 3.2 on. Those that no team owns are not in the answer.
    if hasattr(model, "get_dag_id_to_team_name_mapping"):
        teams = model.get_dag_id_to_team_name_mapping(list(dag_ids))
    else:
        teams = {dag_id: model.get_team_name(dag_id) for dag_id in dag_ids}
    return [details(id=dag_id, team_name=teams.get(dag_id)) for dag_id in dag_ids]


def database_session() -> Any:
    """Return a session of Airflow's database, as a context manager."""
    return import_module("airflow.utils.session").create_session()


def state_store_model() -> Any:
    """Return the database model of the task state store; None before Airflow 3.3."""
    try:
        return import_module("airflow.models.task_state_store").TaskStateStoreModel
    except ImportError:
        return None
