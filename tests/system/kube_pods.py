"""The pods that a stand-in for a Kubernetes API server keeps: selected, patched, and each change of one remembered."""

from __future__ import annotations

import copy
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Manifest = dict[str, Any]
Matches = Callable[[Manifest], bool]

_OF_SET = re.compile(r"(\S+) (in|notin) \((.*)\)")
# What may be patched here; anything else would need the merge keys of each list.
_PATCHED = {"labels", "annotations"}


class RefusedError(Exception):
    """What an API server answers with a Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class Change:
    """What one write has done to a pod; no `before`: it is new, no `after`: it is gone."""

    version: int
    before: Manifest | None
    after: Manifest | None

    def event(self, matches: Matches) -> tuple[str, Manifest] | None:
        """Return what a watch with a selector is told: a pod that no longer matches is a deleted one to it."""
        was = self.before is not None and matches(self.before)
        if self.after is not None and matches(self.after):
            return ("MODIFIED" if was else "ADDED", self.after)
        return ("DELETED", with_version(self.before, self.version)) if was and self.before is not None else None


class PodStore:
    """Pods by namespace and name. Each write makes a new version, wakes who waits, and is remembered for ever."""

    def __init__(self) -> None:
        self._pods: dict[tuple[str, str], Manifest] = {}
        self._changed = threading.Condition()
        self.changes: list[Change] = []
        self.is_closed = False

    @property
    def version(self) -> int:
        return len(self.changes)

    def create(self, namespace: str, manifest: Manifest) -> Manifest:
        pod = copy.deepcopy(manifest)
        name = pod["metadata"]["name"]
        pod["metadata"] |= {"namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": now()}
        pod["status"] = {"phase": "Pending"}
        with self._changed:
            if (namespace, name) in self._pods:
                raise RefusedError(409, "AlreadyExists", f'pods "{name}" already exists')
            return self._write(namespace, name, pod)

    def get(self, namespace: str, name: str) -> Manifest:
        with self._changed:
            return self._get(namespace, name)

    def select(self, namespace: str, matches: Matches) -> tuple[int, list[Manifest]]:
        """Return the version and the pods of it."""
        with self._changed:
            pods = [pod for (place, _), pod in self._pods.items() if place == namespace and matches(pod)]
            return self.version, pods

    def patch(self, namespace: str, name: str, patch: Manifest) -> Manifest:
        """Merge labels and annotations; null removes one."""
        members = patch.get("metadata", {})
        if set(patch) - {"metadata"} or set(members) - _PATCHED:
            raise RefusedError(422, "Invalid", f"only {sorted(_PATCHED)} of the metadata are patched here: {patch}")

        def merge(pod: Manifest) -> None:
            for member, values in members.items():
                merged = {**pod["metadata"].get(member, {}), **values}
                pod["metadata"][member] = {key: value for key, value in merged.items() if value is not None}

        return self.change(namespace, name, merge)

    def set_status(self, namespace: str, name: str, **members: Any) -> Manifest:
        return self.change(namespace, name, lambda pod: pod["status"].update(members))

    def ask_deletion(self, namespace: str, name: str, grace: int | None) -> Manifest:
        """Note that a pod is to be deleted, and when at the latest; a shorter grace wins over an earlier one."""

        def note(pod: Manifest) -> None:
            allowed = pod["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
            earlier = pod["metadata"].get("deletionGracePeriodSeconds", allowed)
            pod["metadata"]["deletionGracePeriodSeconds"] = min(allowed, earlier)
            pod["metadata"].setdefault("deletionTimestamp", now())

        return self.change(namespace, name, note)

    def remove(self, namespace: str, name: str) -> None:
        with self._changed:
            pod = self._get(namespace, name)
            del self._pods[namespace, name]
            self._note(pod, None)

    def change(self, namespace: str, name: str, how: Callable[[Manifest], Any]) -> Manifest:
        with self._changed:
            pod = copy.deepcopy(self._get(namespace, name))
            how(pod)
            return self._write(namespace, name, pod)

    def after(self, version: int, wait: float) -> list[Change]:
        """Return the changes since a version, and wait for one if there is none."""
        with self._changed:
            if self.version <= version and not self.is_closed:
                self._changed.wait(wait)
            return self.changes[version:]

    def close(self) -> None:
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    def _get(self, namespace: str, name: str) -> Manifest:
        try:
            return self._pods[namespace, name]
        except KeyError:
            raise RefusedError(404, "NotFound", f'pods "{name}" not found') from None

    def _write(self, namespace: str, name: str, pod: Manifest) -> Manifest:
        before = self._pods.get((namespace, name))
        pod["metadata"]["resourceVersion"] = str(self.version + 1)
        self._pods[namespace, name] = pod
        self._note(before, pod)
        return pod

    def _note(self, before: Manifest | None, after: Manifest | None) -> None:
        self.changes.append(Change(self.version + 1, before, after))
        self._changed.notify_all()


def selector(labels: str, fields: str) -> Matches:
    """Return the test of a label selector and a field selector, in the forms that Kubernetes documents."""
    by_label, by_field = list(_requirements(labels)), list(_requirements(fields))

    def matches(pod: Manifest) -> bool:
        given = pod["metadata"].get("labels", {})
        return all(test(given.get(key)) for key, test in by_label) and all(
            test(_field(pod, key)) for key, test in by_field
        )

    return matches


def _requirements(text: str) -> Iterator[tuple[str, Callable[[str | None], bool]]]:
    for part in re.split(r",(?![^(]*\))", text) if text else ():
        if of_set := _OF_SET.fullmatch(part):
            key, is_wanted = of_set[1], of_set[2] == "in"
            yield key, _one_of({value.strip() for value in of_set[3].split(",")}, is_wanted=is_wanted)
        elif "=" in part:
            key, unlike, value = re.fullmatch(r"([^!=]+)(!?)==?(.*)", part).groups()  # type: ignore[union-attr]
            yield key, _one_of({value}, is_wanted=not unlike)
        else:
            yield part.removeprefix("!"), _is_there(not part.startswith("!"))


def _one_of(values: set[str], *, is_wanted: bool) -> Callable[[str | None], bool]:
    return lambda value: (value in values) is is_wanted


def _is_there(is_wanted: bool) -> Callable[[str | None], bool]:
    return lambda value: (value is not None) is is_wanted


def _field(pod: Manifest, path: str) -> str | None:
    found: Any = pod
    for member in path.split("."):
        found = found.get(member) if isinstance(found, dict) else None
    return None if found is None else str(found)


def with_version(pod: Manifest | None, version: int) -> Manifest:
    assert pod is not None
    return {**pod, "metadata": {**pod["metadata"], "resourceVersion": str(version)}}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
