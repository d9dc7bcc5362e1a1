"""Reading an AmplifyMetaConfig: what an environment consists of, in a document that the service gives as text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

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
# Airflow encodes a result with msgpack and as JSON in a database: neither takes all that a JSON text can hold.
_DEEPEST = 50
_LARGEST = 2**63
_UNSTORABLE = re.compile("[\ud800-\udfff\x00]")


def parse_document(document: Any) -> Any:
    """Return the content of a JSON text in a form that can be stored; what is not one is returned as it is.

    A number that Airflow cannot store is returned as its text, and a note in place of a document that is nested too
    deep: whoever reads it from XCom, the UI among them, would fail.
    """
    if not isinstance(document, str):
        return document
    try:
        content = json.loads(document, parse_int=_integer, parse_float=_decimal, parse_constant=str)
        return _storable(content, _DEEPEST)
    except RecursionError:
        return f"(not readable: JSON of {len(document)} characters, nested more than {_DEEPEST} levels deep)"
    except ValueError:
        return document


def _integer(text: str) -> int | str:
    is_small = len(text) < len(str(_LARGEST)) or (len(text) < 2 * len(str(_LARGEST)) and abs(int(text)) < _LARGEST)
    return int(text) if is_small else text


def _decimal(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _storable(value: Any, depth: int) -> Any:
    if depth < 0:
        raise RecursionError
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_UNSTORABLE.sub("\ufffd", name): _storable(member, depth - 1) for name, member in value.items()}
    if isinstance(value, list):
        return [_storable(item, depth - 1) for item in value]
    return value


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
    """Return the output of the resource that a category is looked at for."""
    resources = category(meta, name).values()
    found = [resource.get("output") for resource in resources if isinstance(resource, Mapping)]
    for member in _IDENTIFIED_BY[name]:
        for output in found:
            if isinstance(output, Mapping) and _text(output.get(member)):
                return output
    return {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
