"""Leases, as an inventory shows them: from the tags of an app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_amplifybackend.guard.lease import Lease, LeaseFormatError, Tags

UNREADABLE = "leased, in a form that cannot be read"


@dataclass(frozen=True)
class ShownLease:
    """The lease of an environment: a text, and when it ends, if it does."""

    text: str = ""
    until: datetime | None = None


def lease_of(tags: Mapping[str, str], environment: str, now: datetime) -> ShownLease:
    """Return the lease of an environment; an empty one if it has none. One that is pinned does not end."""
    known = Tags(tags, now)
    try:
        lease = known.lease_of(environment)
        text = _text(lease) if lease else ""
    except LeaseFormatError:
        lease, text = None, UNREADABLE
    if known.is_pinned(environment):
        return ShownLease(f"{text} (pinned)" if text else "pinned")
    return ShownLease(text, lease.until if lease else None)


def _text(lease: Lease) -> str:
    return f"{lease.state} until {lease.until.isoformat(timespec='seconds')} by DAG {lease.dag_id}"
