"""The lease of an environment: a tag on its app that says which run has it and until when.

Tags have no compare-and-set and may be read with a lag. So a lease has a key of its own, which only the tasks of its
run write, and a pin is another tag; docs/ephemeral-environments.md says what rests on the service's consistency.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

LEASE_PREFIX = "amplifybackend:lease:"
PIN_PREFIX = "amplifybackend:pin:"
VERSION = "1"
MOST_TAGS = 50
LONGEST_VALUE = 256
LONGEST_DAG_ID = 110
LONGEST_NAME = 10
LONGEST_PREFIX = 5
_TIME = "%Y%m%dT%H%M%SZ"
# Values take these and the letters and digits of any script. Of letters that two bytes or more make in UTF-16, nobody
# outside AWS knows how they are counted.
_FOREIGN = re.compile(r"[^\w.:/=+ -]|[\U00010000-\U0010ffff]")
# Ends an id that was shortened or changed. No id of a run has it, unless a deployment allows it.
_SHORTENED = "@"
_DIGEST = 8


class LeaseState(StrEnum):
    """The state of a lease, as its tag has it."""

    # A ticket: the run waits until no more than the limit are ahead of it.
    WAITING = "waiting"
    # The environment is there, or is being made.
    HELD = "held"
    # The run has failed, and its environment is kept for a look at it.
    KEPT = "kept"


class LeaseFormatError(Exception):
    """A tag that is no lease which this version can read; the text says why."""


def digest(*parts: object, length: int = 12) -> str:
    """Return a digest of names."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:length]


@dataclass(frozen=True)
class Holder:
    """The group of tasks, in one run, that holds an environment."""

    dag_id: str
    run_id: str
    group_id: str = ""
    map_index: int = -1

    @property
    def run(self) -> str:
        """The digest of the run."""
        return digest(self.dag_id, self.run_id)

    @property
    def group(self) -> str:
        """The digest of the group, which all of its runs and map indexes share: a limit counts by it."""
        return digest(self.dag_id, self.group_id, length=_DIGEST)


@dataclass(frozen=True)
class Lease:
    """A lease, as its tag has it."""

    environment: str
    state: LeaseState
    since: datetime
    until: datetime
    # Digests of the run and of the group, which identify them whatever became of the two ids.
    run: str
    group: str
    map_index: int
    # As they are, or shortened.
    dag_id: str
    run_id: str

    @classmethod
    def of(cls, holder: Holder, environment: str, *, state: LeaseState, since: datetime, until: datetime) -> Lease:
        """Return the lease of a holder."""
        dag_id = as_value(holder.dag_id, LONGEST_DAG_ID)
        lease = cls(
            environment, state, since, until, holder.run, holder.group, holder.map_index, dag_id=dag_id, run_id=""
        )
        # With room for the longest state that it may have later.
        room = LONGEST_VALUE - len(replace(lease, state=LeaseState.WAITING).value)
        return replace(lease, run_id=as_value(holder.run_id, room))

    @property
    def key(self) -> str:
        """The key of the tag."""
        return lease_key(self.environment)

    @property
    def value(self) -> str:
        """The value of the tag."""
        members = {
            "v": VERSION,
            "state": self.state,
            "since": self.since.strftime(_TIME),
            "until": self.until.strftime(_TIME),
            "id": self.run,
            "group": self.group,
            **({"map": str(self.map_index)} if self.map_index >= 0 else {}),
            "dag": self.dag_id,
            "run": self.run_id,
        }
        return " ".join(f"{name}={value}" for name, value in members.items())

    @property
    def has_whole_dag_id(self) -> bool:
        """Tell whether its DAG can be asked about.

        Letters have more than one form in Unicode: those that are no ASCII must have come back as they were written.
        """
        return _SHORTENED not in self.dag_id and (self.dag_id.isascii() or self.has_whole_ids)

    @property
    def has_whole_ids(self) -> bool:
        """Tell whether its run can be asked about."""
        return digest(self.dag_id, self.run_id) == self.run

    @property
    def ticket(self) -> tuple[datetime, str]:
        """The place of the lease among all: no two are the same."""
        return self.since, self.environment

    def is_of(self, holder: Holder) -> bool:
        """Tell whether it is that of a holder."""
        return (self.run, self.group, self.map_index) == (holder.run, holder.group, holder.map_index)

    def has_ended(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return self.until <= now


def lease_key(environment: str) -> str:
    """Return the key of an environment's lease."""
    return LEASE_PREFIX + environment


def pin_key(environment: str) -> str:
    """Return the key of the tag that keeps an environment, whatever its lease says."""
    return PIN_PREFIX + environment


def as_value(text: str, longest: int, *, spaces: bool = False) -> str:
    """Return a text as a tag can have it: what it cannot have, or has no room for, is told by a digest."""
    fit = _FOREIGN.sub("_", text)
    if not spaces:  # they are between the members of a lease
        fit = fit.replace(" ", "_")
    if fit == text and len(text) <= longest:
        return text
    mark = _SHORTENED + digest(text, length=_DIGEST)
    return fit[: max(0, longest - len(mark))] + mark


def parse(key: str, value: str) -> Lease:
    """Read a lease from its tag.

    :raises LeaseFormatError: It is none, or of another version.
    """
    members = dict(part.split("=", 1) for part in value.split(" ") if "=" in part)
    if members.get("v") != VERSION:
        raise LeaseFormatError(f"its version is {members.get('v')!r}, not {VERSION}")
    try:
        return Lease(
            environment=key.removeprefix(LEASE_PREFIX),
            state=LeaseState(members["state"]),
            since=_time(members["since"]),
            until=_time(members["until"]),
            run=members["id"],
            group=members["group"],
            map_index=int(members.get("map", "-1")),
            dag_id=members["dag"],
            run_id=members["run"],
        )
    except (KeyError, ValueError) as error:
        raise LeaseFormatError(f"it cannot be read ({type(error).__name__}: {error})") from None


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)


@dataclass(frozen=True)
class Tags:
    """The tags of an app at one moment, as they were read."""

    values: Mapping[str, str]
    now: datetime

    def leases(self) -> Iterator[Lease]:
        """Yield the leases that can be read."""
        for key, value in sorted(self.values.items()):
            if key.startswith(LEASE_PREFIX):
                try:
                    yield parse(key, value)
                except LeaseFormatError:
                    continue

    def lease_of(self, environment: str) -> Lease | None:
        """Return the lease of an environment.

        :raises LeaseFormatError: There is one that cannot be read.
        """
        key = lease_key(environment)
        return parse(key, self.values[key]) if key in self.values else None

    def lease_of_holder(self, holder: Holder) -> Lease | None:
        """Return the lease that a holder has; of several the oldest."""
        return min((lease for lease in self.leases() if lease.is_of(holder)), key=_ticket, default=None)

    def is_pinned(self, environment: str) -> bool:
        """Tell whether somebody keeps an environment."""
        return pin_key(environment) in self.values

    def leased(self) -> set[str]:
        """Return the environments that have a lease, one that cannot be read included."""
        return {key.removeprefix(LEASE_PREFIX) for key in self.values if key.startswith(LEASE_PREFIX)}

    def has_room_for(self, key: str) -> bool:
        """Tell whether a tag can be set."""
        return key in self.values or len(self.values) < MOST_TAGS


def _ticket(lease: Lease) -> tuple[datetime, str]:
    return lease.ticket


# ---------------------------------------------------------------------------------------------------------- the names


def default_prefix(group_id: str) -> str:
    """Return the prefix of names for a group: the first letters of its id; none if it has none."""
    return "".join(letter for letter in group_id.lower() if letter in string.ascii_lowercase)[:LONGEST_PREFIX]


def prefix_problem(prefix: str) -> str | None:
    """Return what is wrong with a prefix; None if nothing is."""
    if re.fullmatch(rf"[a-z]{{1,{LONGEST_PREFIX}}}", prefix):
        return None
    return f"must be 1 to {LONGEST_PREFIX} small letters, as the Amplify CLI takes no other names"


def candidates(holder: Holder, prefix: str) -> Iterator[str]:
    """Yield the names that an environment of a holder may have, always in this order."""
    number = 0
    while True:
        value = int.from_bytes(
            hashlib.sha256(
                json.dumps([holder.dag_id, holder.run_id, holder.group_id, holder.map_index, number]).encode()
            ).digest(),
            "big",
        )
        letters = ""
        while len(prefix) + len(letters) < LONGEST_NAME:
            value, letter = divmod(value, 26)
            letters += string.ascii_lowercase[letter]
        yield prefix + letters
        number += 1


def choose_name(holder: Holder, prefix: str, taken: Iterable[str]) -> str:
    """Return the first name that nobody has."""
    others = set(taken)
    return next(name for name in candidates(holder, prefix) if name not in others)
