"""One client and one poll schedule for all tasks of a triggerer process that wait on the same connection.

A thousand waiting tasks share one aiobotocore client, one connection pool and one timer; tasks that wait for the same
job share its status checks; and when the service throttles, all of them slow down together.

A status check of a job is one request through `hooks/_lean_reader.py`, if its answer is a good one. All others, and
whatever else an answer needs, go through the client.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

from botocore import xform_name

from airflow_provider_amplifybackend._compat import conf
from airflow_provider_amplifybackend.core.encodable import encodable_answer
from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.pace import Pace
from airflow_provider_amplifybackend.core.requests import Call, FaultKind, ServiceError
from airflow_provider_amplifybackend.core.schedule import Durations, EarlyEnds
from airflow_provider_amplifybackend.core.service_text import without_texts
from airflow_provider_amplifybackend.core.status_check import (
    Awaited,
    CheckResult,
    check,
    list_for,
    seen_job,
    status_among,
)
from airflow_provider_amplifybackend.core.timing import current, http_date
from airflow_provider_amplifybackend.hooks._botocore_errors import check_answer, client_error, service_error
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.triggers import _metrics as metrics
from airflow_provider_amplifybackend.triggers._agenda import Agenda
from airflow_provider_amplifybackend.triggers._shared_client import SharedClient
from airflow_provider_amplifybackend.triggers._turns import Turns
from airflow_provider_amplifybackend.triggers._watch import Waiter, Watch

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.core.status_check import EnvironmentCondition
    from airflow_provider_amplifybackend.hooks._lean_reader import Row

T = TypeVar("T")

RATE_OPTION = ("amplifybackend", "max_requests_per_second")
LEAN_OPTION = ("amplifybackend", "lean_status_checks")
DEFAULT_REQUESTS_PER_SECOND = 50.0
# The requests that may leave at once are those of this many seconds.
LEAST_PERIOD = 0.2
REMEMBERED_DURATIONS = 20

# By event loop: a client belongs to the loop that made it.
_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Poller]] = WeakKeyDictionary()


def shared_poller(**hook_parameters: Any) -> Poller:
    """Return the poller of a connection, to be entered: it is made with the first waiter and closed with the last."""
    key = json.dumps(hook_parameters, sort_keys=True, default=str)
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    poller = pollers.get(key)
    if poller is None:
        poller = pollers[key] = Poller(hook_parameters, partial(pollers.pop, key, None), pollers.values())
    return poller


class Poller:
    """The client of a connection, and the status checks that are under way with it. It is there while it is entered.

    A thousand waits have a thousand of whatever one has, and each object is one that Python's garbage collection looks
    at, with all that Airflow has loaded: so what one wait enters is this, and a waiter, and nothing of its own.

    :param forget: Called with the last one's leave.
    :param pollers: Those of all connections, as they come and go, with this one.
    """

    def __init__(
        self, hook_parameters: Mapping[str, Any], forget: Callable[[], object], pollers: Collection[Poller]
    ) -> None:
        self.users = 0
        self._forget_me = forget
        self._pollers = pollers
        # Waiting tasks: whoever watches an environment uses the poller, too.
        self.waiting = 0
        self.agenda = Agenda(time.time, current().tick)
        self._hook_parameters = hook_parameters
        self._client: SharedClient | None = None
        self._retired: list[SharedClient] = []
        self._creating = asyncio.Lock()
        self._failure: Exception | None = None
        self._failed_at = 0.0
        self._watches: dict[Awaited, Watch] = {}
        # Those whose status checks read the list of an app's environments.
        self._listed: dict[str, set[Watch]] = {}
        self._is_lean = conf.getboolean(*LEAN_OPTION, fallback=True)
        # Status checks that are due, and the tasks that make them: some few, and none while nothing is due.
        self._queue: deque[Watch] = deque()
        self._workers = 0
        self._has_asked = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.pace = Pace(conf.getfloat(*RATE_OPTION, fallback=DEFAULT_REQUESTS_PER_SECOND))
        # What is due together may leave together, or a loop that is late for a moment loses that time's requests.
        period = max(LEAST_PERIOD, current().tick, 1 / self.pace.most)
        self._turns = Turns(self.pace, period)
        self._durations: dict[tuple[str, str | None], deque[float]] = {}
        self._early_ends: dict[str | None, EarlyEnds] = {}
        self._service_date: str | None = None

    async def __aenter__(self) -> Poller:
        self.users += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.users -= 1
        if not self.users:
            self._forget_me()
            await self.close()

    async def close(self) -> None:
        """End what is under way, and close the client and those that it has replaced."""
        self.agenda.close()
        self._queue.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self._creating:
            self._retire()
            await asyncio.gather(*(client.closed() for client in self._retired))

    def _retire(self) -> None:
        """Use the client for no further request."""
        if self._client is not None:
            client, self._client = self._client, None
            client.retire()
            self._retired = [client, *(earlier for earlier in self._retired if not earlier.is_closed)]

    def watch(
        self,
        awaited: Awaited,
        *,
        waiter_delay: float,
        deadline: float,
        durations: Sequence[float] = (),
        started: float | None = None,
    ) -> Waiter:
        """Share the status checks of a job or environment with everybody who waits for it, until the waiter's exit.

        :param started: When the wait began, here or in another process. Default: now.
        """
        watch = self._watches.get(awaited)
        if watch is None:
            watch = self._watches[awaited] = Watch(self, awaited, durations, started or time.time())
            if watch.app_id is not None:
                self._listed.setdefault(watch.app_id, set()).add(watch)
        waiter = watch.join(waiter_delay, deadline)
        self._count_waiting(+1)
        return waiter

    def left(self, watch: Watch) -> None:
        """Take note that somebody waits no longer."""
        self._count_waiting(-1)
        if not watch.is_used:
            self._forget(watch)

    def _count_waiting(self, more: int) -> None:
        self.waiting += more
        # One gauge for the process, which has one event loop: a gauge keeps what it was given last.
        metrics.gauge("waiting", sum(poller.waiting for poller in self._pollers))

    def _forget(self, watch: Watch) -> None:
        self._watches.pop(watch.awaited, None)
        if watch.app_id is not None:
            self._listed[watch.app_id].discard(watch)
            if not self._listed[watch.app_id]:
                del self._listed[watch.app_id]

    # Status checks that are due

    def check(self, watch: Watch) -> None:
        """Make a status check as soon as there is room for it; the watch hears of its result."""
        self._queue.append(watch)
        self._start_workers()

    def _start_workers(self) -> None:
        # One at first: it makes the client, and its request shows how to ask. Then as many as there are connections.
        room = self._client.connections if self._has_asked and self._client else 1
        while self._workers < min(room, len(self._queue)):
            self._workers += 1
            self._spawn(self._work())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _work(self) -> None:
        try:
            while self._queue:
                await self._serve(self._queue.popleft())
        finally:
            self._workers -= 1
            if not self._workers:
                self._turns.forget()

    async def _serve(self, watch: Watch) -> None:
        if not watch.is_due or any(other.slow for other in self._sharing(watch)):
            return  # another's list has answered it, or is about to
        if not self._has_asked:
            await self._check_slowly(watch)
            self._has_asked = True
            self._start_workers()
            return
        if watch.is_in_vain:
            watch.skip()
            return
        try:
            is_done = await self._check_leanly(watch)
        except Exception as error:  # noqa: BLE001  # whatever it is, the waiters must hear of it
            watch.failed(error)
        else:
            if not is_done and watch.is_due:
                # A task of its own: it may repeat its request for a while, and the others must not wait for that.
                watch.slow = self._spawn(self._check_slowly(watch))

    async def _check_leanly(self, watch: Watch) -> bool:
        """Make a status check with one request, and tell whether that was enough."""
        shared = self._client
        reader = shared.reader if shared is not None and self._is_lean else None
        call = watch.call
        if call is None or shared is None or reader is None or not reader.is_ready:
            return False
        await self._turns.take(len(self._queue))
        if shared is not self._client:
            return False  # retired meanwhile, and perhaps closed
        sent_at = self._sent()
        try:
            with shared:
                row = await reader.get(call)
        except ServiceError as error:
            self._learn(error, shared, sent_at)
            raise
        if row is None:
            return False
        self.pace.answered(time.monotonic())
        if watch.shows_nothing_new(row.status):
            watch.passed()
        else:
            watch.saw(self._job(watch.awaited, call, row))
        return True

    def _job(self, ref: Awaited, call: Call, row: Row) -> CheckResult:
        """Return the job of a row, read as the client reads it."""
        assert isinstance(ref, JobRef)
        shape = service_model.service_model().operation_model(call.operation).output_shape
        members = shape.members if shape else {}
        named = {name: row.members.get(member.serialization.get("name", name)) for name, member in members.items()}
        answer = self._read(named, shape, row.headers.get("date"))
        return seen_job(ref, call.request["BackendEnvironmentName"], answer)

    async def _check_slowly(self, watch: Watch) -> None:
        """Make a status check through the client."""
        begun = time.time()
        try:
            for each, seen in (await self._seen(watch)).items():
                each.saw(seen, begun)
        except Exception as error:  # noqa: BLE001  # whatever it is, the waiters must hear of it
            for each in (watch, *self._sharing(watch)):
                if each.is_due:
                    each.failed(error)
        finally:
            watch.slow = None

    def _sharing(self, watch: Watch) -> set[Watch]:
        """Return the others that are answered by the same list."""
        return self._listed.get(watch.app_id, set()) - {watch} if watch.app_id is not None else set()

    async def _seen(self, watch: Watch) -> dict[Watch, CheckResult]:
        """Return what a status check shows, of others, too: one list has all environments of an app."""
        if watch.app_id is None:
            return {watch: await self.run(check(watch.awaited))}
        existing = await self.run(list_for(cast("EnvironmentCondition", watch.awaited)))
        together = (watch, *self._sharing(watch))
        return {each: status_among(cast("EnvironmentCondition", each.awaited), existing) for each in together}

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
        await self._turns.take(len(self._queue))
        shared = await self._connected(call.operation)
        sent_at = self._sent()
        try:
            with shared as client:
                response = await getattr(client, xform_name(call.operation))(**call.request)
                shape = client.meta.service_model.operation_model(call.operation).output_shape
        except Exception as error:  # noqa: BLE001
            failure = service_error(call.operation, error, texts=None)
            self._learn(failure, shared, sent_at)
            # Not even as its cause: nobody here knows the secrets that a text of the service may repeat.
            raise failure from None
        answer = self._read(response, shape, response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"))
        check_answer(call.operation, answer)
        self.pace.answered(time.monotonic())
        return answer

    def _sent(self) -> float:
        """Take note of a request that leaves now."""
        now = time.monotonic()
        self.pace.sent(now)
        metrics.count("polls")
        return now

    def _read(self, response: Mapping[str, Any], shape: Any, date: str | None) -> dict[str, Any]:
        """Return an answer that can be passed on, and take note of the service's clock."""
        self._service_date = date
        return without_texts(encodable_answer(response, shape))

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

    def _learn(self, failure: ServiceError, client: SharedClient, sent_at: float) -> None:
        if failure.kind is FaultKind.THROTTLED:
            metrics.count("throttled")
            self.pace.throttled(sent_at, time.monotonic())
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

    def early_ends(self, awaited: Awaited) -> EarlyEnds | None:
        """Return what is known of jobs of the operation that ended early; None for what is no job."""
        return self._early_ends.setdefault(awaited.operation, EarlyEnds()) if isinstance(awaited, JobRef) else None

    def ended(self, awaited: Awaited, seen: CheckResult) -> None:
        """Learn from a wait that came to its end."""
        if not isinstance(seen, Job) or not isinstance(awaited, JobRef):
            return
        if seen.seconds is not None:
            remembered = self._durations.setdefault(_kind(awaited), deque(maxlen=REMEMBERED_DURATIONS))
            remembered.append(seen.seconds)
        if seen.update_time_ms is not None and self._service_date:
            # By the service's own clock, which counts whole seconds here.
            with suppress(TypeError, ValueError, OverflowError, IndexError):
                answered = http_date(self._service_date).timestamp()
                metrics.timing("detection_delay", max(0.0, answered - seen.update_time_ms / 1000))


def _kind(ref: JobRef) -> tuple[str, str | None]:
    return ref.app_id, ref.operation
