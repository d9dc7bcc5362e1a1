"""Signs set on environments, and the branches and stacks beside them, that exist without having been created."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_amplifybackend.local.service.clock import Clock
from airflow_provider_amplifybackend.local.service.hosting import ENDED, Branch, BranchJob
from airflow_provider_amplifybackend.local.service.ids import Ids
from airflow_provider_amplifybackend.local.service.service import Service
from airflow_provider_amplifybackend.local.service.stack import Stack
from airflow_provider_amplifybackend.local.service.stack_parts import leftover_kind, stack_arn
from airflow_provider_amplifybackend.local.service.stacks import find
from airflow_provider_amplifybackend.local.service.store import App, Environment, Store
from airflow_provider_amplifybackend.local.testing.seed_neighbours import (
    LOCK_STATEMENT,
    MIGRATION_VARIABLE,
    SeededBranch,
    SeededBranchJob,
    SeededSigns,
    SeededStack,
)


def earlier(clock: Clock, age_seconds: float) -> float:
    """Return the time that long ago, as the service tells it; nothing is older than 1970."""
    return max(0.0, clock.wall() - age_seconds)


def overlaid(texts: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return texts with others beside or instead of them; None takes one away."""
    return {name: text for name, text in {**texts, **changes}.items() if text is not None}


def set_signs(service: Service, store: Store, app: App, environment: Environment, signs: SeededSigns) -> None:
    """Let an environment be seen as the seed says, also one that exists already."""
    provisioner = service.provisioner
    if signs.age_seconds is not None:
        environment.created = earlier(service.clock, signs.age_seconds)
    if signs.locked is not None:
        marked = environment.name if signs.locked else None
        app.hosting.settings["environmentVariables"] = overlaid(app.hosting.variables, {MIGRATION_VARIABLE: marked})
    if signs.are_of_the_stack:
        provisioner.ensure_stack(store, app, environment, service.clock.wall())
    root = provisioner.root_of(store, environment)
    if root is None or not root.is_live:
        return
    provisioner.stacks.put(store, _with_retained(_with_signs(root, environment, signs), signs))
    if signs.retain is not None:
        for nested in provisioner.nested_of(store, root):
            provisioner.stacks.put(store, _with_retained(nested, signs))


def _with_signs(root: Stack, environment: Environment, signs: SeededSigns) -> Stack:
    protection = signs.termination_protection
    policy = root.policy if signs.stack_policy is None else signs.stack_policy
    return replace(
        root,
        created=environment.created if signs.age_seconds is not None else root.created,
        policy=policy if signs.locked is None else _locked(policy, signs.locked),
        termination_protection=root.termination_protection if protection is None else protection,
    )


def _with_retained(stack: Stack, signs: SeededSigns) -> Stack:
    if signs.retain is None:
        return stack
    kept = signs.retain
    return replace(stack, resources=tuple(replace(one, retain=leftover_kind(one) in kept) for one in stack.resources))


def _locked(policy: str | None, locked: bool) -> str:
    """Return a policy with the lock's statement or without it; the others stay, as the Amplify CLI leaves them."""
    statements: Any = json.loads(policy)["Statement"] if policy else []
    others = [one for one in ([statements] if isinstance(statements, dict) else statements) if one != LOCK_STATEMENT]
    if not locked and not others:
        others = [{**LOCK_STATEMENT, "Effect": "Allow"}]
    return json.dumps({"Statement": [*others, LOCK_STATEMENT] if locked else others})


def named_stack(store: Store, environment: Environment, meta: str | None) -> dict[str, str]:
    """Return what an `AmplifyMetaConfig` says of its root stack, as far as it is one that says so."""
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError):
        provider = json.loads(meta or "")["providers"]["awscloudformation"]
        found = {name: provider[name] for name in environment.provider if _is_name(provider.get(name))}
        if "StackName" in found and "StackId" not in found:
            found["StackId"] = stack_arn(store, found["StackName"], environment.ids.uuid("given stack"))
        return found
    return {}


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 2048


def make_stack(service: Service, store: Store, entry: SeededStack) -> None:
    """Make a stack, or let the one of this name be seen otherwise."""
    book = service.provisioner.stacks
    existing = find(book, store, entry.name)
    if existing is None or not existing.is_live:
        number = len(list(book.all(store)))
        unique = Ids(store.account, store.region, entry.name, str(number)).uuid("stack")
        existing = Stack(entry.name, stack_arn(store, entry.name, unique), created=0.0)
    created = earlier(service.clock, entry.age_seconds)
    seeded = replace(
        existing,
        status=entry.status,
        created=created,
        deleted=created if entry.status == "DELETE_COMPLETE" else None,
        policy=entry.policy or existing.policy,
        termination_protection=entry.termination_protection,
        tags=overlaid(existing.tags, entry.tags),
        outputs=overlaid(existing.outputs, entry.outputs),
    )
    book.put(store, seeded)


def make_branches(service: Service, app: App, entries: Iterable[SeededBranch]) -> None:
    now = service.clock.wall()
    for entry in entries:
        branch = app.hosting.branches.setdefault(entry.name, Branch(entry.name, created=now, updated=now))
        branch.tags = overlaid(branch.tags, entry.tags)
        for job in entry.jobs:
            job_id = branch.next_job_id()
            branch.jobs[job_id] = _branch_job(service.clock, job_id, job)


def _branch_job(clock: Clock, job_id: str, entry: SeededBranchJob) -> BranchJob:
    # On the clock that drives jobs; one that is RUNNING has begun before now.
    started = max(0.0, clock.now() - max(entry.age_seconds, 0.001))
    if entry.status in ENDED:
        return BranchJob(job_id, "RELEASE", started, ends=started, outcome=entry.status)
    return BranchJob(job_id, "RELEASE", started, ends=None if entry.seconds is None else clock.now() + entry.seconds)
