"""Reading a whole fleet: many requests of one task, evenly paced, and no failure that hides what else there is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from botocore.exceptions import ClientError

from airflow_provider_amplifybackend._compat import AirflowException
from airflow_provider_amplifybackend.core.requests import drive
from airflow_provider_amplifybackend.core.secrets import redact_words
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.core.turns import Turns
from airflow_provider_amplifybackend.fleet import attention
from airflow_provider_amplifybackend.fleet.reading import (
    App,
    Region,
    read_environment,
    read_environments,
    read_region,
)
from airflow_provider_amplifybackend.fleet.rows import Place, environment_row, error_row
from airflow_provider_amplifybackend.guard.conditions import utc_now
from airflow_provider_amplifybackend.guard.inventory import Inventory
from airflow_provider_amplifybackend.guard.protected import SettingError
from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError
from airflow_provider_amplifybackend.hooks._botocore_errors import THROTTLING_CODES, service_error
from airflow_provider_amplifybackend.hooks._client_log import hide_bodies, watch
from airflow_provider_amplifybackend.hooks._neighbours import Neighbours
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

T = TypeVar("T")
Row = dict[str, Any]

log = logging.getLogger(__name__)

TRIES = 4
BETWEEN_TRIES = 2.0
APPS_BETWEEN_REPORTS = 25


class PacedHook(AmplifyBackendHook):
    """A hook whose requests keep to a pace, with those of its neighbours' clients and what botocore repeats."""

    turns: Turns

    def get_session(self, *args: Any, **kwargs: Any) -> Any:
        """Return a session whose clients wait for their turn just before the socket."""
        session = super().get_session(*args, **kwargs)
        session.events.register_first("before-send", self._take_turn)
        return session

    def _watch(self, client: Any) -> None:
        """Log the calls of a client, and of its answers nothing.

        Airflow's masker gets slower with each secret that it knows, and a fleet has hundreds of API keys. So they are
        not masked in the lines of botocore but left out of them, and no row has one.
        """
        watch(client, masks=False)
        hide_bodies(client)

    def _take_turn(self, **_: Any) -> None:
        self.turns.before_request()


def paced_hook(turns: Turns, **parameters: Any) -> PacedHook:
    """Return a hook that takes its turns among others.

    :param parameters: Those of :class:`AmplifyBackendHook`.
    """
    hook = PacedHook(**parameters)
    hook.turns = turns
    return hook


@dataclass(frozen=True)
class Wishes:
    """The wishes of the user for an inventory."""

    app_ids: list[str] | None
    stuck_after: timedelta
    stale_after: timedelta
    now: datetime


class FleetReader:
    """The reads of one connection in one region."""

    def __init__(self, hook: PacedHook, connection: str, region: str, wishes: Wishes) -> None:
        self._hook = hook
        self._wishes = wishes
        self._neighbours = Neighbours(cast("Any", hook))  # as the guard does
        self._place = Place(connection, region, wishes.now, wishes.stuck_after)

    def rows(self) -> Iterator[Row]:
        """Yield a row for each environment, and for each app that could not be read, or one for the region."""
        try:
            region = self._begin()
        except Exception as error:  # noqa: BLE001  # a row, so that the other regions are read
            yield self._judged(error_row(self._place, [reason(error)]))
            return
        if region.found.gaps:
            yield self._judged(error_row(self._place, _notes(region.found)))
        for number, app in enumerate(region.apps, 1):
            yield from self._rows_of_app(app)
            if number % APPS_BETWEEN_REPORTS == 0:
                log.info(
                    "%s: %s of %s apps read with %s requests",
                    self._place.region, number, len(region.apps), self._hook.turns.requests,
                )  # fmt: skip

    def _begin(self) -> Region:
        # It is looked up with the connection, which may not be there.
        self._place = replace(self._place, region=str(self._hook.conn_region_name or self._place.region))
        region = self.read(read_region(self._wishes.app_ids))
        self._place = replace(self._place, stacks=region.stacks)
        try:
            self._place = replace(self._place, entries=tuple(self._hook.guard.protected_entries()))
        except SettingError as error:
            region.found.gap("which names are protected", error)
            self._place = replace(self._place, setting_problem=str(error))
        return region

    def _rows_of_app(self, app: App) -> Iterator[Row]:
        found = Inventory(gaps=list(app.gaps))
        try:
            environments = self.read(read_environments(app, found))
        except Exception as error:  # noqa: BLE001  # as above
            yield self._judged(error_row(self._place, [reason(error)], app))
            return
        if found.gaps:
            yield self._judged(error_row(self._place, _notes(found), app))
        for known in environments:
            try:
                read = self.read(read_environment(app.app_id, known, self._wishes.now))
                row = environment_row(self._place, app, read)
            except Exception as error:  # noqa: BLE001  # as above
                row = error_row(self._place, [reason(error)], app, known.name)
            yield self._judged(row)

    def _judged(self, row: Row) -> Row:
        stale_days = self._wishes.stale_after / timedelta(days=1)
        found = attention.findings(row, self._place.stacks, self._wishes.now, stale_days)
        return row | {"attention": [finding.to_dict() for finding in found]}

    def read(self, asks: Generator[Ask, Mapping[str, Any], T]) -> T:
        """Make the reads that a generator asks for."""
        return drive(asks, self._ask, thrown_in=(UnreadableError,))

    def _ask(self, ask: Ask) -> Mapping[str, Any]:
        """Make a read, slower and once more if there were too many; botocore has repeated it already."""
        for tries in range(1, TRIES + 1):
            try:
                answer = self._neighbours.ask(ask)
            except UnreadableError as error:
                if error.code not in THROTTLING_CODES or tries == TRIES:
                    raise
                self._hook.turns.slow_down()
                log.info(
                    "%s; going on with %.2g requests per second", error, self._hook.turns.requests_per_second
                )  # fmt: skip
                current().sleep(BETWEEN_TRIES * tries)
            else:
                self._hook.turns.answered()
                return answer
        raise AssertionError("the last try returns or raises")


def _notes(found: Inventory) -> list[str]:
    return [f"{gap.what}: {gap.why}" for gap in found.gaps]


def reason(error: Exception) -> str:
    """Return why something could not be read: Airflow's and our own words, of AWS' what was refused, else the type."""
    if isinstance(error, AirflowException | SettingError):
        return redact_words(f"{type(error).__name__}: {error}")
    if isinstance(error, ClientError):  # of the session: the reads themselves end with an UnreadableError
        refused = service_error("", error, None)
        return f"{refused.step} ({refused.code})"
    return type(error).__name__


def read_fleet(
    scopes: Iterable[tuple[str | None, str | None]],
    make_hook: Callable[[str | None, str | None], PacedHook],
    wishes: Wishes,
    turns: Turns,
) -> tuple[list[Row], dict[str, Any]]:
    """Return the rows of all connections and regions, what needs attention first; and when and how they were read.

    :param scopes: The connections and regions; None: boto3's own credentials, or the connection's region.
    :param make_hook: Makes the hook of a connection and a region, which takes these turns.
    """
    rows: list[Row] = []
    began = current().monotonic()
    for connection, region in scopes:
        rows += FleetReader(make_hook(connection, region), connection or "", region or "", wishes).rows()
    facts = {
        "taken_at": wishes.now.isoformat(timespec="seconds"),
        "requests": turns.requests,
        "throttled": turns.throttled,
        "seconds": round(current().monotonic() - began, 1),
    }
    return sorted(rows, key=attention.urgency), facts


def new_wishes(app_ids: list[str] | None, stuck_after: timedelta, stale_after: timedelta) -> Wishes:
    """Return the wishes for an inventory of this moment."""
    return Wishes(app_ids, stuck_after, stale_after, utc_now(current().now()))
