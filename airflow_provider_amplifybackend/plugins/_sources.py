"""The sources of the rows of the page: a file, the XComs of inventories, or AWS itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from airflow_provider_amplifybackend._compat import conf
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.fleet.attention import urgency
from airflow_provider_amplifybackend.fleet.coverage import Reading, merged
from airflow_provider_amplifybackend.fleet.stored import (
    MOST_FILE_BYTES,
    from_compact,
    from_json_lines,
    is_too_large,
    known_row,
    time_of,
    with_wish,
)
from airflow_provider_amplifybackend.plugins import _database

log = logging.getLogger(__name__)

SECTION = "amplifybackend"
MOST_ROWS = 2000
# A page that is asked for again and again asks AWS once in this time, and no longer than that at once.
LIVE_FOR = 60.0
LIVE_SECONDS = 25.0
HOW_TO_GET_ONE = (
    "There is no inventory to show. Run a BackendInventoryOperator in a DAG that you may read; or set [amplifybackend] "
    "inventory to the folder that it writes to, or [amplifybackend] live_page = True."
)
BAD_SETTING = (
    "A setting of this page cannot be read: [amplifybackend] live_page (True or False), live_page_connection or "
    "inventory. The log of the API server says which."
)
BEING_READ = "AWS is being read for the first time since the API server was started: load this page again in a moment."


T = TypeVar("T")


class BadSettingError(Exception):
    """A setting has a value that is none."""


@dataclass
class Fleet:
    """The rows of a page, and where they come from."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    source: str = ""
    taken_at: datetime | None = None
    # Further rows that are not here.
    more: int = 0
    problem: str = ""
    # The task that has read them, if one has; how many others have read some, and when the first of all that was.
    task: _database.TaskKey | None = None
    other_tasks: int = 0
    oldest: datetime | None = None


def find_fleet(readable: _database.Readable) -> Fleet:
    """Return the fleet, from where the deployment wants it.

    :param readable: What the user may read in Airflow.
    """
    try:
        return _limited(_configured_fleet(readable))
    except BadSettingError:
        return Fleet(problem=BAD_SETTING)


def _configured_fleet(readable: _database.Readable) -> Fleet:
    if _setting(conf.getboolean, "live_page", False):
        return live_fleet()
    path = _setting(conf.get, "inventory", "")
    return fleet_in_file(path) if path else fleet_in_xcoms(readable)


def _setting(read: Callable[..., T], name: str, default: T) -> T:
    try:
        return read(SECTION, name, fallback=default)
    except Exception as error:  # the class of Airflow's error differs between its versions
        # Its text can have a value that is not for everyone who may read a DAG.
        log.warning("The setting [%s] %s cannot be read: %s", SECTION, name, error)
        raise BadSettingError from error


def _limited(fleet: Fleet) -> Fleet:
    rows = sorted(fleet.rows, key=urgency)
    fleet.rows, fleet.more = rows[:MOST_ROWS], fleet.more + len(rows[MOST_ROWS:])
    return fleet


# ------------------------------------------------------------------------------------------------------------- a file


def fleet_in_file(path: str) -> Fleet:
    """Return the fleet of a folder that ``BackendInventoryOperator`` writes to, or of its file of JSON lines."""
    from airflow_provider_amplifybackend.hooks._fleet_files import FILES
    from airflow_provider_amplifybackend.hooks._records import StorageError, StoredFile

    file = StoredFile.at(path) if path.endswith(".jsonl") else StoredFile(path, FILES["json_lines"])
    found = Fleet(source="the inventory that [amplifybackend] inventory names")
    try:
        content = file.read_bytes(most=MOST_FILE_BYTES)
        modified_at = file.modified_at()
    except StorageError as error:
        # Its text may have an address or a name that is not for everyone who may read a DAG.
        log.warning("The inventory %s cannot be read: %s", file, error)
        found.problem = "The inventory cannot be read; the log of the API server says why."
        return found
    if content is None:
        found.problem = "There is no inventory yet where [amplifybackend] inventory says: run the task that writes it."
        return found
    found.rows, bad = from_json_lines(content)
    # A file that was copied says when it was copied; the rows of earlier versions of this package say nothing.
    found.taken_at = max(filter(None, (time_of(row["read_at"]) for row in found.rows)), default=modified_at)
    if is_too_large(content):
        found.problem = "The inventory is too large for this page: only its beginning is shown. "
    if bad:
        found.problem += f"{bad} lines of the inventory cannot be read, and are left out."
    return found


# ------------------------------------------------------------------------------------------------------------ an XCom


def fleet_in_xcoms(readable: _database.Readable) -> Fleet:
    """Return what the tasks that have read an inventory know, of the DAGs that the user may read."""
    left: dict[tuple[str, str, int], tuple[_database.TaskKey, Reading]] = {}
    for key, value, rendered in _database.inventories(readable):
        reading = from_compact(value)
        if reading is not None:
            left.setdefault(key.task, (key, with_wish(reading, rendered)))
    if not left:
        return Fleet(problem=HOW_TO_GET_ONE)
    newest, _ = next(iter(left.values()))
    counting = merged(reading for _, reading in left.values())
    times = [reading.taken_at for reading, _ in counting]
    return Fleet(
        rows=[row for _, rows in counting for row in rows],
        source="a task",
        taken_at=times[0],
        more=sum(reading.more for reading, _ in counting),
        task=newest,
        other_tasks=len(counting) - 1,
        oldest=min(filter(None, times), default=None),
    )


# --------------------------------------------------------------------------------------------------------------- live


class Remembered:
    """The last answer of something that takes long, for a while. While it is renewed, others get the one before it.

    Nobody waits for what somebody else has asked: who waits has a thread of the API server, and there are few.
    """

    def __init__(self, ask: Callable[[], Fleet]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answer: Fleet | None = None
        self._until = 0.0

    def __call__(self) -> Fleet:
        """Return the answer."""
        if not self._lock.acquire(blocking=False):
            return self._answer or Fleet(problem=BEING_READ)
        try:
            # Looked at under the lock: whoever had it before may have just renewed the answer.
            if self._answer is None or current().monotonic() >= self._until:
                self._answer = self._ask()
                self._until = current().monotonic() + LIVE_FOR
            return self._answer
        finally:
            self._lock.release()


def _read_live() -> Fleet:
    from airflow_provider_amplifybackend.plugins._live import REQUESTS_PER_SECOND, TurnsUntil, live_rows

    connection = _setting(conf.get, "live_page_connection", "aws_default")
    turns = TurnsUntil(REQUESTS_PER_SECOND, current().monotonic() + LIVE_SECONDS)
    try:
        taken_at, rows = live_rows(connection, turns)
    except BackendParameterError as error:
        return Fleet(problem=f"[amplifybackend] live_page_connection: {error}.")
    found = Fleet(source=f"AWS, through the connection {connection}", taken_at=taken_at)
    found.rows = list(filter(None, map(known_row, islice(rows, MOST_ROWS))))
    if turns.is_over:
        found.problem = (
            f"Not all could be read within {LIVE_SECONDS:.0f} s: let a BackendInventoryOperator read a fleet of this "
            "size, or one that answers this slowly."
        )
    return found


live_fleet = Remembered(_read_live)
