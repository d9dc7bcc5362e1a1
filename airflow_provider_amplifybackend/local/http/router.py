"""Paths: the operation that a method and a path mean."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote, unquote_to_bytes

T = TypeVar("T")

_SEPARATORS = re.compile(r"[/\\]")


@dataclass(slots=True)
class _Node(Generic[T]):
    """The paths that have a beginning in common; `label` names the segment that stands for any text."""

    literals: dict[str, _Node[T]] = field(default_factory=dict)
    label: str = ""
    labelled: _Node[T] | None = None
    target: T | None = None


class Router(Generic[T]):
    """The target of a method and a path; a literal segment wins over a label."""

    def __init__(self) -> None:
        self._roots: dict[str, _Node[T]] = {}

    def add(self, method: str, path: str, target: T) -> None:
        """Add a path like `/backend/{appId}/details`, with the names of its labels."""
        node = self._roots.setdefault(method, _Node())
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                node.label = segment.strip("{}")
                if node.labelled is None:
                    node.labelled = _Node()
                node = node.labelled
            else:
                node = node.literals.setdefault(segment, _Node())
        node.target = target

    def concerns(self, raw_path: str) -> bool:
        """Return true where a segment, however encoded, is one that our paths begin with."""
        first_segments = {segment for root in self._roots.values() for segment in root.literals}
        return not first_segments.isdisjoint(_SEPARATORS.split(unquote(raw_path, errors="surrogateescape")))

    def knows(self, raw_path: str) -> bool:
        """Return true where something has this path, with whatever method."""
        return any(self.match(method, raw_path) for method in self._roots)

    def match(self, method: str, raw_path: str) -> tuple[T, dict[str, str]] | None:
        """Return the target with the texts of its labels."""
        root = self._roots.get(method)
        if root is None:
            return None
        # Split before unquoting: an environment name may hold an encoded slash.
        return _walk(root, raw_path.split("/")[1:], 0, {})


def _walk(node: _Node[T], segments: list[str], index: int, labels: dict[str, str]) -> tuple[T, dict[str, str]] | None:
    if index == len(segments):
        return None if node.target is None else (node.target, labels)
    segment = segments[index]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _walk(literal, segments, index + 1, labels)
        if found:
            return found
    if node.labelled is None:
        return None
    return _walk(node.labelled, segments, index + 1, {**labels, node.label: _decoded(segment)})


def _decoded(segment: str) -> str:
    """Return the segment's text; what is not UTF-8 stays recognisable in it, for the journal, and is refused later."""
    return unquote_to_bytes(segment.encode("latin-1")).decode(errors="surrogateescape")
