"""``reap``: the verdicts of the reaper; with ``--yes-delete``, the deletions, too."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.cli._database import count_living_runs
from airflow_provider_amplifybackend.cli._running import FAILED, OK, command, failures, make_hook, shown, told, write

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.guard.reaper import Decision, Rules
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
    from airflow_provider_amplifybackend.task_groups._fleet_look import FleetLook

Row = dict[str, Any]
WAITER_DELAY = 10  # somebody is looking at it


@command
def reap(options: Namespace) -> int:
    """Say what the reaper would do, and do it if that was asked for."""
    from airflow_provider_amplifybackend.parameters.durations import as_duration

    rules, timeout = _rules(options), as_duration("--timeout", options.timeout).total_seconds()
    hook = make_hook(options)
    app_ids = _app_ids(hook, options.app_id)
    rows: list[Row] = []
    is_whole = False
    try:
        for app_id in app_ids:
            for row in _of_app(hook, app_id, rules, timeout if options.yes_delete else None):
                rows.append(row)
                if options.output == "text":
                    write(_line(row))
        is_whole = True
    finally:  # after Ctrl-C or an error, too: what was deleted until then is told nowhere else
        totals = _totals(rows, deletes=options.yes_delete, is_whole=is_whole)
        write(json.dumps(rows, indent=2) if options.output == "json" else totals)
    return FAILED if any(row["outcome"] in ("failed", "unread") for row in rows) else OK


def _rules(options: Namespace) -> Rules:
    from airflow_provider_amplifybackend.exceptions import BackendParameterError
    from airflow_provider_amplifybackend.guard.reaper import Rules
    from airflow_provider_amplifybackend.task_groups._reaping import as_optional_duration, as_pattern

    if (options.name is None) != (options.older_than is None):
        raise BackendParameterError("--name and --older-than belong together: a name alone would reap what is new")
    return Rules(
        name=as_pattern("--name", options.name),
        older_than=as_optional_duration("--older-than", options.older_than),
        dag_ids=as_pattern("--dag-ids", options.dag_ids) or "*",
    )


def _app_ids(hook: AmplifyBackendHook, app_ids: list[str] | None) -> Iterable[str]:
    from airflow_provider_amplifybackend.guard.lease_reads import list_apps
    from airflow_provider_amplifybackend.parameters.reading import as_name

    if app_ids is None:
        return hook.guard.read(list_apps())
    return dict.fromkeys(as_name("--app-id", app_id) for app_id in app_ids)


def _of_app(hook: AmplifyBackendHook, app_id: str, rules: Rules, timeout: float | None) -> Iterator[Row]:
    """Yield what became of each environment of an app.

    :param timeout: Seconds to wait for a deletion; None: nothing is deleted.
    """
    from airflow_provider_amplifybackend.task_groups._fleet_look import FleetLook

    look = FleetLook(hook, count_living_runs, app_id, rules)
    try:
        for decision in look.decisions():
            deletion = _Deletion(hook, decision)
            try:
                outcome = _outcome(look, deletion, timeout)
            except BaseException:
                if deletion.is_under_way:
                    yield _row(decision, "failed", deletion.interrupted)
                raise
            yield _row(decision, *outcome)
    except failures() as error:
        yield {"app_id": app_id, "backend_environment_name": "", "outcome": "unread", "text": told(error)}


def _row(decision: Decision, outcome: str, text: str) -> Row:
    names = {"app_id": decision.app_id, "backend_environment_name": decision.environment}
    return names | {"outcome": outcome, "why": str(decision.why), "text": text}


def _outcome(look: FleetLook, deletion: _Deletion, timeout: float | None) -> tuple[str, str]:
    from airflow_provider_amplifybackend.guard.lease import lease_key
    from airflow_provider_amplifybackend.guard.reaper import Action

    decision = deletion.decision
    if decision.action is Action.KEEP:
        # Whether it is to go cannot be told, which is for a status: a cron job would be green for ever.
        return "unread" if decision.is_unread else "kept", shown(decision.text)
    if timeout is None:
        return f"would_{decision.action}", shown(decision.text)
    try:
        if decision.action is Action.DELETE:
            latest = look.again(decision.environment)
            if latest.action is not Action.DELETE:
                return "kept", f"it is no longer to be reaped: {shown(latest.text)}"
            deletion.run(timeout)
        look.leases.remove(lease_key(decision.environment))
    except failures() as error:
        return "failed", told(error)
    return ("deleted" if decision.action is Action.DELETE else "released"), shown(decision.text)


@dataclass
class _Deletion:
    """The deletion of an environment. The guard stands before its request, as for every other."""

    hook: AmplifyBackendHook
    decision: Decision
    is_under_way: bool = False
    job_id: str = ""

    def run(self, timeout: float) -> None:
        """Delete it and see that it is gone."""
        from airflow_provider_amplifybackend.core.lease_failure import LeaseFailure
        from airflow_provider_amplifybackend.exceptions import BackendLeaseError

        app_id, environment = self.decision.app_id, self.decision.environment
        self.is_under_way = True
        job = self.hook.start_operation("DeleteBackend", {"AppId": app_id, "BackendEnvironmentName": environment})
        self.job_id = job.job_id
        self.hook.wait_for_job(job.ref, timeout=timeout, waiter_delay=WAITER_DELAY)
        if environment in self.hook.get_environments(app_id):
            raise BackendLeaseError(
                f"Its deletion (job {job.job_id}) has ended, and it still exists. Its lease stays",
                reason=LeaseFailure.NOT_GONE,
            )

    @property
    def interrupted(self) -> str:
        """The text for a command that was stopped meanwhile."""
        job = f"job {shown(self.job_id)} deletes it" if self.job_id else "its deletion may have been started"
        return f"interrupted: {job}, and AmplifyBackend cannot cancel jobs. Its lease may stay"


def _line(row: Row) -> str:
    outcome = row["outcome"].replace("_", " ").upper()
    where = f"{row['backend_environment_name']} of app {row['app_id']}".removeprefix(" of ")
    return f"{outcome:<13} {shown(where)}: {row['text']}"


def _totals(rows: list[Row], *, deletes: bool, is_whole: bool) -> str:
    numbers = Counter(row["outcome"].replace("_", " ") for row in rows)
    counted = ", ".join(f"{number} {outcome}" for outcome, number in sorted(numbers.items())) or "no environment"
    counted = counted if is_whole else f"Ended early: {counted}"
    return counted if deletes else f"{counted}. Nothing was changed; --yes-delete deletes what would be deleted"
