"""GenerateBackendAPIModels: DataStore models read out of a GraphQL schema.

Only as much of GraphQL as a test needs to see its own types come back: `type Name @model { field: Type }`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from airflow_provider_amplifybackend.local.service.store import GeneratedModels

# Directives have braces of their own in their arguments: `@auth(rules: [{ allow: owner }])`.
_TYPE = re.compile(r"\btype\s+(\w+)((?:\([^)]*\)|[^{(])*)\{((?:\([^)]*\)|[^}(])*)\}")
_FIELD = re.compile(r"^\s*(\w+)\s*(?:\([^)]*\))?\s*:\s*(\[?)\s*(\w+)(!?)", re.MULTILINE)


def generate(schema: str) -> GeneratedModels:
    models = {
        name: {"name": name, "pluralName": f"{name}s", "syncable": True, "fields": _fields(body)}
        for name, directives, body in _TYPE.findall(schema)
        if "@model" in directives
    }
    content = {"models": models, "enums": {}, "nonModels": {}}
    return GeneratedModels(schema, json.dumps(content), json.dumps({"version": 1, **content}))


def _fields(body: str) -> dict[str, dict[str, Any]]:
    return {
        name: {"name": name, "isArray": bool(is_array), "type": type_name, "isRequired": bool(required)}
        for name, is_array, type_name, required in _FIELD.findall(body)
    }
