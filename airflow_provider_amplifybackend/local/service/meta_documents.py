"""`AmplifyMetaConfig` and `AmplifyFeatureFlags`: JSON strings, shaped like real amplify-meta.json and cli.json."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_amplifybackend.local.service.store import Environment, Resource

_SERVICES = {"auth": "Cognito", "api": "AppSync", "storage": "S3"}

# As the Amplify CLI writes them for a new project (amplify-cli, feature flags).
_FEATURE_FLAGS = {
    "features": {
        "graphqltransformer": {
            "addmissingownerfields": True,
            "improvepluralization": False,
            "validatetypenamereservedwords": True,
            "useexperimentalpipelinedtransformer": True,
            "enableiterativegsiupdates": True,
            "secondarykeyasgsi": True,
            "skipoverridemutationinputtypes": True,
            "transformerversion": 2,
            "suppressschemamigrationprompt": True,
        },
        "auth": {
            "enablecaseinsensitivity": True,
            "useinclusiveterminology": True,
            "breakcirculardependency": True,
        },
        "codegen": {"useappsyncmodelgenplugin": True, "usedocsgeneratorplugin": True},
    }
}


def compact(document: Any) -> str:
    """Return JSON without spaces, as the real service answers it: scripts grep for it."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def amplify_meta(environment: Environment) -> str:
    if environment.meta is not None:
        return environment.meta
    meta: dict[str, Any] = {"providers": {"awscloudformation": environment.provider}}
    for kind in _SERVICES:
        entries = {name: _entry(kind, environment, resource) for name, resource in environment.resources(kind).items()}
        if entries:
            meta[kind] = entries
    return compact(meta)


def _entry(kind: str, environment: Environment, resource: Resource) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "service": _SERVICES[kind],
        "providerPlugin": "awscloudformation",
        "output": dict(resource.outputs),
    }
    if resource.imported:
        entry["serviceType"] = "imported"
    else:
        bucket = environment.provider["DeploymentBucketName"]
        entry["providerMetadata"] = {
            "s3TemplateURL": f"https://s3.amazonaws.com/{bucket}/amplify-cfn-templates/{kind}/"
            f"{resource.name}/build/template.json",
            "logicalId": f"{kind}{resource.name}",
        }
    return entry


def feature_flags() -> str:
    return compact(_FEATURE_FLAGS)
