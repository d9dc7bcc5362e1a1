"""Everything that the service knows as one text, and back: state, running jobs, clock and switches.

Fault scripts and the journal are of a test, and not kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend.local.keeping.coding import Coder, Memo, UnreadableError, coder_of
from airflow_provider_amplifybackend.local.service.clock import Clock, KeptClock
from airflow_provider_amplifybackend.local.service.job_book import JobRecord
from airflow_provider_amplifybackend.local.service.service import Service
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.service.stack import Stack
from airflow_provider_amplifybackend.local.service.store import App, Store


@dataclass(frozen=True)
class _Rest:
    """Everything beside the stores."""

    clock: KeptClock
    settings: dict[str, Any]
    known_apps: tuple[str, ...]
    steps: list[tuple[float, str, str]]
    """When a job, by its id, reaches a status."""


@dataclass(frozen=True)
class _StoreBasis:
    """A store without what there may be thousands of."""

    account: str
    region: str
    apps: list[App]
    buckets: dict[str, float]
    lives: list[tuple[str, str, int]]


class Snapshots:
    """Texts of one service, each from what has changed since the one before it.

    A stack is a new value after each change, and a job that has ended stays as it is: their texts are made once.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: dict[int, tuple[object, str]] = {}

    def take(self) -> str:
        service, memo = self._service, Memo()
        fresh: dict[int, tuple[object, str]] = {}
        stores = [self._store(store, memo, fresh) for store in service.stores.values()]
        self._known = fresh
        rest = _Rest(service.clock.kept(), service.settings.as_dict(), service.known_apps, service.schedule.kept())
        return f'{{"stores":[{",".join(stores)}],"rest":{_dump(coder_of(_Rest), rest, memo)}}}'

    def _store(self, store: Store, memo: Memo, fresh: dict[int, tuple[object, str]]) -> str:
        lives = [(app_id, environment, life) for (app_id, environment), life in store.lives.items()]
        basis = _StoreBasis(store.account, store.region, [*store.apps.values()], store.buckets, lives)
        parts = {
            "basis": _dump(coder_of(_StoreBasis), basis, memo),
            "stacks": f"[{','.join(self._once(coder_of(Stack), store.stacks.values(), fresh))}]",
            "jobs": f"[{','.join(self._jobs(store, memo, fresh))}]",
        }
        return "{" + ",".join(f'"{name}":{text}' for name, text in parts.items()) + "}"

    def _jobs(self, store: Store, memo: Memo, fresh: dict[int, tuple[object, str]]) -> Iterator[str]:
        coder = coder_of(JobRecord)
        for job in store.jobs.all():
            yield from self._once(coder, [job], fresh) if job.finished else [_dump(coder, job, memo)]

    def _once(self, coder: Coder, values: Iterable[Any], fresh: dict[int, tuple[object, str]]) -> Iterator[str]:
        for value in values:
            known = self._known.get(id(value)) or (value, _dump(coder, value, {}))
            fresh[id(value)] = known
            yield known[1]


def _dump(coder: Coder, value: Any, memo: Memo) -> str:
    return json.dumps(coder.encode(value, memo), separators=(",", ":"))


def restore(service: Service, document: Any, initial_settings: dict[str, Any]) -> None:
    """Let a service that has just been made know what another knew. What this one was started with wins.

    :raises UnreadableError: The document is not one. The service is unchanged then.
    """
    memo: Memo = {}
    try:
        stores = [_restored(given, memo) for given in document["stores"]]
        rest: _Rest = coder_of(_Rest).decode(document["rest"], memo, "rest")
        Clock().restore(rest.clock)  # refuses a time that cannot be, before anything has changed
        settings = Settings()
        settings.update(rest.settings)
        settings.update(initial_settings)
    except UnreadableError:
        raise
    except (KeyError, TypeError, ValueError) as failure:
        raise UnreadableError(f"{type(failure).__name__}: {failure}") from None
    homes = {job_id: store for store in stores for job_id in store.jobs.by_id}
    if unknown := [job_id for _, job_id, _ in rest.steps if job_id not in homes]:
        raise UnreadableError(f"there is no job {unknown[0]}")
    service.reset()
    service.clock.restore(rest.clock)
    service.settings = settings
    for due, job_id, status in rest.steps:
        service.schedule.restore(due, homes[job_id].jobs.by_id[job_id], homes[job_id], status)
    for store in stores:
        service.stores[store.account, store.region] = store
        for app_id in service.known_apps:
            if app_id not in rest.known_apps:
                store.new_app(app_id, app_id, service.clock.wall())


def _restored(given: Any, memo: Memo) -> Store:
    basis: _StoreBasis = coder_of(_StoreBasis).decode(given["basis"], memo, "basis")
    store = Store(basis.account, basis.region, buckets=basis.buckets)
    store.apps.update({app.app_id: app for app in basis.apps})
    store.lives.update({(app_id, environment): life for app_id, environment, life in basis.lives})
    stacks: list[Stack] = coder_of(list[Stack]).decode(given["stacks"], memo, "stacks")
    store.stacks.update({stack.stack_id: stack for stack in stacks})
    jobs: list[JobRecord] = coder_of(list[JobRecord]).decode(given["jobs"], memo, "jobs")
    for job in jobs:
        store.jobs.add(job)
    return store
