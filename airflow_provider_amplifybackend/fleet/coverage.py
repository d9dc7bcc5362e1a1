"""The places that readings of a fleet have covered: a newer one replaces what older ones say of the same places.

An environment that a newer reading would have found, and has not, is gone. What it has not looked at, or could not
read, is left as an older reading has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_amplifybackend.fleet.reading import ALL_APPS

Row = Mapping[str, Any]
# A connection and a region.
Place = tuple[str, str]
_NAMES = ("kind", "connection", "region", "app_id", "environment")


@dataclass(frozen=True)
class Wish:
    """The places that a reading was to look at."""

    # None: all.
    app_ids: frozenset[str] | None
    # Connections and regions; the region is empty where it is the connection's own.
    places: frozenset[Place]


@dataclass(frozen=True)
class Listed:
    """The part of a place that was listed."""

    # Whether the list of its apps is known to be whole, and those whose environments could not be listed.
    is_whole: bool
    unread_apps: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reading:
    """The rows of one reading, and what they cover."""

    rows: Sequence[dict[str, Any]]
    listed: Mapping[Place, Listed]
    taken_at: datetime | None = None
    # Rows that were read and are not here.
    more: int = 0
    # Whether every place of which it found anything is listed.
    lists_all_places: bool = True
    # None: nobody knows what it was to look at.
    wish: Wish | None = None

    @property
    def connections(self) -> set[str]:
        """Return the connections of which anything is known."""
        return {connection for connection, _ in self.listed}


def listed_in(rows: Iterable[Row]) -> dict[Place, Listed]:
    """Return what was listed of each place that all rows of a reading name."""
    of_place: dict[Place, list[Row]] = {}
    for row in rows:
        of_place.setdefault(place_of(row), []).append(row)
    return {place: _listed(found) for place, found in of_place.items()}


def _listed(rows: Sequence[Row]) -> Listed:
    unread = frozenset(row["app_id"] for row in rows if row["kind"] == "app")
    return Listed(all(_has_apps(row, rows) for row in rows if row["kind"] == "region"), unread)


def _has_apps(region: Row, rows: Sequence[Row]) -> bool:
    """Tell whether a region has been listed that could not be read in full: it may lack no more than its stacks."""
    gaps = region["unreadable"] or []
    return bool(gaps) and len(rows) > 1 and not any(gap.startswith(ALL_APPS) for gap in gaps)


def place_of(row: Row) -> Place:
    """Return the connection and the region of a row."""
    return row["connection"] or "", row["region"] or ""


def merged(readings: Iterable[Reading]) -> list[tuple[Reading, list[dict[str, Any]]]]:
    """Return the readings that still count, the newest first, each with the rows that no newer one replaces."""
    counting: list[tuple[Reading, list[dict[str, Any]]]] = []
    seen: set[tuple[str, ...]] = set()
    newer: list[Reading] = []
    for reading in readings:
        rows = [row for row in reading.rows if _key(row) not in seen and not _is_replaced(row, reading, newer)]
        seen.update(map(_key, rows))
        if rows or not newer:
            counting.append((reading, rows))
        newer.append(reading)
    return counting


def _key(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name] or "") for name in _NAMES)


def _is_replaced(row: Row, reading: Reading, newer: Iterable[Reading]) -> bool:
    return any(_has_looked(other, row, reading) for other in newer)


def _has_looked(newer: Reading, row: Row, older: Reading) -> bool:
    """Tell whether a newer reading would have the row, if what it says were still so."""
    place, app_id = place_of(row), row["app_id"] or ""
    listed = newer.listed.get(place)
    if app_id and app_id in _apps_read(newer, place):
        return True
    wish = newer.wish
    if wish is None or not _is_wished(wish, row):
        return False
    if listed is not None:
        return listed.is_whole and app_id not in listed.unread_apps
    return newer.lists_all_places and (place in wish.places or _has_lost_its_region(newer, wish, place, older))


def _apps_read(reading: Reading, place: Place) -> set[str]:
    """Return the apps of which the reading has all environments, whatever else it was to look at."""
    listed = reading.listed.get(place)
    apps = {row["app_id"] for row in reading.rows if row["kind"] == "environment" and place_of(row) == place}
    return apps - (listed.unread_apps if listed else set())


def _is_wished(wish: Wish, row: Row) -> bool:
    return row["kind"] == "region" or wish.app_ids is None or row["app_id"] in wish.app_ids


def _has_lost_its_region(newer: Reading, wish: Wish, place: Place, older: Reading) -> bool:
    """Tell whether both have read a connection's own region, of which the newer one has found nothing.

    Which region that is, rows alone say.
    """
    connection, _ = place
    own = (connection, "")
    both = own in wish.places and older.wish is not None and own in older.wish.places
    return both and connection not in newer.connections
