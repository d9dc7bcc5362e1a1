"""What auth, api and storage have in common."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from airflow_provider_amplifybackend.local.service.errors import already_exists, not_found
from airflow_provider_amplifybackend.local.service.invocation import Answer, Call

Check = Callable[[dict[str, Any]], None]


def _take_all(config: dict[str, Any]) -> None:
    pass


def create(call: Call, kind: str, *, check: Check = _take_all) -> Answer:
    """:param check: refuses a configuration while the job runs, as another service would: the job ends FAILED."""
    environment = call.environment()
    call.refuse_pending(environment.name)
    name, config = call.parameters["ResourceName"], call.parameters["ResourceConfig"]
    if name in environment.resources(kind):
        raise already_exists(f"Resource {name} of backend environment {environment.name}")

    def complete() -> None:
        check(config)
        call.service.provisioner.add_resource(call.store, environment, kind, name, config, call.service.clock.wall())

    return call.start(complete)


def update(call: Call, kind: str, *, check: Check = _take_all) -> Answer:
    environment = call.environment()
    call.refuse_pending(environment.name)
    resource = call.resource(kind, call.parameters["ResourceName"])
    changes = call.parameters.get("ResourceConfig", {})

    def complete() -> None:
        check(changes)
        resource.config = merged(resource.config, changes)
        call.service.provisioner.refresh(call.store, environment, kind, resource)

    return call.start(complete)


def delete(call: Call, kind: str) -> Answer:
    environment = call.environment()
    call.refuse_pending(environment.name)
    name = call.resource(kind, call.parameters["ResourceName"]).name

    def complete() -> None:
        if name not in environment.resources(kind):
            raise not_found(f"Backend{kind.title()}", f"Resource {name}")
        call.service.provisioner.drop_resource(call.store, environment, kind, name)

    return call.start(complete)


def import_(call: Call, kind: str, config: dict[str, Any], outputs: dict[str, str]) -> Answer:
    """The API gives an imported resource no name; GetBackend tells the one that it got."""
    environment = call.environment()
    call.refuse_pending(environment.name)
    if any(resource.imported for resource in environment.resources(kind).values()):
        raise already_exists(f"An imported {kind} resource of backend environment {environment.name}")
    name = kind + environment.ids.child(kind, "imported").lower("name", 8)

    def complete() -> None:
        call.service.provisioner.import_resource(environment, kind, name, config, outputs)

    return call.start(complete)


def merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """An update names only what it changes: structures are merged, lists and values replaced."""
    result = copy.deepcopy(config)
    for member, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(member), dict):
            result[member] = merged(result[member], value)
        else:
            result[member] = copy.deepcopy(value)
    return result
