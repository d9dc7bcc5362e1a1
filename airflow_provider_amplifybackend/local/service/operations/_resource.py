"""The operations that auth, api and storage have in common."""

from __future__ import annotations

from typing import Any

from airflow_provider_amplifybackend.local.service.effects import (
    CreateResource,
    DeleteResource,
    ImportResource,
    UpdateResource,
)
from airflow_provider_amplifybackend.local.service.errors import already_exists
from airflow_provider_amplifybackend.local.service.invocation import Answer, Invocation
from airflow_provider_amplifybackend.local.service.store import Resource


def create(invocation: Invocation, kind: str) -> Answer:
    environment = invocation.environment()
    invocation.refuse_pending(environment.name)
    name, config = invocation.parameters["ResourceName"], invocation.parameters["ResourceConfig"]
    if name in environment.resources(kind):
        raise already_exists(f"Resource {name} of backend environment {environment.name}")
    return invocation.start(CreateResource(environment, kind, name, config))


def read(invocation: Invocation, resource: Resource, config: dict[str, Any]) -> Answer:
    """Return the answer of the operation that reads a resource.

    :param config: The resource's configuration as the operation shows it.
    """
    return {
        "AppId": invocation.app_id,
        "BackendEnvironmentName": invocation.environment_name,
        "ResourceConfig": config,
        "ResourceName": resource.name,
    }


def update(invocation: Invocation, kind: str) -> Answer:
    environment = invocation.environment()
    invocation.refuse_pending(environment.name)
    resource = invocation.resource(kind, invocation.parameters["ResourceName"])
    return invocation.start(
        UpdateResource(environment, kind, resource, invocation.parameters.get("ResourceConfig", {}))
    )


def delete(invocation: Invocation, kind: str) -> Answer:
    environment = invocation.environment()
    invocation.refuse_pending(environment.name)
    name = invocation.resource(kind, invocation.parameters["ResourceName"]).name
    return invocation.start(DeleteResource(environment, kind, name))


def import_(invocation: Invocation, kind: str, config: dict[str, Any], outputs: dict[str, str]) -> Answer:
    """Import a resource under a name that only GetBackend tells: the API has no place for one."""
    environment = invocation.environment()
    invocation.refuse_pending(environment.name)
    if any(resource.imported for resource in environment.resources(kind).values()):
        raise already_exists(f"An imported {kind} resource of backend environment {environment.name}")
    name = kind + environment.ids.child(kind, "imported").lower("name", 8)
    return invocation.start(ImportResource(environment, kind, name, config, outputs))
