"""Storage resources and the account's S3 buckets."""

from __future__ import annotations

import copy

from airflow_provider_amplifybackend.local.service.clock import format_moment
from airflow_provider_amplifybackend.local.service.effects import ReplacePermissions
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation
from airflow_provider_amplifybackend.local.service.operations import _resource

_KIND = "storage"


def create_storage(invocation: Invocation) -> Answer:
    return _resource.create(invocation, _KIND)


def update_storage(invocation: Invocation) -> Answer:
    environment = invocation.environment()
    invocation.refuse_pending(environment.name)
    resource = invocation.resource(_KIND, invocation.parameters["ResourceName"])
    return invocation.start(ReplacePermissions(resource, invocation.parameters["ResourceConfig"]["Permissions"]))


def delete_storage(invocation: Invocation) -> Answer:
    return _resource.delete(invocation, _KIND)


def get_storage(invocation: Invocation) -> Answer:
    resource = invocation.resource(_KIND, invocation.parameters["ResourceName"])
    shown = {"BucketName": resource.outputs["BucketName"], "Imported": resource.imported}
    return _resource.read(invocation, resource, copy.deepcopy(resource.config) | shown)


def import_storage(invocation: Invocation) -> Answer:
    bucket = invocation.parameters.get("BucketName") or f"{invocation.app_id}-{invocation.environment_name}-imported"
    config = {"BucketName": bucket, "ServiceName": invocation.parameters["ServiceName"]}
    return _resource.import_(invocation, _KIND, config, {"BucketName": bucket, "Region": invocation.store.region})


def list_buckets(invocation: Invocation) -> Answer:
    buckets = invocation.provisioner.observer.buckets(invocation.store)
    after, size = invocation.parameters.get("NextToken", ""), invocation.settings.bucket_page_size
    names = [name for name in sorted(buckets) if name > after]
    style = invocation.settings.creation_date_format
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
