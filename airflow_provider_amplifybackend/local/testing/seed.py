"""Seeding: apps, environments with resources, jobs and buckets that exist without having been created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend.local.service.errors import AnsweredError
from airflow_provider_amplifybackend.local.service.job_book import FINISHED, Fate, JobRecord, Plan
from airflow_provider_amplifybackend.local.service.service import Service
from airflow_provider_amplifybackend.local.service.stack import StackResource
from airflow_provider_amplifybackend.local.service.stack_parts import BUCKET
from airflow_provider_amplifybackend.local.service.store import App, Store
from airflow_provider_amplifybackend.local.testing.seed_checks import SeedError
from airflow_provider_amplifybackend.local.testing.seed_document import (
    Seed,
    SeededApp,
    SeededEnvironment,
    SeededJob,
    read_seed,
)
from airflow_provider_amplifybackend.local.testing.seed_signs import (
    earlier,
    make_branches,
    make_stack,
    named_stack,
    overlaid,
    set_signs,
)


def seed(service: Service, document: Mapping[str, Any]) -> None:
    """Make what the document describes exist; a document that is refused has changed nothing."""
    read = read_seed(document)
    service.settle()
    _refuse_taken(service, [job.job_id for app in read.apps for job in app.jobs if job.job_id is not None])
    store = service.store(read.account, read.region)
    try:
        _make(service, store, read)
    except AnsweredError as error:  # of another service: this one takes what read_seed takes
        raise SeedError(error.message) from None


def _make(service: Service, store: Store, read: Seed) -> None:
    for app in read.apps:
        _make_app(service, store, app)
    for name in read.buckets:
        service.provisioner.observer.made(store, StackResource("", name, BUCKET), service.clock.wall())
    for stack in read.stacks:
        make_stack(service, store, stack)


def _refuse_taken(service: Service, job_ids: list[str]) -> None:
    taken = set().union(*(store.jobs.by_id for store in service.stores.values()))
    for job_id in job_ids:
        if job_id in taken:
            raise SeedError(f"job {job_id} already exists")
        taken.add(job_id)


def _make_app(service: Service, store: Store, entry: SeededApp) -> None:
    app = store.new_app(entry.app_id, entry.name, service.clock.wall())
    if entry.age_seconds is not None:
        app.hosting.created = earlier(service.clock, entry.age_seconds)
    # In a new object: what an answer has shown stays as it was shown.
    app.hosting.settings["environmentVariables"] = overlaid(app.hosting.variables, entry.variables)
    app.hosting.tags = overlaid(app.hosting.tags, entry.tags)
    make_branches(service, app, entry.branches)
    if entry.config is not None:
        app.admin_config = entry.config
    for environment in entry.environments:
        _make_environment(service, store, app, environment)
    for job in entry.jobs:
        _make_job(service, store, app, job)


def _make_environment(service: Service, store: Store, app: App, entry: SeededEnvironment) -> None:
    provisioner, now = service.provisioner, service.clock.wall()
    environment = app.environments.get(entry.name)
    if environment is None:
        environment = provisioner.register_environment(store, app, entry.name, now)
        # A document of a real environment names its stack, and that is where it is looked for.
        environment.provider |= named_stack(store, environment, entry.meta)
        provisioner.ensure_stack(store, app, environment, now)
    if entry.meta is not None:
        environment.meta = entry.meta
    if entry.resources:
        provisioner.ensure_stack(store, app, environment, now)
    for kind, name, config in entry.resources:
        try:
            provisioner.add_resource(store, environment, kind, name, config, now)
        except AnsweredError as error:
            raise SeedError(f"{kind} resource {name} of {entry.name}: {error.message}") from None
    set_signs(service, store, app, environment, entry.signs)


def _make_job(service: Service, store: Store, app: App, entry: SeededJob) -> None:
    started_wall = service.clock.wall() - entry.age_seconds
    job = JobRecord(
        job_id=entry.job_id or service.new_job_id(),
        account=store.account,
        region=store.region,
        operation=entry.operation,
        plan=Plan(app.app_id, (entry.environment,), frozenset({entry.environment}), frozenset()),
        effect=None,
        fate=Fate(
            ends=entry.seconds is not None,
            error=entry.error,
            fails=entry.error is not None,
            shown_members=entry.shown,
        ),
        started=service.clock.now(),
        created_wall=started_wall,
        updated_wall=started_wall,
        status=entry.status,
    )
    job.error = entry.error if entry.status in FINISHED else None
    store.jobs.add(job)
    if not job.finished and entry.seconds is not None:
        service.schedule.end(job, store, entry.seconds)
