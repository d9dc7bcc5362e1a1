"""One client and one poll schedule for all tasks of a triggerer process that wait on the same connection.

A thousand waiting tasks share one aiobotocore client and one connection pool; tasks that wait for the same job
share its status checks; and when the service throttles, all of them slow down together.
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

from airflow_provider_amplifybackend._compat import conf
from airflow_provider_amplifybackend.core.encodable import encodable_answer
from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.requests import Call, FaultKind, ServiceError
from airflow_provider_amplifybackend.core.schedule import Durations, PollSchedule
from airflow_provider_amplifybackend.core.service_text import without_texts
from airflow_provider_amplifybackend.core.status_check import Awaited, CheckResult, check
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.hooks._async_client import create_client
from airflow_provider_amplifybackend.hooks._botocore_errors import check_answer, client_error, service_error
from airflow_provider_amplifybackend.triggers import _metrics as metrics

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


class SharedClient:
    """A client, which is closed when it is retired and its last request has returned.

    To close it earlier breaks the requests of others, and aiobotocore before 3.10 leaks sessions then.
    """

    def __init__(self, client: Any, stack: AsyncExitStack) -> None:
        self.client = client
        self.created = time.monotonic()
        self._stack = stack
        self._requests = 0
        self._is_retired = False
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def create(cls, **hook_parameters: Any) -> SharedClient:
        """Create a client for a connection."""
        async with AsyncExitStack() as stack:
            client = await create_client(stack, **hook_parameters)
            return cls(client, stack.pop_all())

    def __enter__(self) -> Any:
        self._requests += 1
        return self.client

    def __exit__(self, *_: object) -> None:
        self._requests -= 1
        self._close_if_done()

    def retire(self) -> None:
        """Begin no further request with it."""
        self._is_retired = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._is_retired and not self._requests and self._closing is None:
            # A task of its own: whoever was last may be cancelled.
            self._closing = asyncio.create_task(self._stack.aclose(), name="amplifybackend close client")

    async def closed(self) -> None:
        """Wait until it is closed."""
        if self._closing is not None:
            await asyncio.shield(self._closing)

    @property
    def is_closed(self) -> bool:
        """Tell whether it is closed."""
        return self._closing is not None and self._closing.done()


class Poller:
    """The client of a connection, and the status checks that are under way with it."""

    def __init__(self, hook_parameters: Mapping[str, Any]) -> None:
        self.users = 0
        self.slowdown = 1.0
        self._hook_parameters = hook_parameters
        self._client: SharedClient | None = None
        self._retired: list[SharedClient] = []
        self._creating = asyncio.Lock()
        self._failure: Exception | None = None
        self._failed_at = 0.0
        self._watches: dict[Awaited, Watch] = {}
        rate = max(LEAST_REQUESTS_PER_SECOND, conf.getfloat(*RATE_OPTION, fallback=DEFAULT_REQUESTS_PER_SECOND))
        # A fifth of a second at once: without any burst, a loop that is late for a moment loses that time's requests.
        self._limiter = AsyncLimiter(max(1.0, rate / 5), max(0.2, 1 / rate))
        self._durations: dict[tuple[str, str | None], deque[float]] = {}
        self._service_date: str | None = None

    async def close(self) -> None:
        """Close the client, and those that it has replaced."""
        async with self._creating:
            self._retire()
            await asyncio.gather(*(client.closed() for client in self._retired))

    def _retire(self) -> None:
        """Use the client for no further request."""
        if self._client is not None:
            client, self._client = self._client, None
            client.retire()
            self._retired = [client, *(earlier for earlier in self._retired if not earlier.is_closed)]

    @asynccontextmanager
    async def watch(
        self,
        awaited: Awaited,
        *,
        waiter_delay: float,
        deadline: float,
        durations: Sequence[float] = (),
        started: float | None = None,
    ) -> AsyncIterator[Watch]:
        """Share the status checks of a job or environment with everybody who waits for it.

        :param started: When the wait began, here or in another process. Default: now.
        """
        watch = self._watches.get(awaited)
        if watch is None:
            watch = self._watches[awaited] = Watch(self, awaited, durations, started or time.time())
        me = object()
        watch.join(me, waiter_delay, deadline)
        metrics.gauge("waiting", self.users)
        try:
            yield watch
        finally:
            watch.leave(me)
            metrics.gauge("waiting", self.users - 1)
            if not watch.is_used:
                self._watches.pop(awaited, None)
                await watch.stop()

    async def run(self, look: Generator[Call, Mapping[str, Any], T]) -> T:
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

    async def _attempt(self, call: Call) -> Mapping[str, Any]:
        await self._limiter.acquire()
        shared = await self._connected(call.operation)
        metrics.count("polls")
        try:
            with shared as client:
                response = await getattr(client, xform_name(call.operation))(**call.request)
                shape = client.meta.service_model.operation_model(call.operation).output_shape
        except Exception as error:  # noqa: BLE001
            failure = service_error(call.operation, error, texts=None)
            self._learn(failure, shared)
            # Not even as its cause: nobody here knows the secrets that a text of the service may repeat.
            raise failure from None
        answer = without_texts(encodable_answer(response, shape))
        check_answer(call.operation, answer)
        self._service_date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        self.slowdown = max(1.0, self.slowdown * RECOVERY)
        return answer

    async def _connected(self, operation: str) -> SharedClient:
        """Return the client; it is made when it is first needed, and again after it was retired."""
        async with self._creating:
            if self._client is None:
                if self._failure is not None and time.monotonic() < self._failed_at + current().client_pause:
                    raise client_error(operation, self._failure, texts=None) from None
                try:
                    self._client = await SharedClient.create(**self._hook_parameters)
                except Exception as error:  # noqa: BLE001
                    self._failure, self._failed_at = error, time.monotonic()
                    raise client_error(operation, error, texts=None) from None
                self._failure = None
            return self._client

    def _learn(self, failure: ServiceError, client: SharedClient) -> None:
        if failure.kind is FaultKind.THROTTLED:
            metrics.count("throttled")
            self.slowdown = min(MAX_SLOWDOWN, self.slowdown * 2)
        # Once, however many requests of the refused client fail.
        elif (
            failure.needs_new_client
            and client is self._client
            and time.monotonic() > client.created + current().client_pause
        ):
            self._retire()

    def expected(self, awaited: Awaited, durations: Sequence[float]) -> Durations | None:
        """Return the expected duration: from earlier jobs that the task knows, and from those that ended here."""
        known = self._durations.get(_kind(awaited), ()) if isinstance(awaited, JobRef) else ()
        return Durations.of((*durations, *known))

    def ended(self, awaited: Awaited, seen: CheckResult) -> None:
        """Learn from a wait that came to its end."""
        if not isinstance(seen, Job) or not isinstance(awaited, JobRef):
            return
        if seen.seconds is not None:
            remembered = self._durations.setdefault(_kind(awaited), deque(maxlen=REMEMBERED_DURATIONS))
            remembered.append(seen.seconds)
        if seen.update_time_ms is not None and self._service_date:
            # By the service's own clock, which counts whole seconds here.
            with suppress(TypeError, ValueError):
                answered = parsedate_to_datetime(self._service_date).timestamp()
                metrics.timing("detection_delay", max(0.0, answered - seen.update_time_ms / 1000))


def _kind(ref: JobRef) -> tuple[str, str | None]:
    return ref.app_id, ref.operation


class Watch:
    """The status checks of one job or environment, on one schedule, however many tasks wait for it."""

    def __init__(self, poller: Poller, awaited: Awaited, durations: Sequence[float], started: float) -> None:
        now = time.time()
        self._poller = poller
        self._awaited = awaited
        self._durations = durations
        self._begun = min(now, max(started, now - MAX_AGE))
        self._due = now
        self._waiters: dict[object, tuple[float, float]] = {}
        self._next: asyncio.Future[CheckResult] = asyncio.get_running_loop().create_future()
        self._checked_at = 0.0
        self._joined = asyncio.Event()
        self._task = asyncio.create_task(self._keep_checking(), name=f"amplifybackend status checks of {awaited}")

    @property
    def is_used(self) -> bool:
        """Tell whether anybody still waits."""
        return bool(self._waiters)

    def join(self, me: object, waiter_delay: float, deadline: float) -> None:
        """Begin to wait. Whoever comes after the deadline gets a status check at once."""
        self._waiters[me] = (waiter_delay, max(deadline, time.time()))
        self._joined.set()

    def leave(self, me: object) -> None:
        """Stop waiting."""
        self._waiters.pop(me, None)

    async def stop(self) -> None:
        """End the status checks."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def check(self) -> CheckResult:
        """Return the result of the next status check.

        :raises ServiceError: The status check failed.
        """
        return await asyncio.shield(self._next)

    @property
    def upcoming(self) -> asyncio.Future[CheckResult]:
        """The future of the next status check. It is shared: whoever waits for it does not cancel it."""
        return self._next

    @property
    def usual(self) -> float | None:
        """The usual duration of such jobs, in seconds."""
        expected = self._poller.expected(self._awaited, self._durations)
        return expected.median if expected else None

    async def _keep_checking(self) -> None:
        schedule = PollSchedule(current().first_check, self._poller.expected(self._awaited, self._durations))
        while True:
            await self._until_next_check(schedule)
            self._checked_at = time.time()
            try:
                seen = await self._poller.run(check(self._awaited))
            except Exception as error:  # noqa: BLE001  # whatever it is, the waiters must hear of it
                answered = self._begin_next()
                answered.set_exception(error)
                answered.exception()  # nobody may be listening any more, and asyncio would complain
            else:
                self._begin_next().set_result(seen)
                self._note(seen)

    async def _until_next_check(self, schedule: PollSchedule) -> None:
        """Sleep until the schedule or the earliest deadline says so; who joins may have an earlier one."""
        schedule.waiter_delay = min(delay for delay, _ in self._waiters.values())
        now = time.time()
        delay = schedule.next_delay if self._checked_at else schedule.first_delay
        due = self._due = now + delay(now - self._begun) * self._poller.slowdown
        while True:
            self._joined.clear()
            deadlines = [deadline for _, deadline in self._waiters.values() if deadline > self._checked_at]
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
    def seconds_to_next_check(self) -> float:
        """Return the seconds until the schedule's next status check."""
        return max(0.0, self._due - time.time())

    def _note(self, seen: CheckResult) -> None:
        if isinstance(seen, Job) and seen.create_time_ms is not None:
            # The job may be older than the wait. Clocks that differ cost status checks, not correctness.
            self._begun = min(self._begun, max(seen.create_time_ms / 1000, time.time() - MAX_AGE))
        if seen.is_finished:
            self._poller.ended(self._awaited, seen)

    def _begin_next(self) -> asyncio.Future[CheckResult]:
        """Return the future of this status check; whoever asks from now on gets that of the next one."""
        answered, self._next = self._next, asyncio.get_running_loop().create_future()
        return answered
