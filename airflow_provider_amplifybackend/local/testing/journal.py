"""The journal: every request that reached the service, for tests that count."""

from __future__ import annotations

import itertools
import uuid
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_amplifybackend.local.service.api_model import SERVICE_NAME, named_app, named_environments

CAPACITY = 200_000
# Of the requests' bodies: an entry has its parameters in full, and a body may have ten megabytes.
LARGEST_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class Entry:
    """One request and its result."""

    seq: int
    time: float
    account: str
    region: str
    operation: str | None
    parameters: dict[str, Any]
    status_code: int
    """0 where no answer was sent: the connection was reset."""
    error_code: str | None
    effective: bool
    job_id: str | None
    faults: list[str]
    service: str = SERVICE_NAME

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Journal:
    """The entries in memory; beyond their most and the most of their bytes the oldest go, and `dropped` counts them."""

    def __init__(self, capacity: int = CAPACITY, largest_bytes: int = LARGEST_BYTES) -> None:
        self._capacity = capacity
        self._largest_bytes = largest_bytes
        self._entries: deque[Entry] = deque()
        self._sizes: deque[int] = deque()
        self.last = 0
        """The last number that was given."""
        self.clear()

    @property
    def count(self) -> int:
        return len(self._entries)

    def add(self, *, size: int = 0, **fields: Any) -> Entry:
        """Add an entry.

        :param size: of the request's body in bytes.
        """
        self.last += 1
        entry = Entry(seq=self.last, **fields)
        self._entries.append(entry)
        self._sizes.append(size)
        self._bytes += size
        while len(self._entries) > self._capacity or (self._bytes > self._largest_bytes and len(self._entries) > 1):
            self._entries.popleft()
            self._bytes -= self._sizes.popleft()
            self.dropped += 1
        return entry

    def read(
        self,
        *,
        service: str | None = None,
        operation: str | None = None,
        effective: bool | None = None,
        after: int = 0,
        app_id: str | None = None,
        environment: str | None = None,
    ) -> list[Entry]:
        return [
            entry
            for entry in self._entries
            if entry.seq > after
            and (service is None or entry.service == service)
            and (operation is None or entry.operation == operation)
            and (effective is None or entry.effective == effective)
            and (app_id is None or named_app(entry.parameters) == app_id)
            and (environment is None or environment in named_environments(entry.parameters))
        ]

    def newest(self, most: int, after: int = 0) -> list[Entry]:
        """Return the last entries beyond `after`, oldest first, without going through all the others."""
        found = itertools.takewhile(lambda entry: entry.seq > after, reversed(self._entries))
        return [*itertools.islice(found, most)][::-1]

    def clear(self) -> None:
        self._entries.clear()
        self._sizes.clear()
        self._bytes = 0
        self.dropped = 0
        self.run = uuid.uuid4().hex
