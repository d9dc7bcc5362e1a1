"""Reading an AmplifyMetaConfig: what an environment consists of, in a document that the service gives as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend.core.encodable import encodable

# A category also holds other things: groups of a pool, REST APIs, DynamoDB tables. Amplify allows one pool, one
# GraphQL API and one bucket, made or imported; each is known by a member of its output. An auth resource without a
# user pool has an identity pool.
_IDENTIFIED_BY = {"auth": ("UserPoolId", "IdentityPoolId"), "api": ("GraphQLAPIIdOutput",), "storage": ("BucketName",)}
# The outputs by where they are read: a category, or the provider that has deployed the environment.
_OUTPUTS = {
    "user_pool_id": ("auth", "UserPoolId"),
    "user_pool_arn": ("auth", "UserPoolArn"),
    "native_client_id": ("auth", "AppClientID"),
    "web_client_id": ("auth", "AppClientIDWeb"),
    "identity_pool_id": ("auth", "IdentityPoolId"),
    "appsync_api_id": ("api", "GraphQLAPIIdOutput"),
    "appsync_endpoint": ("api", "GraphQLAPIEndpointOutput"),
    "bucket": ("storage", "BucketName"),
    "stack_name": ("providers", "StackName"),
    "stack_id": ("providers", "StackId"),
    "deployment_bucket": ("providers", "DeploymentBucketName"),
    "region": ("providers", "Region"),
}


def parse_document(document: Any) -> Any:
    """Return the content of a JSON text, fit for an XCom; what is not one is returned as it is.

    In place of a document that is nested too deep stands a note: whoever read it, the UI among them, would fail.
    """
    if not isinstance(document, str):
        return document
    try:
        return encodable(json.loads(document))
    except RecursionError:
        return f"(not readable: JSON of {len(document)} characters, nested too deep)"
    except ValueError:
        return document


def category(meta: Any, name: str) -> Mapping[str, Any]:
    """Return the resources of one category: ``auth``, ``api`` or ``storage``."""
    document = parse_document(meta)
    resources = document.get(name) if isinstance(document, Mapping) else None
    return resources if isinstance(resources, Mapping) else {}


def outputs(meta: Any) -> dict[str, str | None]:
    """Return the ids by which an environment's resources are known in other services; never a secret."""
    document = parse_document(meta)
    places = {name: _resource_output(document, name) for name in _IDENTIFIED_BY}
    provider = category(document, "providers").get("awscloudformation")
    places["providers"] = provider if isinstance(provider, Mapping) else {}
    return {name: _text(places[place].get(member)) for name, (place, member) in _OUTPUTS.items()}


def _resource_output(meta: Any, name: str) -> Mapping[str, Any]:
    """Return the output of the one resource that counts in a category."""
    resources = category(meta, name).values()
    found = [resource.get("output") for resource in resources if isinstance(resource, Mapping)]
    for member in _IDENTIFIED_BY[name]:
        for output in found:
            if isinstance(output, Mapping) and _text(output.get(member)):
                return output
    return {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
