"""The trigger that waits until the limit of living environments has room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_amplifybackend.core.encodable import MAX_MESSAGE, encodable, shortened
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.guard.lease_queue import Place, Ticket, Turn, place_of, settling
from airflow_provider_amplifybackend.triggers._tag_reader import TagReader, tag_reader

VERSION = 1
TIMEOUT = "timeout"


class LeaseTurnTrigger(BaseTrigger):
    """
    Wait until a ticket may go on, and report how the wait ended in an event. It changes nothing.

    The trigger never raises, and what cannot be read is read again until the deadline.

    :param app_id: The app whose tags have the tickets.
    :param backend_environment_name: The environment of one's own ticket.
    :param group: The digest of the group whose tickets count.
    :param since: The time of the ticket, in ISO 8601.
    :param limit: How many may go on at once.
    :param waits: Whether to wait for room, or only until it is known whether there is any.
    :param lag: For how many seconds a tag may be read as it was.
    :param interval: Seconds between two reads of the tags.
    :param started: When the wait began, in seconds since the epoch.
    :param deadline: When to give up, in seconds since the epoch.
    :param aws_conn_id: The Airflow connection for AWS credentials.
    :param region_name: AWS region. Default: the connection's.
    :param verify: Whether to verify TLS certificates, or the path of a CA bundle.
    :param botocore_config: Keyword arguments of botocore's ``Config``.
    :param connection_found: Whether the task has found the connection, and so uses its identity.
    :param try_number: The try that waits, where Airflow may give its event to a later try, too.
    """

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        group: str,
        since: str,
        limit: int,
        waits: bool,
        lag: float,
        interval: float,
        started: float,
        deadline: float,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        connection_found: bool | None = None,
        try_number: int | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.group = group
        self.since = since
        self.limit = limit
        self.waits = waits
        self.lag = lag
        self.interval = interval
        self.started = started
        self.deadline = deadline
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.connection_found = connection_found
        self.try_number = try_number

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the form from which Airflow rebuilds this trigger elsewhere."""
        arguments = {
            name: getattr(self, name)
            for name in (
                "app_id",
                "backend_environment_name",
                "group",
                "since",
                "limit",
                "waits",
                "lag",
                "interval",
                "started",
                "deadline",
                "aws_conn_id",
                "region_name",
                "verify",
                "botocore_config",
                "connection_found",
            )
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments | self._try()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield the one event that ends the wait."""
        begun = time.monotonic()
        event = await self._wait()
        await asyncio.sleep(max(0.0, current().earliest_event - (time.monotonic() - begun)))
        carried = {
            "since": self.since,
            "started": self.started,
            "deadline": self.deadline,
            "connection_found": self.connection_found,
        }
        yield TriggerEvent(encodable({"version": VERSION, **event, **carried, **self._try()}))  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        ahead: tuple[str, ...] = ()
        last_error: str | None = None
        reader = tag_reader(
            self.app_id,
            connection_found=self.connection_found,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )
        while True:
            delay = self.interval
            try:
                place = await self._look(reader)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next read may succeed
                if str(error) != last_error:
                    self.log.warning("Retrying: %s: %s", type(error).__name__, error)
                last_error = str(error)
            else:
                last_error, delay = None, place.next_look(self.interval)
                if place.ahead != ahead:
                    self.log.info("Ahead of %s: %s", self.backend_environment_name, ", ".join(place.ahead) or "nobody")
                ahead = place.ahead
                turn = place.turn(self.limit, waits=self.waits)
                if turn is not Turn.WAIT:
                    return {"kind": str(turn), "ahead": list(ahead)}
            left = self.deadline - time.time()
            if left <= 0:
                error_text = shortened(last_error, MAX_MESSAGE) if last_error else None
                return {"kind": TIMEOUT, "ahead": list(ahead), "last_error": error_text}
            await asyncio.sleep(min(delay, left))

    async def _look(self, reader: TagReader) -> Place:
        """Return the place of the ticket."""
        ticket = Ticket(self.backend_environment_name, self.group, datetime.fromisoformat(self.since).astimezone(UTC))
        # A read from before the older tickets could be seen says nothing new.
        tags = await reader.read(after=ticket.since + settling(self.lag), within=self.interval / 2)
        return place_of(ticket, tags, self.lag)

    def _try(self) -> dict[str, Any]:
        return {"try_number": self.try_number} if self.try_number else {}
