"""The base of the triggers: the wait, and the event at its end."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_amplifybackend._errors import wait_error
from airflow_provider_amplifybackend.core.job import STILL_RUNNING, JobRef
from airflow_provider_amplifybackend.core.requests import ServiceError
from airflow_provider_amplifybackend.core.status_check import Awaited
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.core.waiting import Note, Wait
from airflow_provider_amplifybackend.triggers import _events as events

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.triggers._watch import Waiter


class WaitTrigger(BaseTrigger):
    """
    Wait for a job or an environment, and report the end of the wait in an event.

    All triggers of a process that use the same connection share one client, and those that wait for the same job or
    environment share its status checks. The trigger never raises: whatever happens is an event that says why.

    :param deadline: When to give up, in seconds since the epoch. It is absolute, so that a trigger that was
        restarted or moved to another triggerer keeps it.
    :param started: When the wait began, in seconds since the epoch. Default: now.
    :param waiter_delay: Maximum seconds between status checks; the first ones come sooner.
    :param outcome: The way in which the task came to its job. The event carries it back, with ``started``,
        ``deadline`` and ``connection_found``: ``dag.test()`` keeps nothing else of a deferral.
    :param start: What is known of the start, where Airflow has no store for it. The event carries it back, too.
    :param aws_conn_id: The Airflow connection for AWS credentials.
    :param region_name: AWS region. Default: the connection's.
    :param verify: Whether to verify TLS certificates, or the path of a CA bundle.
    :param botocore_config: Keyword arguments of botocore's ``Config``.
    :param connection_found: Whether the task has found the connection, and so uses its identity. Default: not known.
    :param try_number: The try that waits, where Airflow may give its event to a later try, too.
    :param silent_fail: As that of a sensor: log what would fail, and keep waiting.
    """

    awaited: Awaited
    durations: Sequence[float] = ()

    def __init__(
        self,
        *,
        deadline: float,
        started: float | None = None,
        waiter_delay: float = 30,
        outcome: str | None = None,
        start: dict[str, Any] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        connection_found: bool | None = None,
        try_number: int | None = None,
        silent_fail: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.deadline = deadline
        self.started = time.time() if started is None else started
        self.waiter_delay = waiter_delay
        self.outcome = outcome
        self.start = start
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.connection_found = connection_found
        self.try_number = try_number
        self.silent_fail = silent_fail

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the form from which Airflow rebuilds this trigger elsewhere."""
        common = {
            "deadline": self.deadline,
            "started": self.started,
            "waiter_delay": self.waiter_delay,
            "outcome": self.outcome,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
            "connection_found": self.connection_found,
            "silent_fail": self.silent_fail,
        }
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, self.awaited_arguments() | common | self._carried_at_times()

    def awaited_arguments(self) -> dict[str, Any]:
        """Return the arguments that identify what is waited for."""
        raise NotImplementedError  # each trigger has its own

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield the one event that ends the wait."""
        begun = time.monotonic()
        try:
            event = await self._wait()
        except ServiceError as error:
            event = events.error(str(wait_error(self.awaited, error)))
        except Exception as error:  # noqa: BLE001
            # Without its text, which can be about what the service has answered.
            where = "".join(traceback.format_tb(error.__traceback__))
            self.log.error("Wait failed with %s: %s\n%s", type(error).__name__, self.awaited, where)
            event = events.error(f"Wait failed with {type(error).__name__} (see the triggerer's log): {self.awaited}")
        await asyncio.sleep(max(0.0, current().earliest_event - (time.monotonic() - begun)))
        yield TriggerEvent(event | self.carried())  # type: ignore[no-untyped-call]

    def carried(self) -> dict[str, Any]:
        """Return the facts that the event carries back to the task."""
        carried: dict[str, Any] = {
            "started": self.started,
            "deadline": self.deadline,
            "outcome": self.outcome,
            "connection_found": self.connection_found,
        }
        return carried | self._carried_at_times()

    def _carried_at_times(self) -> dict[str, Any]:
        # Left out where there is nothing to carry, so that a triggerer of an older version can read it.
        values = {"start": self.start, "try_number": self.try_number}
        return {name: value for name, value in values.items() if value}

    async def _wait(self) -> dict[str, Any]:
        poller = await _loaded_poller()
        # The worker has just used the connection.
        wait = Wait(
            self.awaited,
            deadline=self.deadline,
            started=self.started,
            connection_works=True,
            silent_fail=self.silent_fail,
        )
        async with poller.shared_poller(**self._hook_parameters) as shared:
            with shared.watch(
                self.awaited,
                waiter_delay=self.waiter_delay,
                deadline=self.deadline,
                durations=self.durations,
                started=self.started,
            ) as waiter:
                given_up = _given_up(wait)
                while True:
                    try:
                        seen = await waiter.news(_next_report(wait, given_up))
                    except ServiceError as error:
                        note = wait.missed(error, time.time())
                    else:
                        if seen is None:
                            if given_up <= time.monotonic():
                                return events.timed_out(wait, time.time())
                            self._write(wait.due_report(time.time(), waiter.watch.usual), waiter)
                            continue
                        note = wait.saw(seen)
                        if wait.is_ended_by(seen):
                            self._write(note)
                            return events.finished(self.awaited, seen)
                    self._write(note, waiter)
                    if wait.is_over(time.time()):
                        return events.timed_out(wait, time.time())
                    given_up = _given_up(wait)

    def _write(self, note: Note | None, waiter: Waiter | None = None) -> None:
        if note:
            self.log.log(note.level, note.text(waiter.watch.seconds_to_next_check if waiter else None))

    async def on_kill(self) -> None:
        """Log what is still running (Airflow 3.3 and later). Airflow also calls this when it merely moves triggers."""
        self.log.info("No longer waiting here: %s. %s", self.awaited, what_remains(self.awaited))

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": self.botocore_config,
            "connection_found": self.connection_found,
        }


def _given_up(wait: Wait) -> float:
    """Return when to go without a status check at the deadline, by the monotonic clock."""
    return time.monotonic() + wait.until_deadline(time.time()) + current().last_check


def _next_report(wait: Wait, given_up: float) -> float:
    """Return when to stop listening: to log that the task still waits, or to give up. In seconds since the epoch."""
    now = time.time()
    return now + max(0.0, min(given_up - time.monotonic(), wait.until_report(now)))


_poller: Any = None
_loading: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


async def _loaded_poller() -> Any:
    """Return the module of pollers."""
    global _poller
    if _poller is None:
        # One for all: a triggerer can begin with a thousand waits.
        async with _loading.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if _poller is None:
                # Not an import statement: boto and the amazon provider take most of a second of the event loop.
                _poller = await asyncio.to_thread(import_module, f"{__package__}._poller")
    return _poller


def what_remains(awaited: Awaited) -> str:
    """Return a sentence on what is still running without the trigger: the service cannot cancel a job."""
    if not isinstance(awaited, JobRef):
        return "Nothing was started by this wait."
    return f"{STILL_RUNNING} Check it with: {awaited.check_command}"
