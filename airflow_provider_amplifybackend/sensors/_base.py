"""The base of the sensors: waits, time-outs and failures, alike on the worker and in the triggerer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_amplifybackend._compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    first_reschedule_date,
    task_state_store,
)
from airflow_provider_amplifybackend._errors import request_error, timeout_error
from airflow_provider_amplifybackend.core.budget import Budget
from airflow_provider_amplifybackend.core.job import iso_time
from airflow_provider_amplifybackend.core.requests import ServiceError
from airflow_provider_amplifybackend.core.status_check import check
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.core.waiting import Note, Wait
from airflow_provider_amplifybackend.exceptions import AmplifyBackendError, BackendParameterError, BackendTimeoutError
from airflow_provider_amplifybackend.parameters.limits import (
    LEAST_WAITER_DELAY,
    LONGEST_WAIT,
    as_bounded,
)
from airflow_provider_amplifybackend.parameters.reading import as_flag, as_name, is_template, problems_of, shown
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters
from airflow_provider_amplifybackend.tasks.defaults import DEFAULT_DEFERRABLE
from airflow_provider_amplifybackend.tasks.mapping import check_written
from airflow_provider_amplifybackend.tasks.notes import note_wait

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.core.status_check import Awaited, CheckResult
    from airflow_provider_amplifybackend.triggers._base import WaitTrigger

# In the task state store: whether a sensor that is rescheduled has found its connection.
CONNECTION_KEY = "amplifybackend_connection_found"


def _as_seconds(name: str, value: Any, *, most: float = LONGEST_WAIT) -> float:
    """Return the seconds of a parameter of Airflow's own, which takes a number or a ``timedelta``, never a text."""
    if isinstance(value, str):
        raise BackendParameterError(f"{name}={shown(value)} must be a number of seconds or a timedelta, not a text")
    return as_bounded(name, value, least=0, most=most)


class WaitSensor(AwsParameters, BaseSensorOperator):
    """Wait until a job or an environment has reached a state.

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``. (templated)
    :param poke_interval: Seconds between status checks; when deferred, the maximum.
    :param timeout: Maximum seconds to wait, also when deferred.

    :raises AirflowSensorTimeout: The wait timed out; names the last status.
    """

    template_fields: Sequence[str] = (
        "app_id",
        "backend_environment_name",
        "deferrable",
        *AwsParameters.template_fields,
    )
    readers = AwsParameters.readers | {
        "app_id": as_name,
        "backend_environment_name": as_name,
        "deferrable": as_flag,
        "poke_interval": _as_seconds,
        "timeout": _as_seconds,
    }
    ui_color = "#fff3e0"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        deferrable: bool = DEFAULT_DEFERRABLE,
        **kwargs: Any,
    ) -> None:
        check_written(type(self), kwargs.get("task_id"), kwargs)  # on some of them Airflow's own __init__ fails
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.deferrable = deferrable
        self._wait: Wait | None = None

    @classmethod
    def written_problems(cls, name: str, value: Any) -> Iterable[str]:
        """Return a sentence for each part of a parameter that Airflow could not even put into the DAG."""
        if name in ("poke_interval", "timeout"):
            is_known = value is not None and (isinstance(value, str) or not is_template(value))
            # What Airflow takes and nobody can wait for is refused when the task runs.
            as_airflow_takes_it = partial(_as_seconds, most=timedelta.max.total_seconds())
            return problems_of(as_airflow_takes_it, name, value) if is_known else ()
        return super().written_problems(name, value)

    def awaited(self) -> Awaited:
        """Return what is waited for."""
        raise NotImplementedError  # each sensor has its own

    def trigger(self, **kwargs: Any) -> WaitTrigger:
        """Return the trigger that waits for it."""
        raise NotImplementedError  # each sensor has its own

    def result(self, seen: CheckResult) -> dict[str, Any]:
        """Return the result for XCom, or raise if the job failed."""
        raise NotImplementedError  # each sensor has its own

    def result_of_event(self, event: object) -> dict[str, Any]:
        """Return the result for XCom after a deferral."""
        raise NotImplementedError  # each sensor has its own

    def execute(self, context: Context) -> Any:
        """Wait, on the worker or in the triggerer."""
        self.validate()
        with self._softened():
            return self._execute(context)

    @contextmanager
    def _softened(self) -> Iterator[None]:
        """Skip instead of failing, if the user wants that; Airflow does it for some failures, in some modes."""
        try:
            yield
        except (AmplifyBackendError, AirflowSensorTimeout) as error:
            if self.soft_fail or getattr(self, "never_fail", False):
                raise AirflowSkipException(str(error)) from error
            raise

    def _execute(self, context: Context) -> Any:
        began = self._began_elsewhere(context)
        started = time.time() if began is None else began
        # Whether earlier processes have seen the job is not known here, and need not be: a job that they have missed is
        # missing since then, and one that they have seen and that is gone may be given up as soon as that.
        self._wait = Wait(self.awaited(), deadline=started + self.timeout, started=started, first_missed=began)
        if not self.read("deferrable"):
            return self._poke_until_done(context)
        with self._as_poked():
            seen = self._check()
            if seen is not None and seen.is_finished:
                return self.result(seen)
        budget = Budget.of(self.timeout, self.execution_timeout, started=started)
        note_wait(context, self.awaited(), budget)
        return self._defer(budget)

    @contextmanager
    def _as_poked(self) -> Iterator[None]:
        """Treat an error of the first status check as Airflow treats one of a poke."""
        try:
            yield
        except (AirflowFailException, AirflowSkipException):
            raise
        except Exception as error:
            if getattr(self, "silent_fail", False):
                self.log.error("Still waiting after %s: %s", type(error).__name__, error)
            elif getattr(self, "never_fail", False):
                raise AirflowSkipException(str(error)) from error
            else:
                raise

    def _poke_until_done(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:
            if self._wait is None:
                raise
            raise AirflowSensorTimeout(str(timeout_error(self._wait, time.time()))) from error

    def poke(self, context: Context) -> PokeReturnValue | bool:
        """Check the status once, and again after an error that nobody can explain, if the sensor is rescheduled."""
        try:
            seen = self._check()
            # These are counted in a row, and the next process would begin to count anew, for as long as there is time.
            while seen is None and self.reschedule and self._is_puzzled:
                current().sleep(min(self.read("poke_interval"), current().first_check))
                seen = self._check()
        finally:
            self._remember_connection(context)
        if seen is None or not seen.is_finished:
            return False
        return PokeReturnValue(True, self.result(seen))

    def _check(self) -> CheckResult | None:
        wait = self._wait or Wait(self.awaited(), deadline=time.time(), started=time.time())
        seen = None
        try:
            seen = self.hook.run(check(wait.awaited))
        except ServiceError as error:
            note = self._missed(wait, error)
        else:
            note = wait.saw(seen)
        for line in (note, wait.due_report(time.time())):
            if line:
                self.log.log(line.level, line.text())
        return seen

    @property
    def _is_puzzled(self) -> bool:
        """Tell whether the last status check ended with an error that nobody can explain: the wait counts them."""
        error = self._wait.last_error if self._wait else None
        return error is not None and error.is_unexplained

    def _missed(self, wait: Wait, error: ServiceError) -> Note | None:
        wait.connection_works = self.hook.connection_works
        try:
            return wait.missed(error, time.time())
        except ServiceError:
            raise request_error(error, wait.awaited.request) from error

    def _began_elsewhere(self, context: Context) -> float | None:
        """Return when this try began to wait, if that was in an earlier process, as in reschedule mode."""
        first = first_reschedule_date(context) if self.reschedule else None
        if first is None:
            return None
        self.hook.connection_works = True  # in that process
        store = task_state_store(context)
        if store is not None and store.get(CONNECTION_KEY):
            self.hook.connection_found = True
        return float(first.timestamp())

    def _remember_connection(self, context: Context) -> None:
        """Let the next process of a rescheduled sensor know which identity it has.

        Only the task state store keeps that: Airflow deletes the task's XComs before each status check.
        """
        store, found = task_state_store(context), self.hook.connection_found
        if self.reschedule and store is not None and found is not None and store.get(CONNECTION_KEY) != found:
            store.set(CONNECTION_KEY, found)

    def _defer(self, budget: Budget) -> NoReturn:
        trigger = self.trigger(
            started=budget.started,
            deadline=budget.deadline,
            waiter_delay=max(LEAST_WAITER_DELAY, self.read("poke_interval")),
            silent_fail=bool(getattr(self, "silent_fail", False)),
            **self.wait_parameters,
        )
        until = iso_time(int(budget.deadline * 1000))
        self.log.info("Waiting in the triggerer until %s at the latest: %s", until, self.awaited())
        self.defer(trigger=trigger, method_name="execute_complete", timeout=budget.deferral_timeout)
        raise AssertionError("defer does not return")

    def execute_complete(self, context: Context, event: object = None) -> dict[str, Any]:
        """Return the result, or raise the error."""
        with self._softened():
            try:
                return self.result_of_event(event)
            except BackendTimeoutError as error:
                raise AirflowSensorTimeout(str(error)) from error
