"""The trigger for asset watchers: jobs that anybody ends become asset events."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_amplifybackend._compat import HAS_ASSETS, asset_stores, event_trigger_base
from airflow_provider_amplifybackend.core.changes import change_of
from airflow_provider_amplifybackend.core.job import COMPLETED, FAILED, Job
from airflow_provider_amplifybackend.core.job_ends import JobList, Watermark, advance, begin
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.client_config import as_client_config
from airflow_provider_amplifybackend.parameters.identity import as_connection_id, as_region
from airflow_provider_amplifybackend.parameters.limits import as_waiter_delay
from airflow_provider_amplifybackend.parameters.no_passwords import refused_passwords
from airflow_provider_amplifybackend.parameters.reading import as_name, as_verify, shown

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger
    from airflow.triggers.shared_stream import SharedStreamProducer

    from airflow_provider_amplifybackend.triggers._change_stream import Listing
else:
    BaseEventTrigger = event_trigger_base()

DEFAULT_DELAY = 60.0
STATE_KEY = "amplifybackend_changes"
END_STATUSES = (COMPLETED, FAILED)


class UnusableTriggerError(BackendParameterError, TypeError):
    """The arguments of a trigger are wrong. A TypeError, because any other ends the triggerer that meets it."""


class BackendChangeTrigger(BaseEventTrigger):
    """
    Fire for each job of an environment that ends, whoever started it: in Amplify Studio, by the CLI or by a task.

    For ``AssetWatcher`` (Airflow 3.0 and later). However many assets and triggers watch an environment, its jobs are
    listed once. On Airflow 3.3 and later what was reported is remembered with the assets: a triggerer that comes later
    reports what has ended meanwhile. Watching begins with the first list: what had ended by then is not reported.

    The payload of an event is that of the operators' asset events: ``app_id``, ``backend_environment_name``,
    ``job_id``, ``operation``, ``status``, ``created_at`` and ``updated_at``, without a text of the service.

    :param app_id: The app's id.
    :param backend_environment_name: The environment.
    :param operations: Only the ends of these operations, e.g. ``["UpdateBackendAPI"]``. Default: of all.
    :param statuses: Only these ends: ``COMPLETED``, ``FAILED``. Default: both.
    :param waiter_delay: Maximum seconds between two lists of jobs; a long list is read less often.
    :param aws_conn_id: The Airflow connection for AWS credentials.
    :param region_name: AWS region. Default: the connection's.
    :param verify: Whether to verify TLS certificates, or the path of a CA bundle.
    :param botocore_config: Keyword arguments of botocore's ``Config``.

    :raises BackendParameterError: A parameter cannot be used.
    :raises ImportError: This Airflow is older than 3.0.
    """

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        operations: Sequence[str] | None = None,
        statuses: Sequence[str] | None = None,
        waiter_delay: float = DEFAULT_DELAY,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if not HAS_ASSETS:
            raise ImportError("BackendChangeTrigger needs Airflow 3.0 or newer, which has asset watchers")
        read = _read(
            type(self).__name__,
            app_id=app_id,
            backend_environment_name=backend_environment_name,
            operations=operations,
            statuses=statuses,
            waiter_delay=waiter_delay,
            aws_conn_id=aws_conn_id,
            region_name=region_name,
            verify=verify,
            botocore_config=botocore_config,
        )
        self.app_id: str = read["app_id"]
        self.backend_environment_name: str = read["backend_environment_name"]
        self.operations: list[str] | None = read["operations"]
        self.statuses: list[str] | None = read["statuses"]
        self.waiter_delay: float = read["waiter_delay"]
        self.aws_conn_id: str | None = read["aws_conn_id"]
        self.region_name: str | None = read["region_name"]
        self.verify: bool | str | None = read["verify"]
        self.botocore_config: dict[str, Any] | None = read["botocore_config"]
        self._known: Watermark | None = None
        self._stored: Watermark | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the form from which Airflow rebuilds this trigger elsewhere."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, self._listing_arguments | {"operations": self.operations, "statuses": self.statuses}

    @property
    def _listing_arguments(self) -> dict[str, Any]:
        """The arguments with which jobs are listed: whoever has the same ones can share a list."""
        return {
            "app_id": self.app_id,
            "backend_environment_name": self.backend_environment_name,
            "waiter_delay": self.waiter_delay,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    # ---------------------------------------------------------------------------------- a shared stream (Airflow 3.3)

    def shared_stream_key(self) -> Hashable | None:
        """Return what those have in common who can share a stream of lists."""
        return "amplifybackend jobs", json.dumps(self._listing_arguments, sort_keys=True)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return the stream of an environment's lists. Airflow says to it when events are stored."""
        from airflow_provider_amplifybackend.triggers._change_stream import ChangeStream

        return ChangeStream(kwargs, _lists)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Listing]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each end that is news to this trigger."""
        async for listing in shared_stream:
            for job in await self._news(listing.jobs):
                yield _event(job)
            if self._known != self._stored:
                listing.then(self._remember(self._known))

    # ------------------------------------------------------------------------------------------- alone (before 3.3)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each end that is news, without a stream that Airflow shares."""
        async with aclosing(_lists(self._listing_arguments)) as lists:  # type: ignore[type-var]
            async for jobs in lists:
                for job in await self._news(jobs):
                    yield _event(job)
                if self._known != self._stored:
                    await self._remember(self._known)()

    # ------------------------------------------------------------------------------------------------- what is news

    async def _news(self, listed: JobList) -> list[Job]:
        """Return the jobs whose end is to be reported."""
        if self._known is None:
            try:
                self._known = self._stored = await self._recalled()
            except Exception as error:  # noqa: BLE001
                # To go on without it would report nothing of what has ended meanwhile.
                self.log.warning("What was reported of %s cannot be read (%s)", self._what, type(error).__name__)
                return []
        if self._known is None:
            self._known = begin(listed)
            self.log.info("Watching %s from now on", self._what)
            return []
        self._known, ended = advance(self._known, listed)
        return [job for job in ended if self._is_wanted(job)]

    def _is_wanted(self, job: Job) -> bool:
        return (self.operations is None or job.operation in self.operations) and (
            self.statuses is None or job.status in self.statuses
        )

    @property
    def _what(self) -> str:
        return f"environment {self.backend_environment_name} (app {self.app_id})"

    # ------------------------------------------------------------------------------------------ what was reported

    @property
    def _key(self) -> str:
        """The key of the watermark: two triggers of one asset that report different ends have one each."""
        arguments = [self.app_id, self.backend_environment_name, self.operations, self.statuses]
        return f"{STATE_KEY}_{hashlib.sha256(json.dumps(arguments).encode()).hexdigest()[:16]}"

    async def _recalled(self) -> Watermark | None:
        """Return the watermark that is stored with the assets, of several the latest; None if there is none."""
        stored = [Watermark.from_stored(await store.aget(self._key)) for store in asset_stores(self)]
        # All events of this trigger go to all of its assets, so an asset that came later has missed none since.
        return max((each for each in stored if each), key=lambda each: each.reach_ms, default=None)

    def _remember(self, watermark: Watermark | None) -> Any:
        async def remember() -> None:
            assert watermark is not None
            try:
                for store in asset_stores(self):
                    await store.aset(self._key, watermark.to_stored())
            except Exception as error:  # noqa: BLE001
                # The next list brings the next chance; to raise would end the stream for all who share it.
                self.log.warning("What was reported of %s cannot be stored (%s)", self._what, type(error).__name__)
            else:
                self._stored = watermark

        return remember


def _as_some(name: str, value: Any, known: Iterable[str]) -> list[str] | None:
    """Return some of the known words; None is all of them."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise BackendParameterError(f"{name}={shown(value)} must be a list")
    given = list(value)
    if not given:
        raise BackendParameterError(f"{name} is empty, so nothing would ever be reported: leave it out for all of them")
    accepted = sorted(known)
    if unknown := [each for each in given if each not in accepted]:
        raise BackendParameterError(f"{name}: {', '.join(map(shown, unknown))} is none of {', '.join(accepted)}")
    return sorted(given)


def _as_verify(name: str, value: Any) -> bool | str | None:
    read = as_verify(value)
    # Whether the bundle can be read, the triggerer's hook finds out: the DAG file is read on other machines, too.
    if read is None or isinstance(read, bool | str):
        return read
    raise BackendParameterError(f"{name}={shown(value)} must be true, false or the path of a CA bundle, as a string")


def _as_client_config(name: str, value: Any) -> dict[str, Any] | None:
    if problems := refused_passwords(name, value):  # first, because other complaints may quote it
        raise BackendParameterError("; ".join(problems))
    return as_client_config(name, value)


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "app_id": as_name,
    "backend_environment_name": as_name,
    "operations": partial(_as_some, known=JOB_OPERATIONS),
    "statuses": partial(_as_some, known=END_STATUSES),
    "waiter_delay": as_waiter_delay,
    "aws_conn_id": as_connection_id,
    "region_name": as_region,
    "verify": _as_verify,
    "botocore_config": _as_client_config,
}


def _read(what: str, **given: Any) -> dict[str, Any]:
    """Return the parameters as they are meant: what is stored, and shared, must be what is watched with.

    :param what: Whose they are, for the error.
    :raises UnusableTriggerError: names all that cannot be used.
    """
    read: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in given.items():
        try:
            read[name] = _READERS[name](name, value)
        except BackendParameterError as error:
            problems.append(str(error))
    if problems:
        raise UnusableTriggerError(f"{what}: {'; '.join(problems)}")
    return read


def _event(job: Job) -> TriggerEvent:
    return TriggerEvent(change_of(job))  # type: ignore[no-untyped-call]


async def _lists(arguments: Mapping[str, Any]) -> AsyncIterator[JobList]:
    # Not an import statement: loading boto and the amazon provider takes most of a second of the event loop.
    feed = await asyncio.to_thread(import_module, f"{__package__}._change_feed")
    parameters = {name: arguments[name] for name in ("aws_conn_id", "region_name", "verify")}
    parameters |= {"config": arguments["botocore_config"], "connection_found": None}
    lists = feed.job_lists(
        arguments["app_id"],
        arguments["backend_environment_name"],
        delay=arguments["waiter_delay"],
        hook_parameters=parameters,
    )
    async with aclosing(lists):
        async for jobs in lists:
            yield jobs
