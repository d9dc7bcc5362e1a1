"""The differences between two snapshots: what matters, and what cannot be compared, which is not the same as equal."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_amplifybackend.core.same_text import is_same_text
from airflow_provider_amplifybackend.fleet.normal import ABSENT, Names, normalized, paired
from airflow_provider_amplifybackend.guard.protected import matches

# Of one value in a difference, and of the lines that differ in a long text.
LONGEST_VALUE = 300
MOST_LINES = 40
# Of a result, in bytes of JSON.
MOST_RESULT_BYTES = 32_000
# Between two environments the one resource of a category is the same, whatever it is called.
_KINDS = ("auth", "api", "storage", "models")


class Change(StrEnum):
    """The way in which two sides differ."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UNKNOWN = "not comparable"


@dataclass(frozen=True)
class Difference:
    """A difference: where, how, and the two values as they can be shown."""

    path: str
    change: Change
    left: str | None = None
    right: str | None = None
    # Why it cannot be compared.
    why: str | None = None

    def to_dict(self) -> dict[str, str]:
        """Return it as a task's result has it."""
        members = {"left": self.left, "right": self.right, "why": self.why}
        found = {"path": self.path, "change": str(self.change)}
        return found | {name: value for name, value in members.items() if value is not None}

    def __str__(self) -> str:
        if self.change is Change.UNKNOWN:
            return f"? {self.path}: not comparable: {self.why}"
        mark = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~"}[self.change]
        shown = [text for text in (self.left, self.right) if text is not None]
        return f"{mark} {self.path}: {' -> '.join(shown)}"


def compare(left: Mapping[str, Any], right: Mapping[str, Any], ignore: Sequence[str] = ()) -> list[Difference]:
    """Return the differences between two snapshots.

    :param ignore: Patterns of paths that do not matter, with ``*`` and ``?``.
    """
    across = _identity(left) != _identity(right)
    sides = [normalized(side["content"], _names(side), across=across) for side in (left, right)]
    if across:
        sides[1] = _renamed(*sides)
    gaps = list(_gaps(left, right))
    unread = {gap.path for gap in gaps}
    seen = (*_differences("", *sides), *_of_secrets(left, right, across=across))
    # Where one side was not read, the other differs from nothing.
    found = [*(one for one in seen if not any(_is_below(path, one.path) for path in unread)), *gaps]
    wanted = (one for one in found if not any(matches(pattern, one.path) for pattern in ignore))
    return sorted(wanted, key=lambda one: one.path)


def _identity(snapshot: Mapping[str, Any]) -> tuple[Any, ...]:
    manifest = snapshot["manifest"]
    return tuple(manifest.get(name) for name in ("app_id", "backend_environment_name", "region"))


def _names(snapshot: Mapping[str, Any]) -> Names:
    manifest = snapshot["manifest"]
    meta = (snapshot["content"].get("environment") or {}).get("AmplifyMetaConfig")
    providers = meta.get("providers") if isinstance(meta, Mapping) else None
    provider = providers.get("awscloudformation") if isinstance(providers, Mapping) else None
    stack = provider.get("StackName") if isinstance(provider, Mapping) else None
    return Names(
        str(manifest["app_id"]),
        str(manifest["backend_environment_name"]),
        str(manifest.get("region") or ""),
        stack if isinstance(stack, str) else "",
    )


def _renamed(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """Return the right side with the left one's name for the only resource of a category."""
    renamed = {**right, **_renamed_kinds(left, right)}
    metas = [side["environment"]["AmplifyMetaConfig"] for side in (left, right)]
    if all(isinstance(meta, Mapping) for meta in metas):
        meta = {**metas[1], **_renamed_kinds(*metas)}
        renamed["environment"] = {**right["environment"], "AmplifyMetaConfig": meta}
    return renamed


def _renamed_kinds(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for kind in _KINDS:
        ours, theirs = left.get(kind), right.get(kind)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping) and len(ours) == len(theirs) == 1:
            found[kind] = {next(iter(ours)): next(iter(theirs.values()))}
    return found


# ------------------------------------------------------------------------------------------------------- the values


def _differences(path: str, left: Any, right: Any) -> Iterator[Difference]:
    if left is ABSENT or right is ABSENT:
        # What is off or empty need not be shown.
        if (right if left is ABSENT else left) not in (None, "", [], {}, False):
            if left is ABSENT:
                yield Difference(path, Change.ADDED, right=shown(right))
            else:
                yield Difference(path, Change.REMOVED, left=shown(left))
    elif isinstance(left, Mapping) and isinstance(right, Mapping):
        for name, ours, theirs in paired(left, right):
            yield from _differences(f"{path}.{name}" if path else name, ours, theirs)
    elif isinstance(left, list) and isinstance(right, list):
        yield from _of_lists(path, left, right)
    elif not _is_same_value(left, right, path.rpartition(".")[2]):
        yield _changed(path, left, right)


def _of_lists(path: str, left: list[Any], right: list[Any]) -> Iterator[Difference]:
    """Yield what only one of two lists has: their order says nothing in this API."""
    ours, theirs = [[_key(item) for item in side] for side in (left, right)]
    for item in sorted({*ours, *theirs}):
        more = theirs.count(item) - ours.count(item)
        if more:
            shown_item = shown(json.loads(item))
            if more > 0:
                yield Difference(f"{path}[]", Change.ADDED, right=shown_item)
            else:
                yield Difference(f"{path}[]", Change.REMOVED, left=shown_item)


def _key(item: Any) -> str:
    return json.dumps(item, sort_keys=True, ensure_ascii=False)


def _is_same_value(left: Any, right: Any, member: str) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return is_same_text(left, right, member)
    return bool(left == right)


def _changed(path: str, left: Any, right: Any) -> Difference:
    if isinstance(left, str) and isinstance(right, str) and max(len(left), len(right)) > LONGEST_VALUE:
        lines = list(difflib.unified_diff(left.splitlines(), right.splitlines(), lineterm="", n=0))[2:]
        cut = f"\n... {len(lines) - MOST_LINES} more lines" if len(lines) > MOST_LINES else ""
        return Difference(path, Change.CHANGED, right="\n".join(line[:200] for line in lines[:MOST_LINES]) + cut)
    return Difference(path, Change.CHANGED, left=shown(left), right=shown(right))


def shown(value: Any) -> str:
    """Return a value as a difference shows it; secrets are `***` in it already."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}... ({len(text)} characters)"


# ------------------------------------------------------------------------------------------------------ the secrets


def _of_secrets(left: Mapping[str, Any], right: Mapping[str, Any], *, across: bool) -> Iterator[Difference]:
    """Yield the secrets that differ, by their digests, and those of which nobody can tell."""
    why = _why_not_comparable(left["manifest"].get("key"), right["manifest"].get("key"))
    ours, theirs = (_secrets(side, across=across) for side in (left, right))
    # What one side lacks as a whole is seen in the values.
    for path in sorted(ours.keys() & theirs.keys()):
        if why:
            yield Difference(f"{path} (secret)", Change.UNKNOWN, why=why)
        elif across and path.endswith("Output"):
            continue  # made by AWS for each environment
        elif ours[path] != theirs[path]:
            yield Difference(f"{path} (secret)", Change.CHANGED, left="a secret", right="another one")


def _why_not_comparable(left: Any, right: Any) -> str | None:
    if not left or not right:
        return "there is no digest, because there was no key"
    if left.get("check") != right.get("check"):
        return f"the digests are of different keys ({left.get('name')}, {right.get('name')})"
    return None


def _secrets(snapshot: Mapping[str, Any], *, across: bool) -> dict[str, list[str]]:
    """Return the digests by path; between two environments by a path without the resource's name."""
    found: dict[str, list[str]] = {}
    for entry in snapshot["manifest"].get("secrets") or ():
        parts = str(entry["path"]).split(".")
        path = ".".join([parts[0], *parts[2:]]) if across and parts[0] in _KINDS else str(entry["path"])
        found.setdefault(path, []).append(str(entry.get("hmac")))
    return {path: sorted(digests) for path, digests in found.items()}


def _gaps(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Difference]:
    for name, side in (("left", left), ("right", right)):
        for gap in side["manifest"].get("unreadable") or ():
            yield Difference(str(gap.get("path") or ""), Change.UNKNOWN, why=f"{name}: {gap['what']}: {gap['why']}")


def _is_below(above: str, path: str) -> bool:
    """Tell whether a path is, or lies below, what could not be read; an empty path is above all."""
    return not above or path == above or path.startswith((f"{above}.", f"{above} "))


# ------------------------------------------------------------------------------------------------------- the result


def result(differences: Sequence[Difference], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task returns: the counts, and as many differences as fit."""
    unknown = sum(one.change is Change.UNKNOWN for one in differences)
    found: dict[str, Any] = {
        "equal": not differences,
        "differences": [],
        "different": len(differences) - unknown,
        "not_comparable": unknown,
        "more": 0,
        **facts,
    }
    size = len(json.dumps(found).encode())
    for one in differences:
        entry = one.to_dict()
        size += len(json.dumps(entry).encode()) + 2
        if size > MOST_RESULT_BYTES:
            break
        found["differences"].append(entry)
    found["more"] = len(differences) - len(found["differences"])
    return found


def text(differences: Iterable[Difference], left: str, right: str) -> str:
    """Return the differences for a log."""
    lines = [str(one) for one in differences]
    head = f"{left} and {right}: {len(lines)} {'difference' if len(lines) == 1 else 'differences'}"
    return "\n".join([head, *lines]) if lines else f"{left} and {right}: no difference"
