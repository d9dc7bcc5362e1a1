"""The driver: carries out the actions of a start, with a hook, a store and a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_amplifybackend.core.job import Job, Outcome
from airflow_provider_amplifybackend.core.requests import Call, ServiceError, drive
from airflow_provider_amplifybackend.exceptions import AmplifyBackendError, BackendRequestError, BackendTimeoutError
from airflow_provider_amplifybackend.start import course
from airflow_provider_amplifybackend.start.actions import (
    Action,
    Announce,
    AwaitEnd,
    Load,
    Obstacle,
    Pause,
    Prepare,
    Save,
    SendStart,
    StartResult,
    Steps,
    T,
)
from airflow_provider_amplifybackend.start.intent import Intent
from airflow_provider_amplifybackend.start.leftover import delete_after
from airflow_provider_amplifybackend.start.protocol import StartProtocol

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import StateStore


class Hook(Protocol):
    """The calls of the service, as far as a start needs them."""

    def attempt(self, api_operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]: ...
    def attempt_start(self, api_operation: str, request: Mapping[str, Any], *, may_send: Callable[[], bool]) -> Job: ...
    def check_guard(self, api_operation: str, request: Mapping[str, Any]) -> None: ...
    def prepare_start(self) -> None: ...


class StartOnce:
    """The protocol, driven with a hook, a store and a clock.

    :param store: Where intents are stored; None where Airflow has no task state store.
    :param wait: The function that waits for the end of a job. It may also not return, as in a deferral.
    :param announce: Called with the job, before it is waited for.
    :param options: Of :class:`~airflow_provider_amplifybackend.start.attempt.Attempt`.
    """

    def __init__(
        self,
        hook: Hook,
        api_operation: str,
        request: Mapping[str, Any],
        *,
        store: StateStore | None = None,
        wait: Callable[[AwaitEnd], Job] | None = None,
        announce: Callable[[Job | None], None] | None = None,
        **options: Any,
    ) -> None:
        self.hook = hook
        self.store = store
        self._wait = wait
        self._announce = announce
        self.protocol = StartProtocol(api_operation, request, has_store=store is not None, **options)
        self.drive(self.protocol.load())

    @property
    def intent(self) -> Intent | None:
        """The intent: the knowledge about the start."""
        return self.protocol.intent

    @property
    def answered_job(self) -> str | None:
        """The id of the job with which the service has answered this request, as far as it is known."""
        intent = self.intent
        if intent is None or intent.found_by_looking or intent.digest != self.protocol.digest:
            return None
        return intent.job_id

    def run(self, *, wait: bool = True) -> StartResult:
        """See :func:`~airflow_provider_amplifybackend.start.course.run`."""
        return self.drive(course.run(self.protocol, wait=wait))

    def resume(self, outcome: Outcome, ended: Job) -> StartResult:
        """See :func:`~airflow_provider_amplifybackend.start.course.resume`."""
        return self.drive(course.resume(self.protocol, outcome, ended))

    def resume_after_other(self, ended: Job | BackendTimeoutError | BackendRequestError, *, wait: bool) -> StartResult:
        """See :func:`~airflow_provider_amplifybackend.start.course.resume_after_other`."""
        return self.drive(course.resume_after_other(self.protocol, ended, wait=wait))

    def delete_leftover(self, failed: Job, outcome: Outcome) -> str:
        """See :func:`~airflow_provider_amplifybackend.start.leftover.delete_after`."""
        return self.drive(delete_after(self.protocol, failed, outcome))

    def advance(self) -> StartResult | Obstacle:
        """See :meth:`StartProtocol.advance`."""
        return self.drive(self.protocol.advance())

    def disowns(self, job: Job) -> bool:
        """See :meth:`StartProtocol.disowns`."""
        return self.drive(self.protocol.disowns(job))

    def drive(self, steps: Steps[T]) -> T:
        """Carry out what a generator of actions asks for, and return its result."""
        return drive(steps, self._do, thrown_in=(ServiceError, AmplifyBackendError))

    def _do(self, action: Action) -> Any:
        match action:
            case Call(operation, request):
                return self.hook.attempt(operation, request)
            case SendStart(operation, request, may_send):
                return self.hook.attempt_start(operation, request, may_send=may_send)
            case Load(key):
                return self.store.get(key) if self.store is not None else None
            case Save(intent, key):
                if self.store is not None:
                    self.store.set(key, intent.to_stored())
            case Pause(seconds):
                self.protocol.timing.sleep(seconds)
            case Prepare(operation, request):
                self.hook.check_guard(operation, request)
                self.hook.prepare_start()
            case Announce(job):
                if self._announce:
                    self._announce(job)
            case AwaitEnd():
                if self._wait is None:
                    raise TypeError(f"nobody waits for the end of {action.ref}")
                return self._wait(action)
        return None
