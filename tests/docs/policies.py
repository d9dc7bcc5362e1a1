"""The policies and the table of resource types, as docs/iam.md has them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

TEXT = (Path(__file__).parents[2] / "docs" / "iam.md").read_text(encoding="utf-8")
ARNS = {
    "created-backend": "/backend/*",
    "backend": "/backend/APPID/*",
    "environment": "/backend/APPID/environments/*",
    "api": "/backend/APPID/api/*",
    "auth": "/backend/APPID/auth/*",
    "storage": "/backend/APPID/storage/*",
    "job": "/backend/APPID/job/*",
}


def policies() -> dict[str, Any]:
    """Each policy by the heading above it."""
    found = {}
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
        if blocks:
            (block,) = blocks
            found[section.splitlines()[0]] = json.loads(block)
    return found


def actions(policy: Any) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def resource_types() -> dict[str, list[str]]:
    """The resource types of each operation, from the table."""
    found = {}
    for types, operations in re.findall(r"^ +\| (\w[^|]*) \| ([^|]+) \|$", TEXT, re.MULTILINE):
        for operation in re.findall(r"\w+", operations):
            found[operation] = [] if types.startswith("none") else re.sub(r" \(.*\)", "", types).split(", ")
    found.pop("actions", None)
    return found
