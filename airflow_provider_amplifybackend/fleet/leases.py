"""Leases, as an inventory shows them: from the tags of an app.

A tag whose key begins with the prefix is the lease of the environment that follows; its value is words of the form
``name=value``, of which ``state``, ``until`` and ``dag`` are for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

LEASE_PREFIX = "amplifybackend:lease:"
PIN_PREFIX = "amplifybackend:pin:"


@dataclass(frozen=True)
class ShownLease:
    """The lease of an environment: a text, and when it ends, if it says so."""

    text: str = ""
    until: datetime | None = None


def lease_of(tags: Mapping[str, str], environment: str) -> ShownLease:
    """Return the lease of an environment; an empty one if it has none. One that is pinned does not end."""
    value = tags.get(f"{LEASE_PREFIX}{environment}")
    is_pinned = f"{PIN_PREFIX}{environment}" in tags
    if value is None:
        return ShownLease("pinned" if is_pinned else "")
    members = dict(word.split("=", 1) for word in value.split(" ") if "=" in word)
    until = _time(members.get("until", ""))
    parts = [members.get("state") or "leased"]
    if until:
        parts.append(f"until {until.isoformat(timespec='seconds')}")
    if members.get("dag"):
        parts.append(f"by DAG {members['dag']}")
    return ShownLease(" ".join([*parts, *(["(pinned)"] if is_pinned else [])]), None if is_pinned else until)


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
