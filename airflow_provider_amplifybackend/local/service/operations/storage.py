"""Storage resources and the account's S3 buckets."""

from __future__ import annotations

import copy

from airflow_provider_amplifybackend.local.service.clock import format_moment
from airflow_provider_amplifybackend.local.service.invocation import Answer, Call, Handler
from airflow_provider_amplifybackend.local.service.operations import _resource

_KIND = "storage"


def create_storage(call: Call) -> Answer:
    return _resource.create(call, _KIND)


def update_storage(call: Call) -> Answer:
    environment = call.environment()
    call.refuse_pending(environment.name)
    resource = call.resource(_KIND, call.parameters["ResourceName"])
    permissions = call.parameters["ResourceConfig"]["Permissions"]

    def complete() -> None:
        # Replaced, not merged: a role that is no longer named has no permission left.
        resource.config["Permissions"] = copy.deepcopy(permissions)

    return call.start(complete)


def delete_storage(call: Call) -> Answer:
    return _resource.delete(call, _KIND)


def get_storage(call: Call) -> Answer:
    resource = call.resource(_KIND, call.parameters["ResourceName"])
    return {
        "AppId": call.app_id,
        "BackendEnvironmentName": call.environment_name,
        "ResourceConfig": {
            **copy.deepcopy(resource.config),
            "BucketName": resource.outputs["BucketName"],
            "Imported": resource.imported,
        },
        "ResourceName": resource.name,
    }


def import_storage(call: Call) -> Answer:
    bucket = call.parameters.get("BucketName") or f"{call.app_id}-{call.environment_name}-imported"
    config = {"BucketName": bucket, "ServiceName": call.parameters["ServiceName"]}
    return _resource.import_(call, _KIND, config, {"BucketName": bucket, "Region": call.store.region})


def list_buckets(call: Call) -> Answer:
    buckets = call.service.provisioner.observer.buckets(call.store)
    after, size = call.parameters.get("NextToken", ""), call.settings.bucket_page_size
    names = [name for name in sorted(buckets) if name > after]
    style = call.settings.creation_date_format
    return {
        "Buckets": [{"Name": name, "CreationDate": format_moment(buckets[name], style)} for name in names[:size]],
        "NextToken": names[size - 1] if len(names) > size else None,
    }


HANDLERS: dict[str, Handler] = {
    "CreateBackendStorage": create_storage,
    "UpdateBackendStorage": update_storage,
    "DeleteBackendStorage": delete_storage,
    "GetBackendStorage": get_storage,
    "ImportBackendStorage": import_storage,
    "ListS3Buckets": list_buckets,
}
