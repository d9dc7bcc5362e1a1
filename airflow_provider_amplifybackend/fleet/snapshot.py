"""A snapshot of an environment: everything that the service tells of it, with a manifest, as one document.

Secrets are ``***`` in the content, as everywhere; the manifest names each, and has an HMAC of it if there is a key. So
a comparison can tell whether a secret has changed, and nobody who has the file alone can tell what it is, or guess.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_amplifybackend.core.meta_config import parse_document
from airflow_provider_amplifybackend.core.operations import CATEGORIES
from airflow_provider_amplifybackend.core.secrets import named_secrets, redact_resources, redact_secrets
from airflow_provider_amplifybackend.guard.inventory import Gap, Inventory, Reads, read
from airflow_provider_amplifybackend.guard.record import read_resources
from airflow_provider_amplifybackend.guard.signs import Ask

KIND = "amplifybackend snapshot"
VERSION = 1
# HMAC-SHA256, which is no help to whoever guesses a secret and does not have the key.
SHORTEST_KEY = 16
_CHECK = b"amplifybackend snapshot: which key"
_LONGEST_PART = 60
# The part of the content beside the categories.
MODELS = "models"
# The parts that have resources by their names.
_NAMED = frozenset({*CATEGORIES, MODELS})
# The members of a manifest; its own digest comes beside them.
_MANIFEST = frozenset(
    {
        "app_id",
        "backend_environment_name",
        "region",
        "taken_at",
        "unreadable",
        "secrets",
        "key",
        "sha256",
    }
)
_OWN_DIGEST = "manifest_sha256"


class SnapshotError(Exception):
    """A document that is no snapshot, or was altered; the text says why."""


@dataclass(frozen=True)
class Key:
    """The key of digests: its name, which the manifest has, and its content, which nothing has."""

    name: str
    content: bytes

    @property
    def check(self) -> str:
        """Return by what another snapshot's digests are known to be of the same key."""
        return self._digest(_CHECK)[:16]

    def digest(self, name: str, secret: str) -> str:
        """Return the digest of a secret: of two members of another name it is another one."""
        return self._digest(f"{name}\0{secret}".encode(errors="surrogatepass"))

    def _digest(self, content: bytes) -> str:
        return hmac.new(self.content, content, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Subject:
    """The environment that a snapshot is of."""

    app_id: str
    environment: str
    region: str

    @property
    def file_name(self) -> str:
        """The name of its file; names that no file can have are told apart by a digest."""
        names = (self.app_id, self.environment)
        # An underscore stands between the two, so only the second one may have others.
        parts = [
            re.sub(rf"[^{kept}]+", "-", name)[:_LONGEST_PART]
            for kept, name in zip((r"A-Za-z0-9.-", r"A-Za-z0-9._-"), names, strict=True)
        ]
        changed = [] if tuple(parts) == names else [hashlib.sha256(json.dumps(names).encode()).hexdigest()[:8]]
        return "_".join([*parts, *changed]) + ".snapshot.json"


def read_snapshot(subject: Subject, now: datetime, key: Key | None) -> Reads[dict[str, Any] | None]:
    """Read an environment and return its snapshot; None if there is no such environment."""
    found = Inventory()
    names = {"AppId": subject.app_id, "BackendEnvironmentName": subject.environment}
    backend = yield from read(Ask("amplifybackend", "GetBackend", names), found, "GetBackend", hides=True)
    if backend is None:
        return None
    meta = parse_document(backend.get("AmplifyMetaConfig"))
    answers = yield from read_resources(names, meta, found)
    # Of an API that was not read the models are not read either.
    for gap in [gap for gap in found.gaps if _path_of(gap, subject).partition(".")[0] == "api"]:
        found.gap(gap.what.replace("api", MODELS, 1), gap.why, hides=gap.hides)
    models = {}
    for kind, name in answers:
        if kind == "api":
            ask = Ask("amplifybackend", "GetBackendAPIModels", {**names, "ResourceName": name})
            answer = yield from read(ask, found, f"{MODELS} {name} of environment {subject.environment}")
            models[name] = _members(answer or {})
    content: dict[str, Any] = {
        "environment": {
            **_members(backend),
            "AmplifyMetaConfig": meta,
            "AmplifyFeatureFlags": parse_document(backend.get("AmplifyFeatureFlags")),
        },
        **{kind: {} for kind in CATEGORIES},
        MODELS: models,
    }
    for (kind, name), answer in answers.items():
        content[kind][name] = _members(answer)
    return document(subject, now, content, found, key)


def _members(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an answer, without those of its transport and the list of other environments."""
    left_out = {"ResponseMetadata", "BackendEnvironmentList", "Error"}
    return {name: value for name, value in answer.items() if name not in left_out}


def document(
    subject: Subject, now: datetime, content: Mapping[str, Any], found: Inventory, key: Key | None
) -> dict[str, Any]:
    """Return the document of a snapshot: its manifest, and its content without secrets."""
    redacted = {
        part: redact_resources(entries) if part in _NAMED else redact_secrets(entries)
        for part, entries in content.items()
    }
    manifest = {
        "app_id": subject.app_id,
        "backend_environment_name": subject.environment,
        "region": subject.region,
        "taken_at": now.isoformat(timespec="seconds"),
        "unreadable": [gap.to_dict() | {"path": _path_of(gap, subject)} for gap in found.gaps],
        "secrets": _secrets(content, key),
        "key": {"name": key.name, "check": key.check} if key else None,
        "sha256": digest_of(redacted),
    }
    return {
        "kind": KIND,
        "version": VERSION,
        "manifest": manifest | {_OWN_DIGEST: digest_of(manifest)},
        "content": redacted,
    }


def _path_of(gap: Gap, subject: Subject) -> str:
    """Return the path in the content of what could not be read, a resource or a category; an empty one is all of it."""
    what = gap.what.removesuffix(f" of environment {subject.environment}")
    kind = what.partition(" ")[0]
    return what.replace(" ", ".", 1) if kind in (*CATEGORIES, MODELS) else ""


def _secrets(content: Mapping[str, Any], key: Key | None) -> list[dict[str, str]]:
    """Return the path and the name of each secret, and its digest if there is a key."""
    entries = []
    for path, secret in sorted(set(_paths_and_secrets(content))):
        name = path.rpartition(".")[2]
        entries.append({"path": path, "name": name} | ({"hmac": key.digest(name, secret)} if key else {}))
    return entries


def _paths_and_secrets(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each secret with its path; the name of a resource says nothing of what is in it."""
    for part, entries in content.items():
        if part not in _NAMED:
            yield from named_secrets({part: entries})
            continue
        for name, entry in entries.items():
            above = f"{part}.{redact_secrets(name)}"
            for path, secret in named_secrets([entry]):
                yield above + path.removeprefix("[0]"), secret


def digest_of(part: Any) -> str:
    """Return the digest by which it is seen that a part of a snapshot is as it was written."""
    return hashlib.sha256(json.dumps(part, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def as_bytes(snapshot: Mapping[str, Any]) -> bytes:
    """Return a snapshot as its file has it."""
    return json.dumps(snapshot, indent=2, ensure_ascii=False).encode(errors="surrogatepass")


def checked(snapshot: Any) -> Mapping[str, Any]:
    """Return a document that was read, which is a whole snapshot of this version.

    :raises SnapshotError: It is none.
    """
    if not isinstance(snapshot, Mapping) or snapshot.get("kind") != KIND:
        raise SnapshotError("it is no snapshot")
    if snapshot.get("version") != VERSION:
        raise SnapshotError(f"it is of version {snapshot.get('version')!r}, and this one reads version {VERSION}")
    manifest = snapshot.get("manifest")
    if not isinstance(manifest, Mapping) or not isinstance(snapshot.get("content"), Mapping):
        raise SnapshotError("it has no manifest or no content")
    if manifest.get("sha256") != digest_of(snapshot["content"]):
        raise SnapshotError("it is not as it was written: its content has another digest than its manifest says")
    rest = {name: value for name, value in manifest.items() if name != _OWN_DIGEST}
    # Earlier versions of this package have written none.
    if _OWN_DIGEST in manifest and manifest[_OWN_DIGEST] != digest_of(rest):
        raise SnapshotError("it is not as it was written: its manifest has another digest than it says")
    missing = sorted(_MANIFEST - manifest.keys())
    if missing:
        raise SnapshotError(f"its manifest lacks {', '.join(missing)}")
    return snapshot


def parsed(content: bytes) -> Mapping[str, Any]:
    """Return the snapshot that a file has.

    :raises SnapshotError: It has none.
    """
    try:
        return checked(json.loads(content))
    except (ValueError, RecursionError):
        raise SnapshotError("it is not valid JSON") from None


def facts(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task's result says of a snapshot."""
    manifest = snapshot["manifest"]
    content = snapshot["content"]
    return {
        "version": snapshot["version"],
        **{name: manifest[name] for name in ("app_id", "backend_environment_name", "region", "taken_at", "sha256")},
        "resources": sum(len(content.get(kind) or {}) for kind in CATEGORIES),
        "secrets": len(manifest["secrets"]),
        "digests": manifest["key"]["name"] if manifest["key"] else None,
        "unreadable": manifest["unreadable"],
    }
