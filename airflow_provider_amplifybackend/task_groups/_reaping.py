"""The tasks of ``reap_environments``: look at the fleet, delete what is to go, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend._compat import (
    AirflowSkipException,
    conf,
    count_living_runs,
    redact,
    state_of_task,
)
from airflow_provider_amplifybackend.core.lease_failure import LeaseFailure
from airflow_provider_amplifybackend.exceptions import (
    AmplifyBackendError,
    BackendLeaseError,
    BackendParameterError,
)
from airflow_provider_amplifybackend.guard.lease import lease_key
from airflow_provider_amplifybackend.guard.protected import pattern_problem
from airflow_provider_amplifybackend.guard.reaper import Action, Rules, no_more_than
from airflow_provider_amplifybackend.parameters.durations import as_duration
from airflow_provider_amplifybackend.parameters.json_texts import read_json
from airflow_provider_amplifybackend.parameters.reading import as_flag, as_name, shown
from airflow_provider_amplifybackend.task_groups._reconsidered import ReconsideredDeletion
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.core.job import JobResult
    from airflow_provider_amplifybackend.guard.reaper import Decision

DECISIONS = "decisions"


def as_app_ids(name: str, value: Any) -> list[str] | None:
    """Return ids of apps, also from a JSON text; None: all apps."""
    if value is None:
        return None
    if isinstance(value, str):
        value = read_json(f"{name}={shown(value)}", value, "pass a list, or a template that ends with | tojson")
    if not isinstance(value, list | tuple) or not value:
        raise BackendParameterError(f"{name}={shown(value)} must be a list of app ids; leave it out for all apps")
    return list(dict.fromkeys(as_name(name, each) for each in value))


def as_pattern(name: str, value: Any) -> str | None:
    """Return a pattern with ``*`` and ``?``; None if there is none."""
    if value is None:
        return None
    if problem := pattern_problem(value):
        raise BackendParameterError(f"{name}={shown(value)} {problem}: pass a pattern such as 'pr*'")
    return str(value).strip()


def as_optional_duration(name: str, value: Any) -> Any:
    """Return a duration; None if there is none."""
    return None if value is None else as_duration(name, value)


def as_rules(name: str, value: Any) -> Rules:
    """Return the rules as the task that looks has handed them on."""
    if not isinstance(value, Mapping):
        raise BackendParameterError(f"{name}={shown(value)} must be the rules that the survey has returned")
    older_than = value.get("older_than")
    return Rules(
        name=value.get("name"),
        older_than=None if older_than is None else as_duration(name, older_than),
        dag_ids=value.get("dag_ids") or "*",
    )


class SurveyEnvironmentsOperator(AwsParameters):
    """
    Look at the environments of apps, and decide about each; nothing is deleted.

    :param app_ids: The apps. Default: all of the account in the region. (templated)
    :param name_pattern: A pattern of names, for environments without a lease. (templated)
    :param older_than: The age that these must have. (templated)
    :param dag_ids: A pattern of the DAGs whose leases count. (templated)
    :param is_dry_run: Whether only to say what would be done. (templated)

    An app that cannot be read is left out, unless none can.

    :return: The parameters of each deletion; none in a dry run. The XCom ``decisions`` has all verdicts, and the apps
        that could not be read.
    """

    template_fields: Sequence[str] = (
        "app_ids",
        "name_pattern",
        "older_than",
        "dag_ids",
        "is_dry_run",
        *AwsParameters.template_fields,
    )
    careful = AwsParameters.careful | {"app_ids", "dag_ids"}
    readers: ClassVar[dict[str, Callable[[str, Any], Any]]] = AwsParameters.readers | {
        "app_ids": as_app_ids,
        "name_pattern": as_pattern,
        "older_than": as_optional_duration,
        "dag_ids": as_pattern,
        "is_dry_run": as_flag,
    }
    ui_color = "#fff3e0"

    def __init__(
        self,
        *,
        app_ids: Any = None,
        name_pattern: str | None = None,
        older_than: Any = None,
        dag_ids: str = "*",
        is_dry_run: Any = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_ids = app_ids
        self.name_pattern = name_pattern
        self.older_than = older_than
        self.dag_ids = dag_ids
        self.is_dry_run = is_dry_run

    @classmethod
    def problems(cls, values: Mapping[str, Any], *, templates: bool = False) -> list[str]:
        """Return a sentence for each parameter that cannot be used."""
        found = super().problems(values, templates=templates)
        if (values.get("name_pattern") is None) != (values.get("older_than") is None):
            found.append("name and older_than belong together: a name alone would reap what was made just now")
        return found

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Decide, free leases of what is gone, and return what is to be deleted."""
        self.validate()
        rules, dry_run = self._rules(), bool(self.read("is_dry_run"))
        decisions, unread = self._decisions(context, rules, dry_run=dry_run)
        self._write_log(decisions, dry_run=dry_run)
        context["ti"].xcom_push(
            key=DECISIONS,
            value={"dry_run": dry_run, "decisions": [d.to_dict() for d in decisions], "unread": unread},
        )
        if dry_run:
            return []
        return [
            {"app_id": one.app_id, "backend_environment_name": one.environment, "rules": self._handed_on(rules)}
            for one in decisions
            if one.action is Action.DELETE
        ]

    def _rules(self) -> Rules:
        return Rules(
            name=self.read("name_pattern"), older_than=self.read("older_than"), dag_ids=self.read("dag_ids") or "*"
        )

    @staticmethod
    def _handed_on(rules: Rules) -> dict[str, str]:
        members = {"dag_ids": rules.dag_ids}
        if rules.name is not None and rules.older_than is not None:
            members |= {"name": rules.name, "older_than": f"{max(1, int(rules.older_than.total_seconds()))}s"}
        return members

    def _apps(self) -> list[str]:
        from airflow_provider_amplifybackend.guard.lease_reads import list_apps
        from airflow_provider_amplifybackend.guard.signs import UnreadableError

        if (app_ids := self.read("app_ids")) is not None:
            return list(app_ids)
        try:
            return self.hook.guard.read(list_apps())
        except UnreadableError as error:
            text = f"The apps cannot be listed: {error}. Name them with app_ids, or allow amplify:ListApps"
            raise BackendLeaseError(text, reason=LeaseFailure.TAGS) from None

    def _decisions(
        self, context: Context, rules: Rules, *, dry_run: bool
    ) -> tuple[list[Decision], list[dict[str, str]]]:
        """Return the verdicts, and the apps that could not be read.

        :raises AmplifyBackendError: No app could be read.
        """
        decisions: list[Decision] = []
        errors: dict[str, AmplifyBackendError] = {}
        apps = self._apps()
        for app_id in apps:
            try:
                decisions += self._decided(context, app_id, rules, dry_run=dry_run)
            except AmplifyBackendError as error:
                self.log.error("App %s is left out, as it cannot be read: %s", app_id, error)
                errors[app_id] = error
        if errors and len(errors) == len(apps):
            raise next(iter(errors.values()))
        if not dry_run:
            # Airflow maps a task over no more than this.
            decisions = list(no_more_than(conf.getint("core", "max_map_length", fallback=1024), decisions))
        return decisions, [
            {"app_id": app_id, "backend_environment_name": "", "why": "unread", "text": str(redact(str(error)))}
            for app_id, error in errors.items()
        ]

    def _decided(self, context: Context, app_id: str, rules: Rules, *, dry_run: bool) -> list[Decision]:
        from airflow_provider_amplifybackend.task_groups._fleet_look import FleetLook

        look = FleetLook(self.hook, partial(count_living_runs, context), app_id, rules)
        decisions = list(look.decisions())
        freed = [lease_key(one.environment) for one in decisions if one.action is Action.RELEASE]
        if freed and not dry_run:
            look.leases.remove(*freed)
        return decisions

    def _write_log(self, decisions: Sequence[Decision], *, dry_run: bool) -> None:
        for one in decisions:
            self.log.info("%s %s of app %s: %s", one.action.upper(), one.environment, one.app_id, one.text)
        numbers = Counter(one.action for one in decisions)
        self.log.info(
            "%d environments to delete, %d leases without an environment, %d environments kept%s",
            numbers[Action.DELETE],
            numbers[Action.RELEASE],
            numbers[Action.KEEP],
            ". This is a dry run: nothing is changed" if dry_run else "",
        )


class ReapEnvironmentOperator(ReconsideredDeletion):
    """
    Delete an environment that the survey has picked, if it would be picked again just before the request.

    :param rules: The rules that the survey has handed on. (templated)
    """

    template_fields: Sequence[str] = (*ReconsideredDeletion.template_fields, "rules")
    readers = ReconsideredDeletion.readers | {"rules": as_rules}

    def __init__(self, *, rules: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rules = rules

    def objection(self, context: Context, environment: str) -> str:
        """Return why the rules no longer pick the environment."""
        from airflow_provider_amplifybackend.task_groups._fleet_look import FleetLook

        count_living = partial(count_living_runs, context)
        decision = FleetLook(self.hook, count_living, str(self.app_id), self.read("rules")).again(environment)
        return "" if decision.action is Action.DELETE else f"it is no longer to be reaped: {decision.text}"

    def stay(self, context: Context, objection: str) -> JobResult:
        """Skip the task."""
        raise AirflowSkipException(f"Not deleted: {objection}")

    def _unless_objected(self, context: Context, run: Callable[[], JobResult]) -> JobResult:
        result = super()._unless_objected(context, run)
        self._free()
        return result

    def _free(self) -> None:
        from airflow_provider_amplifybackend.hooks._leases import Leases

        name = str(self.backend_environment_name)
        if name in self.hook.get_environments(self.app_id):
            raise BackendLeaseError(
                f"Environment {name} (app {self.app_id}) still exists after its deletion. Its lease stays; a retry "
                "deletes it again",
                reason=LeaseFailure.NOT_GONE,
            )
        Leases(self.hook, self.app_id).remove(lease_key(name))


class ReportReapingOperator(AwsParameters):
    """
    Report what was reaped, what was kept, and why; fail if something that was to go is still there, or was not read.

    :param survey: The id of the task that looks.
    :param deletion: The id of the task that deletes.

    :return: ``dry_run``, and the environments by what became of them: ``deleted``, ``would_delete``, ``not_deleted``,
        ``released``, ``kept`` and ``unread`` (the apps), each with ``app_id``, ``backend_environment_name``, ``why``
        and ``text``.
    :raises BackendLeaseError: Something that was to go is still there, or an app could not be read.
    """

    ui_color = "#fff3e0"

    def __init__(self, *, survey: str, deletion: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.survey = survey
        self.deletion = deletion

    def execute(self, context: Context) -> dict[str, Any]:
        """Put the verdicts and the ends of the deletions together."""
        surveyed = context["ti"].xcom_pull(task_ids=self.survey, key=DECISIONS)
        if not isinstance(surveyed, Mapping):
            raise BackendLeaseError(
                f"Nothing was reaped: task {self.survey} has returned no verdicts", reason=LeaseFailure.NOT_REAPED
            )
        report = self._sorted(context, surveyed)
        for outcome, rows in report.items():
            for row in rows if isinstance(rows, list) else ():
                where = f"{row['backend_environment_name']} of app {row['app_id']}".removeprefix(" of ")
                self.log.info("%s: %s: %s", outcome.replace("_", " "), where, row["text"])
        if report["not_deleted"] or report["unread"]:
            raise self.not_reaped(report["not_deleted"], report["unread"])
        return report

    def not_reaped(
        self, rows: Sequence[Mapping[str, Any]], unread: Sequence[Mapping[str, Any]] = ()
    ) -> BackendLeaseError:
        """Return the error for environments that are still there, and for apps that could not be read."""
        parts = []
        if rows:
            names = ", ".join(f"{row['backend_environment_name']} (app {row['app_id']})" for row in rows)
            parts.append(f"Not reaped: {names}. The log of {self.deletion} says why; the next run tries again")
        if unread:
            apps = "; ".join(f"{row['app_id']}: {row['text']}" for row in unread)
            parts.append(f"Not read: {apps}. The other apps were looked at")
        return BackendLeaseError(". ".join(parts), reason=LeaseFailure.NOT_REAPED)

    def _sorted(self, context: Context, surveyed: Mapping[str, Any]) -> dict[str, Any]:
        dry_run = bool(surveyed["dry_run"])
        report: dict[str, Any] = {
            "dry_run": dry_run,
            **{name: [] for name in ("deleted", "would_delete", "not_deleted", "released", "kept")},
            "unread": list(surveyed.get("unread", ())),
        }
        index = 0
        for row in surveyed["decisions"]:
            outcome = {Action.KEEP: "kept", Action.RELEASE: "released"}.get(Action(row["action"]), "would_delete")
            if outcome == "would_delete" and not dry_run:
                state = state_of_task(context, self.deletion, index)
                index += 1
                outcome = {"success": "deleted", "skipped": "kept"}.get(str(state), "not_deleted")
            report[outcome].append({key: value for key, value in row.items() if key != "action"})
        return report
