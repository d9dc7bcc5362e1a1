"""GraphQL API resources (AppSync) and the models generated from their schema."""

from __future__ import annotations

import copy

from airflow_provider_amplifybackend.local.service import datastore_models
from airflow_provider_amplifybackend.local.service.invocation import Answer, Call, Handler
from airflow_provider_amplifybackend.local.service.operations import _resource

_KIND = "api"


def create_api(call: Call) -> Answer:
    return _resource.create(call, _KIND)


def update_api(call: Call) -> Answer:
    return _resource.update(call, _KIND)


def delete_api(call: Call) -> Answer:
    return _resource.delete(call, _KIND)


def get_api(call: Call) -> Answer:
    resource = call.resource(_KIND, call.parameters["ResourceName"])
    return {
        "AppId": call.app_id,
        "BackendEnvironmentName": call.environment_name,
        "ResourceConfig": copy.deepcopy(resource.config),
        "ResourceName": resource.name,
    }


def generate_models(call: Call) -> Answer:
    environment = call.environment()
    call.refuse_pending(environment.name)
    resource = call.resource(_KIND, call.parameters["ResourceName"])

    def complete() -> None:
        resource.models = datastore_models.generate(resource.config.get("TransformSchema", ""))

    return call.start(complete)


def get_models(call: Call) -> Answer:
    resource = call.resource(_KIND, call.parameters["ResourceName"])
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
