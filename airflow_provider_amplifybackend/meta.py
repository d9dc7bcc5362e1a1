"""Reading an AmplifyMetaConfig: what an environment consists of, in a document that the service gives as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend.encodable import encodable

# A category also holds other things: groups of a pool, REST APIs, DynamoDB tables.
_IDENTIFIED_BY = {"auth": "UserPoolId", "api": "GraphQLAPIIdOutput", "storage": "BucketName"}


def parse_document(document: Any) -> Any:
    """Return the content of a JSON text, fit for an XCom; what is not one is returned as it is."""
    try:
        return encodable(json.loads(document)) if isinstance(document, str) else document
    except (ValueError, RecursionError):
        return document


def category(meta: Any, name: str) -> Mapping[str, Any]:
    """Return the resources of one category: ``auth``, ``api`` or ``storage``."""
    document = parse_document(meta)
    resources = document.get(name) if isinstance(document, Mapping) else None
    return resources if isinstance(resources, Mapping) else {}


def outputs(meta: Any) -> dict[str, str | None]:
    """Return the ids by which an environment's resources are known in other services; never a secret."""
    auth, api, storage = (_output(meta, name, member) for name, member in _IDENTIFIED_BY.items())
    provider = category(meta, "providers").get("awscloudformation")
    return {
        "user_pool_id": auth.get("UserPoolId"),
        "web_client_id": auth.get("AppClientIDWeb"),
        "identity_pool_id": auth.get("IdentityPoolId"),
        "appsync_api_id": api.get("GraphQLAPIIdOutput"),
        "appsync_endpoint": api.get("GraphQLAPIEndpointOutput"),
        "bucket": storage.get("BucketName"),
        "region": provider.get("Region") if isinstance(provider, Mapping) else None,
    }


def _output(meta: Any, name: str, member: str) -> Mapping[str, Any]:
    """Return the output of the resource that has this member; Amplify allows one pool, GraphQL API and bucket."""
    for resource in category(meta, name).values():
        output = resource.get("output") if isinstance(resource, Mapping) else None
        if isinstance(output, Mapping) and member in output:
            return output
    return {}
