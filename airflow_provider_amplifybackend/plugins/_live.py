"""Reading AWS for the page, within the time that somebody waits for a page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.core.turns import Turns
from airflow_provider_amplifybackend.hooks._fleet import FleetReader, PacedHook, new_wishes
from airflow_provider_amplifybackend.hooks._neighbours import CONFIG

REQUESTS_PER_SECOND = 20.0
_WISHES = (timedelta(hours=2), timedelta(days=90))


class TimeIsUpError(Exception):
    """No further request may leave."""


class TurnsUntil(Turns):
    """Turns that end at a time, so that nothing is repeated either: what is under way then is the last.

    :param end: Until when requests may leave, by the monotonic clock.
    """

    def __init__(self, requests_per_second: float, end: float) -> None:
        super().__init__(requests_per_second)
        self._end = end

    def before_request(self) -> None:
        """Wait until the next request may leave; after the end none may."""
        super().before_request()
        if self.is_over:
            raise TimeIsUpError

    @property
    def is_over(self) -> bool:
        """Tell whether the time is up."""
        return current().monotonic() > self._end


class LiveHook(PacedHook):
    """A hook of the page, which has no operator whose parameters could be changed."""

    def _not_found(self) -> str:
        if self.connection_found:
            return super()._not_found()
        return (
            f"The AWS connection {self.aws_conn_id!r} does not exist. Create it, or have [amplifybackend] "
            "live_page_connection name another one."
        )


def live_rows(connection: str, turns: TurnsUntil) -> tuple[datetime, Iterator[dict[str, Any]]]:
    """Return the time of a reading, and the rows that are read before the time is up."""
    wishes = new_wishes(None, *_WISHES)
    return wishes.now, _in_time(FleetReader(live_hook(connection, turns), connection, "", wishes), turns)


def live_hook(connection: str, turns: TurnsUntil) -> LiveHook:
    """Return a hook whose time-outs are short beside the time that the page has, whatever its connection says."""
    hook = LiveHook(aws_conn_id=connection)
    hook.turns, hook.limits = turns, CONFIG
    return hook


def _in_time(reader: FleetReader, turns: TurnsUntil) -> Iterator[dict[str, Any]]:
    for row in reader.rows():
        # What was still being read is no fact about the environment.
        if turns.is_over:
            return
        yield row
