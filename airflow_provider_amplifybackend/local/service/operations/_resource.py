"""The operations that auth, api and storage have in common."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from airflow_provider_amplifybackend.local.service.errors import already_exists, not_found
from airflow_provider_amplifybackend.local.service.invocation import Answer, Invocation
from airflow_provider_amplifybackend.local.service.store import Resource

Check = Callable[[dict[str, Any]], None]


def _take_all(config: dict[str, Any]) -> None:
    pass


def create(invocation: Invocation, kind: str, *, check: Check = _take_all) -> Answer:
    """Create a resource.

    :param check: refuses a configuration while the job runs, as another service would: the job ends FAILED.
    """
    environment = invocation.environment()
    invocation.refuse_pending(environment.name)
    name, config = invocation.parameters["ResourceName"], invocation.parameters["ResourceConfig"]
    if name in environment.resources(kind):
        raise already_exists(f"Resource {name} of backend environment {environment.name}")

    def complete() -> None:
        check(config)
        invocation.provisioner.add_resource(invocation.store, environment, kind, name, config, invocation.clock.wall())

    return invocation.start(complete)


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


def update(invocation: Invocation, kind: str, *, check: Check = _take_all) -> Answer:
    environment = invocation.environment()
    invocation.refuse_pending(environment.name)
    resource = invocation.resource(kind, invocation.parameters["ResourceName"])
    changes = invocation.parameters.get("ResourceConfig", {})

    def complete() -> None:
        check(changes)
        resource.config = merged(resource.config, changes)
        invocation.provisioner.refresh(invocation.store, environment, kind, resource, invocation.clock.wall())

    return invocation.start(complete)


def delete(invocation: Invocation, kind: str) -> Answer:
    environment = invocation.environment()
    invocation.refuse_pending(environment.name)
    name = invocation.resource(kind, invocation.parameters["ResourceName"]).name

    def complete() -> None:
        if name not in environment.resources(kind):
            raise not_found(f"Backend{kind.title()}", f"Resource {name}")
        invocation.provisioner.drop_resource(invocation.store, environment, kind, name, invocation.clock.wall())

    return invocation.start(complete)


def import_(invocation: Invocation, kind: str, config: dict[str, Any], outputs: dict[str, str]) -> Answer:
    """Import a resource under a name that only GetBackend tells: the API has no place for one."""
    environment = invocation.environment()
    invocation.refuse_pending(environment.name)
    if any(resource.imported for resource in environment.resources(kind).values()):
        raise already_exists(f"An imported {kind} resource of backend environment {environment.name}")
    name = kind + environment.ids.child(kind, "imported").lower("name", 8)

    def complete() -> None:
        invocation.provisioner.import_resource(environment, kind, name, config, outputs)

    return invocation.start(complete)


def merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration after an update that names only its changes: structures merge, lists are replaced."""
    result = copy.deepcopy(config)
    for member, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(member), dict):
            result[member] = merged(result[member], value)
        else:
            result[member] = copy.deepcopy(value)
    return result
