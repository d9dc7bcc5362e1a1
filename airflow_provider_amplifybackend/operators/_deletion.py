"""One deletion by a task: the plan that it keeps to, the record that it leaves, and the proof that all is gone.

Nothing here lives in memory only: what was there before the request is in the plan, in the record or in the task's
state store, so that the worker which sees the job's end can look for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.job import Job, Outcome
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.exceptions import (
    BackendGuardError,
    BackendJobFailedError,
    BackendLeftoversError,
    BackendRecordError,
    BackendStartError,
)
from airflow_provider_amplifybackend.guard.conditions import utc_now
from airflow_provider_amplifybackend.guard.inventory import Gap, Thing, remembering
from airflow_provider_amplifybackend.guard.plan import Plan, PlanError, Scope, difference, merged, read_plan
from airflow_provider_amplifybackend.guard.proof import Proof, look_for
from airflow_provider_amplifybackend.guard.reach import Reach
from airflow_provider_amplifybackend.guard.record import (
    State,
    TaskFacts,
    file_name,
    is_record,
    new_document,
    plans_of,
    read_configuration,
    with_entry,
)
from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError
from airflow_provider_amplifybackend.guard.verdict import Refusal

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import StateStore
    from airflow_provider_amplifybackend.guard.approval import Approval
    from airflow_provider_amplifybackend.hooks._records import RecordFile
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
    from airflow_provider_amplifybackend.start.actions import Log

# What was there before the requests of all tries, for a proof that has neither a plan nor a record.
BEFORE_KEY = "amplifybackend_before"
BEFORE = "what was there before the deletion"
# What is left behind is looked for again: a service can list for a moment what it has deleted.
LOOKS = 3
# The reasons for which a start fails although a request may have been sent.
MAY_HAVE_SENT = frozenset({StartFailure.UNKNOWN_OWNER, StartFailure.OUT_OF_TIME, StartFailure.UNREADABLE_STATE})


@dataclass(frozen=True)
class Wishes:
    """The wishes of the user for a deletion."""

    plan: Plan | None = None
    # Where records go, as the user has it.
    record: Any = None
    # "report", "fail" or None.
    leftovers: str | None = None

    @property
    def are_any(self) -> bool:
        """Tell whether anything is asked for."""
        return self != Wishes()


class Deletion:
    """A deletion of an environment, or of all those of an app.

    ``check_plan`` and ``write_record`` are the guard's last checks, in this order, after that of an approval.

    :param store: The task's state store, where Airflow has one.
    """

    def __init__(
        self,
        hook: AmplifyBackendHook,
        operation: str,
        request: Mapping[str, Any],
        wishes: Wishes,
        task: TaskFacts,
        *,
        store: StateStore | None,
        log: Log,
    ) -> None:
        self._hook = hook
        self._operation = operation
        self._request = request
        self._wishes = wishes
        self._task = task
        self._store = store
        self._log = log
        self._approval: Approval | None = None
        # What was there at the last check.
        self.before: Plan | None = None
        self._file = self._record_file()
        self._is_recorded = False

    # ------------------------------------------------------------------------------------------ before the request

    def approved(self, approval: Approval) -> None:
        """Note who has approved the plan, for the record."""
        if self._approval is None:
            self._log.info("The plan was approved by %s at %s", approval.by, approval.at)
        self._approval = approval

    def check_plan(self, reach: Reach) -> Refusal | None:
        """Read what would go now, and refuse if that is not what was planned."""
        if reach.operation != self._operation:
            return None
        planned, scope = self._wishes.plan, self._scope()
        if (reach.app_id, reach.environment) != (scope.app_id, scope.environment):
            return Refusal(GuardRefusal.PLAN_CHANGED, "the request to be sent is not the one that the task has made")
        if planned and planned.scope != scope:
            text = f"the plan is for {planned.scope}, and this deletes {scope}"
            return Refusal(GuardRefusal.PLAN_CHANGED, text)
        self.before = self._read(read_plan(scope, utc_now(current().now())))
        if planned and planned.digest != self.before.digest:
            changes = "; ".join(difference(planned, self.before))
            return Refusal(
                GuardRefusal.PLAN_CHANGED,
                f"this is no longer what was planned: {changes}. Plan again, and have the new plan approved",
            )
        return None

    def write_record(self, reach: Reach) -> Refusal | None:
        """Write what is there and who deletes it, before the request; refuse if that cannot be written."""
        if reach.operation != self._operation or self.before is None:
            return None
        if self._file is None:
            if self._wishes.leftovers and self._wishes.plan is None and self._store is not None:
                self._store.set(BEFORE_KEY, self._with_earlier(self.before, self._store).to_dict())
            return None
        entry = {
            "state": State.REQUESTING,
            "written_at": _now(),
            "by": {**self._task.by, **self._aws_identity()},
            "plan": self._wishes.plan.digest if self._wishes.plan else None,
            "approval": self._approval.to_dict() if self._approval else None,
            "before": self.before.to_dict(),
            "configuration": self._read(read_configuration(self._request["AppId"], self.before.environments)),
        }
        if problem := self._write(self._file, entry):
            return Refusal(
                GuardRefusal.RECORD,
                f"record: {self._file} cannot be written, and nothing is deleted without its record: {problem}",
            )
        return None

    def _with_earlier(self, before: Plan, store: StateStore) -> Plan:
        """Return what was there before the requests of all tries: a job that fails has deleted a part of it."""
        members = store.get(BEFORE_KEY)
        if not isinstance(members, Mapping):
            return before
        try:
            return merged(Plan.from_dict(members), before)
        except PlanError as error:
            return replace(before, unknown=(*before.unknown, Gap(BEFORE, str(error), hides=True)))

    def _scope(self) -> Scope:
        return Scope(
            app_id=self._request["AppId"],
            environment=self._request.get("BackendEnvironmentName"),
            clean_amplify_app=bool(self._request.get("CleanAmplifyApp")),
            region=self._hook.conn_region_name or "",
        )

    def _aws_identity(self) -> dict[str, str]:
        """Return which identity deletes, which the service itself does not say."""

        def ask() -> Any:
            return (yield Ask("sts", "GetCallerIdentity", {}))

        try:
            return {"aws_identity": str(self._read(ask())["Arn"])}
        except (UnreadableError, KeyError):
            return {}

    def _read(self, reads: Any) -> Any:
        return self._hook.guard.read(remembering(reads))

    # --------------------------------------------------------------------------------------------- after the job

    def ended(self, job: Job | None, outcome: Outcome, result: Mapping[str, Any]) -> dict[str, Any]:
        """Look for what should be gone, complete the record, and return what the task's result has beside the job.

        :raises BackendLeftoversError: Something is left behind or may be, and the user wants to know of it.
        :raises BackendRecordError: The record cannot be completed.
        """
        proof = self._prove() if self._wishes.leftovers and (job is None or job.is_completed) else None
        found = proof.to_dict() if proof else None
        state = State.SKIPPED if job is None else State.COMPLETED if job.is_completed else State.RUNNING
        self._complete(state, {"outcome": str(outcome), "job": dict(result)} | ({"proof": found} if found else {}))
        if proof and found and not proof.is_complete and self._wishes.leftovers == "fail":
            raise BackendLeftoversError(job.ref if job else None, found["leftovers"], found["unknown"])
        more: dict[str, Any] = {"record": str(self._file)} if self._file else {}
        return more | ({"leftovers": found.pop("leftovers"), "proof": found} if found else {})

    def went_wrong(self, error: Exception) -> None:
        """Note in the record that a try has failed; a record that cannot be written is no reason to hide the error."""
        if self._file is None or self._is_recorded or _is_about_record(error):
            return
        job = getattr(error, "job", None)
        details: dict[str, Any] = {"error": f"{type(error).__name__}: {error}"}
        if isinstance(job, Job):
            details["job"] = {name: fact for name, fact in job.to_xcom(Outcome.STARTED).items() if name != "outcome"}
        try:
            self._complete(_state_after(error), details)
        except BackendRecordError as failure:
            self._log.warning("%s", failure)

    def _complete(self, state: State, ending: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        if problem := self._write(self._file, {"state": state, "ended_at": _now(), **ending}):
            raise BackendRecordError(
                f"{state}: {self._operation} (app {self._request['AppId']}), but its record {self._file} cannot be "
                f"completed: {problem}. A retry of the task completes it, and deletes nothing more"
            )
        self._is_recorded = True

    # ------------------------------------------------------------------------------------------------- the proof

    def _prove(self) -> Proof:
        proof = Proof(self._request["AppId"], self._hook.conn_region_name or "")
        things = self._known_before(proof)
        if not things:
            proof.unknown.append(Gap(BEFORE, "this task has read none of it", hides=True))
        self._read(look_for(proof, things))
        for _ in range(LOOKS - 1):
            if not proof.left:
                break
            current().sleep(current().between_checks)
            again, proof.left = [thing for thing, _ in proof.left], []
            self._read(look_for(proof, again))
        self._report(proof)
        return proof

    def _report(self, proof: Proof) -> None:
        for one in proof.leftovers:
            self._log.warning("Left behind: %(type)s %(id)s (%(state)s). %(console)s To delete it: %(command)s", one)
        for thing in proof.missing:
            self._log.warning("Gone, although it was to stay (%s): %s", thing.stays, thing)
        for gap in proof.unknown:
            self._log.warning("Cannot tell whether it is gone: %s: %s", gap.what, gap.why)
        self._log.info("Looked for what was there before: %d gone, %d kept", len(proof.gone), len(proof.kept))

    def _known_before(self, proof: Proof) -> list[Thing]:
        """Return what was there before this task's requests, of all its tries; note what may have been there unseen."""
        known: dict[tuple[str, str], Thing] = {}
        hidden: dict[str, Gap] = {}
        for plan in self._plans(proof):
            known |= {thing.key: thing for thing in plan.things}
            hidden |= {gap.what: gap for gap in plan.unknown if gap.hides}
        proof.unknown += hidden.values()
        return list(known.values())

    def _plans(self, proof: Proof) -> Iterator[Plan]:
        if self._wishes.plan:
            yield self._wishes.plan
        for members in (*self._stored(), *self._recorded(proof)):
            if isinstance(members, Mapping):
                try:
                    yield Plan.from_dict(members)
                except PlanError as error:
                    proof.unknown.append(Gap(BEFORE, str(error), hides=True))
        if self.before:
            yield self.before

    def _stored(self) -> Iterator[Any]:
        if self._store is not None:
            yield self._store.get(BEFORE_KEY)

    def _recorded(self, proof: Proof) -> Iterator[Any]:
        from airflow_provider_amplifybackend.hooks._records import StorageError

        try:
            yield from plans_of(self._document(self._file)) if self._file is not None else ()
        except StorageError as error:
            proof.unknown.append(Gap(BEFORE, f"{self._file} cannot be read: {error}", hides=True))

    # ------------------------------------------------------------------------------------------------- the record

    def _record_file(self) -> RecordFile | None:
        if self._wishes.record is None:
            return None
        from airflow_provider_amplifybackend.hooks._records import RecordFile

        name = file_name(self._request["AppId"], self._request.get("BackendEnvironmentName"), self._task)
        return RecordFile(self._wishes.record, name, aws_conn_id=self._hook.aws_conn_id)

    def _document(self, file: RecordFile) -> dict[str, Any]:
        document = file.read()
        if document is None:
            return new_document(self._operation, self._request, self._task)
        if not is_record(document):
            from airflow_provider_amplifybackend.hooks._records import StorageError

            raise StorageError("what is there is no record of this version, and is left as it is")
        return cast("dict[str, Any]", document)

    def _write(self, file: RecordFile, entry: Mapping[str, Any]) -> str | None:
        """Write an entry of this try; return what has kept it from being written."""
        from airflow_provider_amplifybackend.hooks._records import StorageError

        entry = {
            "try_number": self._task.try_number,
            **{key: value for key, value in entry.items() if value is not None},
        }
        try:
            file.write(with_entry(self._document(file), entry))
        except StorageError as error:
            return str(error)
        return None


def _state_after(error: Exception) -> State:
    """Return the state of a try that ends with an error."""
    if isinstance(error, BackendGuardError):
        return State.REFUSED
    if isinstance(error, BackendJobFailedError):
        return State.FAILED
    if isinstance(error, BackendStartError) and error.reason not in MAY_HAVE_SENT:
        return State.NOT_STARTED
    return State.UNKNOWN


def _is_about_record(error: Exception) -> bool:
    return isinstance(error, BackendRecordError) or getattr(error, "reason", None) is GuardRefusal.RECORD


def _now() -> str:
    return datetime.fromtimestamp(current().now(), UTC).isoformat(timespec="seconds")
