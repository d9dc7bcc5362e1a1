"""The limit of living environments: who may proceed, told from tickets that anybody may have written a moment ago.

Tags know no compare-and-set, so the order is that of Lamport's bakery: a ticket is written first, and then all are read
to see who is ahead. A ticket that is older than one's own may still be on its way, so nobody proceeds before every such
ticket can be seen: a lag for its writing, and one until it is shown. Whatever is written later gets a newer ticket.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from airflow_provider_amplifybackend.guard.lease import Lease, LeaseState, Tags

# Times in tags are in whole seconds.
_RESOLUTION = timedelta(seconds=1)


@dataclass(frozen=True)
class Ticket:
    """One's own place in the queue, as one has written it."""

    environment: str
    group: str
    since: datetime


class Turn(StrEnum):
    """The meaning of a place for whoever waits."""

    FREE = "free"
    WAIT = "wait"
    # There is no room, and the user does not want to wait for it.
    FULL = "full"
    # One's own ticket is gone, or is not the one that was written.
    LOST = "lost"


@dataclass(frozen=True)
class Place:
    """The place of a ticket at one moment."""

    # The environments that are ahead.
    ahead: tuple[str, ...]
    # Until every ticket that is older can be seen; nothing or less: they can.
    settles_in: timedelta
    # Whether one's own ticket can be seen as it was written.
    is_shown: bool

    def turn(self, limit: int, *, waits: bool = True) -> Turn:
        """Return what the place means.

        :param waits: Whether the user wants to wait for room.
        """
        if self.settles_in > timedelta():
            return Turn.WAIT
        if not self.is_shown:
            return Turn.LOST
        if len(self.ahead) < limit:
            return Turn.FREE
        return Turn.WAIT if waits else Turn.FULL

    def next_look(self, interval: float) -> float:
        """Return the seconds until the tags are worth another read."""
        left = self.settles_in.total_seconds()
        return min(interval, left) if left > 0 else interval


def settling(lag: float) -> timedelta:
    """Return for how long a ticket waits until all older ones can be seen."""
    return timedelta(seconds=2 * lag) + _RESOLUTION


def is_late(taken: datetime, written: datetime, lag: float) -> bool:
    """Tell whether a ticket was written too late after it was taken: others have looked without seeing it."""
    return written - taken > timedelta(seconds=lag)


def place_of(ticket: Ticket, tags: Tags, lag: float) -> Place:
    """Return the place of a ticket."""
    others = [lease for lease in tags.leases() if lease.group == ticket.group]
    own = next((lease for lease in others if lease.environment == ticket.environment), None)
    return Place(
        ahead=tuple(_ahead(ticket, others, tags.now)),
        settles_in=ticket.since + settling(lag) - tags.now,
        is_shown=own is not None and own.since == ticket.since,
    )


def _ahead(ticket: Ticket, others: Iterable[Lease], now: datetime) -> Iterable[str]:
    for lease in others:
        if lease.environment == ticket.environment:
            continue
        if lease.state is not LeaseState.WAITING:
            # It lives, or may: also one whose time is over, until the reaper or its own run has taken it down.
            yield lease.environment
        elif not lease.has_ended(now) and lease.ticket < (ticket.since, ticket.environment):
            yield lease.environment
