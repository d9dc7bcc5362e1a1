"""An environment's configuration in a form that can be compared with that of another, or with its own of yesterday.

What always differs is taken out or made the same: when and from where something was pushed, and between two
environments ids, ARNs, addresses and the environment's name in other names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# The times and files of the last push, in AmplifyMetaConfig. They say nothing of what is there.
_PUSH = frozenset(
    {
        "lastPushTimeStamp",
        "lastPushDirHash",
        "lastBuildTimeStamp",
        "lastBuildType",
        "lastPackageTimeStamp",
        "lastDevBuildTimeStamp",
        "distZipFilename",
        "s3Bucket",
        "providerMetadata",
        "cfnTemplateSha",
        "deploymentKey",
    }
)
# The members that identify a thing; compared by their names, because values have no form of their own.
_IDENTIFYING = re.compile(
    r"(?:ID|IDWeb|Id|Arn|ARN|Url|URL|URI|Uri|Endpoint|Domain|StackName|StackId|BucketName|RoleName|PoolName|FunctionName"
    r"|Output)$"
)
# Those end so, too, and are configuration.
_CONFIGURED = frozenset(
    {
        "RedirectSignInURIs",
        "RedirectSignOutURIs",
        "ClientId",
        "KeyId",
        "TeamId",
        "OpenIDClientId",
        "OpenIDIssueURL",
        "issuerUrl",  # the same, in AmplifyMetaConfig
    }
)
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:\d*:[^\s\"',}]+")
SAME = "(its own)"
ABSENT = object()


@dataclass(frozen=True)
class Names:
    """The names of one side, which stand in what belongs to it."""

    app_id: str
    environment: str
    region: str = ""
    stack: str = ""


def normalized(content: Mapping[str, Any], names: Names, *, across: bool) -> dict[str, Any]:
    """Return the content of a snapshot as it can be compared.

    :param across: Whether the other side is another environment, so that ids differ in any case.
    """
    replace = _replacing(names) if across else _unchanged
    environment = dict(content.get("environment") or {})
    meta = environment.pop("AmplifyMetaConfig", None)
    cleaned = _cleaned(meta, replace, across=across)
    if across and isinstance(cleaned, dict):
        cleaned.pop("providers", None)
    for name in ("AppId", "BackendEnvironmentName", *(("AppName",) if across else ())):
        environment.pop(name, None)
    rest = {name: value for name, value in content.items() if name != "environment"}
    return {
        "environment": _cleaned(environment, replace, across=across) | {"AmplifyMetaConfig": cleaned},
        **{kind: _resources(of_kind, replace, across=across) for kind, of_kind in rest.items()},
    }


def _resources(entries: Any, replace: Callable[[str], str], *, across: bool) -> Any:
    if not isinstance(entries, Mapping):
        return entries
    left_out = {"AppId", "BackendEnvironmentName", "ResourceName"}
    return {
        replace(str(name)): _cleaned(
            {key: value for key, value in entry.items() if key not in left_out}
            if isinstance(entry, Mapping)
            else entry,
            replace,
            across=across,
        )
        for name, entry in entries.items()
    }


def _cleaned(value: Any, replace: Callable[[str], str], *, across: bool, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {
            replace(str(key)): _cleaned(member, replace, across=across, name=str(key))
            for key, member in value.items()
            if key not in _PUSH
        }
    if isinstance(value, list | tuple):
        return [_cleaned(item, replace, across=across, name=name) for item in value]
    if isinstance(value, str):
        if across and value and value != "***" and name not in _CONFIGURED and _IDENTIFYING.search(name):
            return SAME
        return replace(value)
    return value


def _unchanged(text: str) -> str:
    return text


def _replacing(names: Names) -> Callable[[str], str]:
    """Return what puts placeholders in the place of an environment's own names."""
    words = [(names.stack, "{stack}"), (names.app_id, "{app}")]
    known = [(word, mark) for word, mark in words if len(word) > 3]
    # As a word of its own behind a mark: `people-staging`, `fn_staging`, but not in `upstaging` or `staging-data`.
    suffix = re.compile(rf"(?<=[-_./:])_?{re.escape(names.environment)}(?=$|[\s\"'/])") if names.environment else None

    def replace(text: str) -> str:
        text = _ARN.sub(SAME, text)
        for word, mark in known:
            text = text.replace(word, mark)
        return suffix.sub("{environment}", text) if suffix else text

    return replace


def paired(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    """Yield the members of both sides, with what one side lacks as ABSENT."""
    for name in sorted({*left, *right}):
        yield name, left.get(name, ABSENT), right.get(name, ABSENT)
