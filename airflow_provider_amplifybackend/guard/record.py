"""The record of a deletion: a JSON document that is written before the request and completed after the job's end.

Each try of a task has an entry of its own, which says what that try knew: the entry of one that died says "requesting"
for good, and the next one's says what became of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_amplifybackend.core.meta_config import category, parse_document
from airflow_provider_amplifybackend.core.operations import CATEGORIES
from airflow_provider_amplifybackend.core.secrets import redact_resources, redact_secrets
from airflow_provider_amplifybackend.guard.inventory import MOST_RESOURCES, Inventory, Reads, read
from airflow_provider_amplifybackend.guard.signs import Ask

RECORD_KIND = "amplifybackend deletion"
RECORD_VERSION = 1
# The resources that the service makes itself, and so can show.
_SERVICES = frozenset({"Cognito", "AppSync", "S3", "S3AndCloudFront"})
_LONGEST_PART = 45


class State(StrEnum):
    """The state of a try, as its entry has it."""

    # Written before the request: it may have been sent.
    REQUESTING = "requesting"
    # The job runs, and the task does not wait for it.
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    # Something was in the way; nothing was sent by this try.
    NOT_STARTED = "not started"
    # Nobody has seen the job's end.
    UNKNOWN = "unknown"
    # The guard has refused it; nothing was sent by this try.
    REFUSED = "refused"
    # There was nothing to delete.
    SKIPPED = "skipped"


@dataclass(frozen=True)
class TaskFacts:
    """The task that deletes, and who has it run."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    # Whatever is known: the owner, the kind of the run, who triggered it, the host.
    by: Mapping[str, str]

    @property
    def identity(self) -> dict[str, Any]:
        """The part that all tries of the task have in common."""
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "map_index": self.map_index,
        }


def file_name(app_id: str, environment: str | None, task: TaskFacts) -> str:
    """Return the record's name, the same for all tries of a task: it says app, environment and run.

    Names may differ in what no file name can have, so a digest of them is a part of it.
    """
    identity = [app_id, environment, *task.identity.values()]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    index = () if task.map_index < 0 else (str(task.map_index),)
    parts = (app_id, environment or "all", task.dag_id, task.run_id, task.task_id, *index, digest)
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part)[:_LONGEST_PART] for part in parts) + ".json"


def new_document(operation: str, request: Mapping[str, Any], task: TaskFacts) -> dict[str, Any]:
    """Return a record without tries."""
    return {
        "kind": RECORD_KIND,
        "version": RECORD_VERSION,
        "operation": operation,
        "request": redact_secrets(request),
        **task.identity,
        "tries": [],
    }


def is_record(document: Any) -> bool:
    """Tell whether a document is a record that this version can continue."""
    return (
        isinstance(document, Mapping)
        and document.get("kind") == RECORD_KIND
        and document.get("version") == RECORD_VERSION
        and isinstance(document.get("tries"), list)
    )


def with_entry(document: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with an entry: it continues the last one of the same try, if that has not ended."""
    tries = list(document["tries"])
    last = tries[-1] if tries else {}
    if last.get("try_number") == entry["try_number"] and last.get("state") == State.REQUESTING:
        tries[-1] = {**last, **entry}
    else:
        tries.append(dict(entry))
    return {**document, "tries": tries}


def plans_of(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what was there before each try that has sent a request, or may have."""
    for entry in document["tries"]:
        if isinstance(entry, Mapping) and isinstance(before := entry.get("before"), Mapping):
            yield before


def read_configuration(app_id: str, environments: Sequence[str]) -> Reads[dict[str, Any]]:
    """Read the configuration of environments as it was, without secrets; what cannot be read is named."""
    found = Inventory()
    configuration: dict[str, Any] = {}
    for environment in environments:
        names = {"AppId": app_id, "BackendEnvironmentName": environment}
        ask = Ask("amplifybackend", "GetBackend", names)
        backend = (yield from read(ask, found, f"the configuration of environment {environment}")) or {}
        meta = parse_document(backend.get("AmplifyMetaConfig"))
        flags = parse_document(backend.get("AmplifyFeatureFlags"))
        configuration[environment] = {
            **redact_secrets({"AmplifyMetaConfig": meta, "AmplifyFeatureFlags": flags}),
            "resources": redact_resources((yield from _configurations(names, meta, found))),
        }
    if found.gaps:
        configuration["unknown"] = [{"what": gap.what, "why": gap.why} for gap in found.gaps]
    return configuration


def _configurations(names: Mapping[str, str], meta: Any, found: Inventory) -> Reads[dict[str, Any]]:
    answers = yield from read_resources(names, meta, found)
    return {f"{kind}/{name}": answer.get("ResourceConfig") for (kind, name), answer in answers.items()}


def read_resources(
    names: Mapping[str, str], meta: Any, found: Inventory
) -> Reads[dict[tuple[str, str], Mapping[str, Any]]]:
    """Read the resources of an environment that the service can show, each by its category and name.

    What is cut off of a category is a gap that is named like it: then nobody has seen all of that category.
    """
    answers: dict[tuple[str, str], Mapping[str, Any]] = {}
    where = f"of environment {names['BackendEnvironmentName']}"
    for kind, operation in CATEGORIES.items():
        shown = [name for name, resource in category(meta, kind).items() if _is_shown(resource)]
        if len(shown) > MOST_RESOURCES:
            found.gap(f"{kind} {where}", f"there are more than {MOST_RESOURCES}", hides=True)
        for name in shown[:MOST_RESOURCES]:
            ask = Ask("amplifybackend", operation, {**names, "ResourceName": name})
            if answer := (yield from read(ask, found, f"{kind} {name} {where}")):
                answers[kind, name] = answer
    return answers


def _is_shown(resource: Any) -> bool:
    return isinstance(resource, Mapping) and resource.get("service") in _SERVICES
