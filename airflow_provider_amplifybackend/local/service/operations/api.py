"""GraphQL API resources (AppSync) and the models generated from their schema."""

from __future__ import annotations

import copy

from airflow_provider_amplifybackend.local.service.effects import GenerateModels
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation
from airflow_provider_amplifybackend.local.service.operations import _resource

_KIND = "api"


def create_api(invocation: Invocation) -> Answer:
    return _resource.create(invocation, _KIND)


def update_api(invocation: Invocation) -> Answer:
    return _resource.update(invocation, _KIND)


def delete_api(invocation: Invocation) -> Answer:
    return _resource.delete(invocation, _KIND)


def get_api(invocation: Invocation) -> Answer:
    resource = invocation.resource(_KIND, invocation.parameters["ResourceName"])
    return _resource.read(invocation, resource, copy.deepcopy(resource.config))


def generate_models(invocation: Invocation) -> Answer:
    environment = invocation.environment()
    invocation.refuse_pending(environment.name)
    resource = invocation.resource(_KIND, invocation.parameters["ResourceName"])
    return invocation.start(GenerateModels(resource))


def get_models(invocation: Invocation) -> Answer:
    resource = invocation.resource(_KIND, invocation.parameters["ResourceName"])
    generated = resource.models
    if generated is None:
        return {"Status": "STALE"}
    latest = generated.schema == resource.config.get("TransformSchema", "")
    return {
        "Models": generated.models,
        "ModelIntrospectionSchema": generated.introspection,
        "Status": "LATEST" if latest else "STALE",
    }


HANDLERS: dict[str, Handler] = {
    "CreateBackendAPI": create_api,
    "UpdateBackendAPI": update_api,
    "DeleteBackendAPI": delete_api,
    "GetBackendAPI": get_api,
    "GenerateBackendAPIModels": generate_models,
    "GetBackendAPIModels": get_models,
}
