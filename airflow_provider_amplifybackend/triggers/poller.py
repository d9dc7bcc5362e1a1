"""One client and one poll schedule for all tasks of a triggerer process that wait on the same connection.

A thousand waiting tasks share one aiobotocore client and one connection pool; tasks that wait for the same job
share its looks; and when the service throttles, all of them slow down together.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from aiolimiter import AsyncLimiter
from botocore import xform_name

from airflow_provider_amplifybackend import metrics, polling
from airflow_provider_amplifybackend._compat import AirflowException, conf
from airflow_provider_amplifybackend.encodable import encodable_answer
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.hooks.async_client import create_client
from airflow_provider_amplifybackend.hooks.botocore_errors import cause, check_answer, service_error
from airflow_provider_amplifybackend.jobs import Job, JobRef
from airflow_provider_amplifybackend.polling import FaultKind, Seen, ServiceError, Target
from airflow_provider_amplifybackend.schedule import FIRST_DELAY, Durations, PollSchedule

T = TypeVar("T")

MAX_SLOWDOWN = 16.0
RECOVERY = 0.9

RATE_OPTION = ("amplifybackend", "max_requests_per_second")
DEFAULT_REQUESTS_PER_SECOND = 50.0
LEAST_REQUESTS_PER_SECOND = 0.1
REMEMBERED_DURATIONS = 20
MAX_AGE = 3600.0

# By event loop: a client belongs to the loop that made it.
_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Poller]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_poller(**hook_parameters: Any) -> AsyncIterator[Poller]:
    """Share the poller of a connection; it is made with the first waiter and closed when the last one leaves."""
    key = json.dumps(hook_parameters, sort_keys=True, default=str)
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    poller = pollers.get(key)
    if poller is None:
        poller = pollers[key] = Poller(hook_parameters)
    poller.users += 1
    try:
        yield poller
    finally:
        poller.users -= 1
        if not poller.users:
            pollers.pop(key, None)
            await poller.close()


class Poller:
    """The client of a connection, and the looks that are under way with it."""

    def __init__(self, hook_parameters: Mapping[str, Any]) -> None:
        self.users = 0
        self.slowdown = 1.0
        self._hook_parameters = hook_parameters
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._creating = asyncio.Lock()
        self._watches: dict[Target, Watch] = {}
        rate = max(LEAST_REQUESTS_PER_SECOND, conf.getfloat(*RATE_OPTION, fallback=DEFAULT_REQUESTS_PER_SECOND))
        # A fifth of a second at once: without any burst, a loop that is late for a moment loses that time's requests.
        self._limiter = AsyncLimiter(max(1.0, rate / 5), max(0.2, 1 / rate))
        self._durations: dict[tuple[str, str | None], deque[float]] = {}
        self._service_date: str | None = None

    async def close(self) -> None:
        """Close the client."""
        async with self._creating:
            self._client = None
            stack, self._stack = self._stack, AsyncExitStack()
            await stack.aclose()

    @asynccontextmanager
    async def watch(
        self, target: Target, *, waiter_delay: float, deadline: float, durations: Sequence[float] = ()
    ) -> AsyncIterator[Watch]:
        """Share the looks at what is waited for with everybody who waits for it."""
        watch = self._watches.get(target)
        if watch is None:
            watch = self._watches[target] = Watch(self, target, durations)
        me = object()
        watch.join(me, waiter_delay, deadline)
        metrics.gauge("waiting", self.users)
        try:
            yield watch
        finally:
            watch.leave(me)
            metrics.gauge("waiting", self.users - 1)
            if not watch.is_used:
                self._watches.pop(target, None)
                await watch.stop()

    async def run(self, look: Generator[polling.Call, Mapping[str, Any], T]) -> T:
        """Drive a generator of calls with the asynchronous client and return its result."""
        try:
            call = next(look)
            while True:
                try:
                    response = await self._attempt(call)
                except ServiceError as error:
                    call = look.throw(error)
                else:
                    call = look.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _attempt(self, call: polling.Call) -> Mapping[str, Any]:
        client = None
        try:
            client = await self._connected()
            await self._limiter.acquire()
            metrics.count("polls")
            response = await getattr(client, xform_name(call.operation))(**call.request)
        except BackendParameterError as error:
            raise service_error(call.operation, error) from error
        except AirflowException as error:
            raise ServiceError(FaultKind.SETUP, call.operation, type(error).__name__, str(error)) from error
        except Exception as error:  # noqa: BLE001
            failure = service_error(call.operation, error)
            await self._after(failure, client)
            raise failure from cause(error)
        answer = encodable_answer(response, client.meta.service_model.operation_model(call.operation).output_shape)
        check_answer(call.operation, answer)
        self._service_date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        self.slowdown = max(1.0, self.slowdown * RECOVERY)
        return answer

    async def _connected(self) -> Any:
        async with self._creating:
            if self._client is None:
                self._client = await create_client(self._stack, **self._hook_parameters)
            return self._client

    async def _after(self, failure: ServiceError, client: Any) -> None:
        if failure.kind is FaultKind.THROTTLED:
            metrics.count("throttled")
            self.slowdown = min(MAX_SLOWDOWN, self.slowdown * 2)
        elif failure.kind is FaultKind.EXPIRED and client is self._client:
            # Once, however many requests of the expired client fail.
            await self.close()

    def expected(self, target: Target, durations: Sequence[float]) -> Durations | None:
        """Return when it is worth looking: from what the task knows of earlier jobs, and from those that ended here."""
        known = self._durations.get(_kind(target), ()) if isinstance(target, JobRef) else ()
        return Durations.of((*durations, *known))

    def ended(self, target: Target, seen: Seen) -> None:
        """Learn from a wait that came to its end."""
        if not isinstance(seen, Job) or not isinstance(target, JobRef):
            return
        if seen.seconds is not None:
            remembered = self._durations.setdefault(_kind(target), deque(maxlen=REMEMBERED_DURATIONS))
            remembered.append(seen.seconds)
        if seen.update_time_ms is not None and self._service_date:
            # By the service's own clock, which counts whole seconds here.
            with suppress(TypeError, ValueError):
                answered = parsedate_to_datetime(self._service_date).timestamp()
                metrics.timing("detection_delay", max(0.0, answered - seen.update_time_ms / 1000))


def _kind(ref: JobRef) -> tuple[str, str | None]:
    return ref.app_id, ref.operation


class Watch:
    """The looks at one target, on one schedule, however many tasks wait for it."""

    def __init__(self, poller: Poller, target: Target, durations: Sequence[float]) -> None:
        self._poller = poller
        self._target = target
        self._durations = durations
        self._begun = time.time()
        self._due = self._begun
        self._waiters: dict[object, tuple[float, float]] = {}
        self._next: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        self._looked_at = 0.0
        self._joined = asyncio.Event()
        self._task = asyncio.create_task(self._look_on(), name=f"amplifybackend look at {target}")

    @property
    def is_used(self) -> bool:
        """Whether anybody still waits."""
        return bool(self._waiters)

    def join(self, me: object, waiter_delay: float, deadline: float) -> None:
        """Begin to wait. Who comes after its deadline gets a look at once."""
        self._waiters[me] = (waiter_delay, max(deadline, time.time()))
        self._joined.set()

    def leave(self, me: object) -> None:
        """Stop waiting."""
        self._waiters.pop(me, None)

    async def stop(self) -> None:
        """End the looks."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def look(self) -> Seen:
        """Return what the next look shows.

        :raises ServiceError: The look failed.
        """
        return await asyncio.shield(self._next)

    async def _look_on(self) -> None:
        schedule = PollSchedule(FIRST_DELAY, self._poller.expected(self._target, self._durations))
        while True:
            await self._until_next_look(schedule)
            self._looked_at = time.time()
            try:
                seen = await self._poller.run(polling.look(self._target))
            except Exception as error:  # noqa: BLE001  # whatever it is, the waiters must hear of it
                answered = self._begin_next()
                answered.set_exception(error)
                answered.exception()  # nobody may be listening any more, and asyncio would complain
            else:
                self._begin_next().set_result(seen)
                self._note(seen)

    async def _until_next_look(self, schedule: PollSchedule) -> None:
        """Sleep until the schedule or the earliest deadline says so; who joins may have an earlier one."""
        schedule.waiter_delay = min(delay for delay, _ in self._waiters.values())
        now = time.time()
        due = self._due = now + schedule.next_delay(now - self._begun) * self._poller.slowdown
        while True:
            self._joined.clear()
            deadlines = [deadline for _, deadline in self._waiters.values() if deadline > self._looked_at]
            left = min([due, *deadlines]) - time.time()
            if left <= 0:
                return
            # Not `wait_for`, which makes a task of each wait on Python 3.11.
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._joined.wait()
                continue
            return

    @property
    def seconds_to_next_look(self) -> float:
        """Return the seconds until the schedule's next look."""
        return max(0.0, self._due - time.time())

    def _note(self, seen: Seen) -> None:
        if isinstance(seen, Job) and seen.create_time_ms is not None:
            # The job may be older than the wait. Clocks that differ cost looks, not correctness.
            self._begun = min(self._begun, max(seen.create_time_ms / 1000, self._begun - MAX_AGE))
        if seen.is_finished:
            self._poller.ended(self._target, seen)

    def _begin_next(self) -> asyncio.Future[Seen]:
        """Return what the waiters of this look wait for; who asks from now on waits for the next one."""
        answered, self._next = self._next, asyncio.get_running_loop().create_future()
        return answered
