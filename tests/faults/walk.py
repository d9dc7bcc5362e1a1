"""Stories of a start, walked at random: a task instance, other people, and the service between them.

The task is a real operator with its real start protocol, the service is the local one without HTTP, and time is the
service's. Between any two steps others may act, time may pass, or the process may die; then the task is retried or
cleared. A story takes all its chances from one `random.Random`, so a seed is a story.

What must hold, whatever happens:

- of one round, no start is accepted while an earlier one's job runs or has completed;
- a success means that a job of the task's own has completed, where the API can show whose it was;
- after a clear, no job is reported that was reported before;
- an environment is cleaned up only if the task's own failed job has made it;
- once nothing goes wrong any more, a task that is cleared does again exactly what it is there for.
"""

from __future__ import annotations

import importlib
import json
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from unittest import mock

from airflow_provider_amplifybackend._errors import wait_error
from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, OPERATIONS, Effect
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError, drive
from airflow_provider_amplifybackend.core.service_text import ServiceTexts
from airflow_provider_amplifybackend.core.status_check import check_job
from airflow_provider_amplifybackend.core.waiting import Wait
from airflow_provider_amplifybackend.exceptions import AmplifyBackendError
from airflow_provider_amplifybackend.local.service.clock import KeptClock
from airflow_provider_amplifybackend.local.service.errors import AnsweredError as Refusal
from airflow_provider_amplifybackend.local.service.job_book import Fate, JobRecord
from airflow_provider_amplifybackend.local.service.service import Service
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.service.store import App, Environment
from airflow_provider_amplifybackend.local.testing.seed import seed
from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.triggers import _events as events
from tests.faults.airflow_stand_in import Killed, TaskInstance
from tests.operators.requests_by_operation import API, STORAGE, operator_classes
from tests.samples import APP, auth, auth_change
from tests.state_store import StateStore

# In seconds, the service's: a request that was given up arrives up to LATE later, and is listed up to LAG after that.
LATE, LAG, PATIENCE = 5.0, 10.0, 25.0
MOST_ACTIONS = 5_000
BEGINNING = 1_800_000_000.0
SWITCHES = (
    "clone_answer_environment",
    "clone_job_environment",
    "clone_holds_source",
    "environment_appears",
    "failed_creation_leaves_environment",
    "gone_environment",
    "remove_all_job_environment",
    "operation_in_answers",
)
CHOICES: dict[str, tuple[Any, ...]] = {
    name: entry.metadata["choices"] for name, entry in Settings.__dataclass_fields__.items() if name in SWITCHES
}


def _new_auth(length: float) -> dict[str, Any]:
    return auth_change(PasswordPolicy={"MinimumLength": length})


def _resource(name: str, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    request = {"AppId": APP, "BackendEnvironmentName": "staging", "ResourceName": name}
    return request | ({} if config is None else {"ResourceConfig": dict(config)})


def request_of(operation: str, whose: str) -> dict[str, Any]:
    """A request of the task (`ours`) or of somebody else (`theirs`), which differ where the API has a place for it."""
    ours = whose == "ours"
    permissions = {"Permissions": {"Authenticated": ["READ"] if ours else ["DELETE"]}}
    requests: dict[str, dict[str, Any]] = {
        "CloneBackend": {"AppId": APP, "BackendEnvironmentName": "staging", "TargetEnvironmentName": "pr"},
        "CreateBackend": {"AppId": APP, "AppName": "shop", "BackendEnvironmentName": "pr"},
        "DeleteBackend": {"AppId": APP, "BackendEnvironmentName": "pr"},
        "RemoveAllBackends": {"AppId": APP},
        "CreateBackendAuth": _resource("main", auth(UserPoolName=whose)),
        "UpdateBackendAuth": _resource("main", _new_auth(14.0 if ours else 10.0)),
        "ImportBackendAuth": {
            "AppId": APP,
            "BackendEnvironmentName": "staging",
            "NativeClientId": whose,
            "WebClientId": whose,
            "UserPoolId": f"us-east-1_{whose}",
        },
        "DeleteBackendAuth": _resource("main"),
        "CreateBackendAPI": _resource("main", API | {"ApiName": whose}),
        "UpdateBackendAPI": _resource("main", {"ApiName": whose}),
        "DeleteBackendAPI": _resource("main"),
        "GenerateBackendAPIModels": _resource("main"),
        "CreateBackendStorage": _resource("main", STORAGE | permissions),
        "UpdateBackendStorage": _resource("main", STORAGE | permissions),
        "ImportBackendStorage": {
            "AppId": APP,
            "BackendEnvironmentName": "staging",
            "ServiceName": "S3",
            "BucketName": whose,
        },
        "DeleteBackendStorage": _resource("main") | {"ServiceName": "S3"},
        "CreateBackendConfig": {"AppId": APP, "BackendManagerAppId": f"d{whose}"},
    }
    return requests[operation]


@dataclass
class Accepted:
    """A start that the service accepted. ``owner`` is the task's round and try, or None for somebody else."""

    operation: str
    request: Mapping[str, Any]
    owner: tuple[int, int] | None
    job: JobRecord
    accepted_at: float
    # Without environments, the job of CreateBackendConfig lives where only the lost answer says.
    is_findable: bool

    @property
    def target(self) -> str | None:
        return self.request.get("TargetEnvironmentName") or self.request.get("BackendEnvironmentName")


@dataclass(frozen=True)
class Temper:
    """How much goes wrong in a story, as chances at each step."""

    dies: float
    others: float
    same_operation: float
    passes: float
    lost: float
    fails: float
    lags: float

    @classmethod
    def of(cls, chances: random.Random) -> Temper:
        return cls(
            dies=chances.choice([0.0, 0.01, 0.03]),
            others=chances.choice([0.0, 0.02, 0.08]),
            same_operation=chances.choice([0.2, 0.5, 0.8]),
            passes=chances.choice([0.0, 0.03, 0.1]),
            lost=chances.choice([0.0, 0.4, 0.8]),
            fails=chances.choice([0.0, 0.2, 0.5]),
            lags=chances.choice([0.0, 0.4, 1.0]),
        )


CALM = Temper(0, 0, 0, 0, 0, 0, 0)


class NothingIsProtected:
    """A guard that lets everything pass: tests/guard is about the one that does not."""

    def check_names(self, api_operation: str, request: Mapping[str, Any]) -> None:
        assert OPERATIONS[api_operation].starts_job


class World:
    """The service and everybody who uses it. Also the hook of the task's operator."""

    conn_region_name = "us-east-1"
    connection_found = connection_works = True

    def __init__(self, chances: random.Random, operation: str) -> None:
        self.chances = chances
        self.temper = Temper.of(chances)
        self.operation = JOB_OPERATIONS[operation]
        self.actions = 0
        # The task's present round and try, for whom a start is sent.
        self.order, self.attempt_number = 0, 0
        self.accepted: list[Accepted] = []
        self.late: list[tuple[float, str, dict[str, Any], tuple[int, int]]] = []
        self.creators: dict[int, tuple[Environment, Accepted | None]] = {}
        self.fate = Fate()
        self.service = Service(fate_of=lambda operation, request: self.fate)
        phase = chances.random()
        self.service.random.seed(phase)
        # Never the machine's time: what is decided depends on where within a second things happen.
        beginning = BEGINNING + phase
        self.service.clock.restore(KeptClock(0.0, 0.0, beginning, beginning))
        self.service.settings.update({name: chances.choice(choices) for name, choices in CHOICES.items()})
        self._seed()

    def _seed(self) -> None:
        """Mostly, the task finds what it needs."""
        environments: list[dict[str, Any]] = []
        creates = self.operation.effect is Effect.CREATES
        if self.chances.random() < 0.95:
            kinds = [kind for kind, chance in self._chances_of_resources() if self.chances.random() < chance]
            environments.append({"name": "staging", **{kind: {"main": None} for kind in kinds}})
        if self.chances.random() < (0.2 if creates else 0.8):
            environments.append({"name": "pr"})
        seed(self.service, {"apps": [{"app_id": APP, "app_name": "shop", "environments": environments}]})
        self._note_creators()

    def _chances_of_resources(self) -> Iterator[tuple[str, float]]:
        needed = {"models": "api"}.get(self.operation.resource, self.operation.resource)
        for kind in ("auth", "api", "storage"):
            yield kind, 0.5 if kind != needed else 0.2 if self.operation.effect is Effect.CREATES else 0.85

    # ------------------------------------------------------------------------------------------------ what is true

    @property
    def now(self) -> float:
        return self.service.clock.now()

    @property
    def app(self) -> App | None:
        return self.service.store().apps.get(APP)

    @property
    def environments(self) -> dict[str, Environment]:
        return self.app.environments if self.app else {}

    def exists(self) -> bool | None:
        """Whether what the task creates or removes is there; None where there is no such thing."""
        match self.operation.resource:
            case "environment":
                return "pr" in self.environments
            case "app":
                return bool(self.environments)
            case "auth" | "api" | "storage" as kind:
                there = self.environments["staging"].resources(kind) if "staging" in self.environments else {}
                return bool(there) if self.operation.name.startswith("Import") else "main" in there
            case "config":
                return self.app is not None and self.app.admin_config is not None
        return None

    def own(self, *, order: int | None = None) -> list[Accepted]:
        """The task's own starts that were accepted."""
        mine = [entry for entry in self.accepted if entry.owner and entry.operation == self.operation.name]
        return [entry for entry in mine if entry.owner and order in (None, entry.owner[0])]

    def _note_creators(self) -> None:
        for name, environment in self.environments.items():
            if id(environment) not in self.creators:
                made = [entry for entry in self.accepted if entry.target == name]
                made = [entry for entry in made if entry.operation in ("CreateBackend", "CloneBackend")]
                self.creators[id(environment)] = (environment, made[-1] if made else None)

    # ------------------------------------------------------------------------------------------------ what happens

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        for entry in sorted(self.late, key=lambda entry: entry[0]):
            due, operation, request, owner = entry
            if due <= until:
                self.service.clock.advance(max(0.0, due - self.now))
                self.late.remove(entry)
                self._try_to_start(operation, request, owner)
        self.service.clock.advance(max(0.0, until - self.now))
        self.service.settle()
        self._note_creators()

    def start(self, operation: str, request: Mapping[str, Any], owner: tuple[int, int] | None) -> dict[str, Any]:
        """Have the service start a job.

        :raises Refusal: The service's no.
        """
        chances, temper = self.chances, self.temper
        lag = LAG if chances.random() < temper.lags else 0.0
        fails = chances.random() < temper.fails
        self.fate = Fate(fails=fails, error="it failed" if fails else None, list_lag_seconds=lag)
        self.service.settings.job_seconds[operation] = chances.choice([0.5, 5.0, 20.0])
        self.service.clock.advance(0.01)
        had_environments = bool(self.environments)
        answer = self.service.call(operation, dict(request))
        job = self.service.store().jobs.by_id[answer["JobId"]]
        is_findable = had_environments or operation != "CreateBackendConfig"
        entry = Accepted(operation, request, owner, job, self.now, is_findable)
        self._check_start(entry)
        self.accepted.append(entry)
        self._note_creators()
        return answer

    def _try_to_start(self, operation: str, request: Mapping[str, Any], owner: tuple[int, int] | None) -> None:
        with suppress(Refusal):
            self.start(operation, request, owner)

    def _check_start(self, entry: Accepted) -> None:
        if entry.owner is None:
            return
        if entry.operation != self.operation.name:
            self._check_cleanup(entry)
            return
        for earlier in self.own(order=entry.owner[0]):
            if earlier.job.status == "FAILED":
                continue
            # Without a store, only what the same try has sent is known.
            assert not self.is_known(earlier), f"started again beside or after {earlier}"

    def is_known(self, earlier: Accepted) -> bool:
        """Whether the task is to know of an earlier start of its round."""
        return earlier.is_findable

    def _check_cleanup(self, entry: Accepted) -> None:
        assert entry.operation == "DeleteBackend", f"nobody ordered {entry}"
        environment = self.environments[str(entry.target)]
        _, maker = self.creators[id(environment)]
        assert maker is not None, "an environment was cleaned up that was there before"
        if maker.owner is None:
            is_listed = self.now >= maker.accepted_at + maker.job.fate.list_lag_seconds
            assert not is_listed, f"somebody else's environment was cleaned up, made by {maker}"
        else:
            assert maker.job.status == "FAILED", f"cleaned up after a job that had not failed: {maker}"

    def others_act(self, *, timeless: bool = False) -> None:
        """Let somebody else do something, and time pass."""
        self.actions += 1
        assert self.actions < MOST_ACTIONS, "the task never comes to an end"
        chances, temper = self.chances, self.temper
        if chances.random() < temper.others:
            same = chances.random() < temper.same_operation
            operation = self.operation.name if same else chances.choice(list(JOB_OPERATIONS))
            whose = chances.choice(["theirs", "theirs", "ours"])
            self._try_to_start(operation, request_of(operation, whose), None)
        if not timeless and chances.random() < temper.passes:
            self.pass_time(chances.choice([1.0, LATE, LAG, PATIENCE]))

    def may_die(self) -> None:
        if self.chances.random() < self.temper.dies:
            raise Killed

    # ------------------------------------------------------------------------------------------------- as the hook

    def attempt(self, operation: str, request: Mapping[str, Any], *, once: bool = False) -> dict[str, Any]:
        assert operation.startswith(("Get", "List")), f"{operation} was not sent as a start"
        self.others_act()
        self.may_die()
        self.service.clock.advance(0.01)
        try:
            answer = self.service.call(operation, dict(request))
        except Refusal as refusal:
            raise self._error(operation, refusal) from refusal
        return answer | {"ResponseMetadata": {"HTTPHeaders": self._headers}}

    @property
    def _headers(self) -> dict[str, str]:
        return {"date": self.service.clock.http_date()}

    def _error(self, operation: str, refusal: Refusal) -> ServiceError:
        kind = FaultKind.NOT_FOUND if refusal.status == 404 else FaultKind.REFUSED
        return ServiceError(kind, operation, refusal.code, refusal.message, headers=self._headers)

    guard = NothingIsProtected()

    @cached_property
    def texts(self) -> ServiceTexts:
        return ServiceTexts()

    def check_guard(self, api_operation: str, request: Mapping[str, Any]) -> None:
        # What it reads can take as long as the service is slow, and meanwhile others act.
        self.others_act()
        self.guard.check_names(api_operation, request)

    def prepare_start(self) -> None:
        self.may_die()

    def attempt_start(self, operation: str, request: Mapping[str, Any], *, may_send: Callable[[], bool]) -> Job:
        assert may_send()
        # Between a look and the request there is little time: that is what the fence is for.
        self.others_act(timeless=True)
        self.may_die()
        owner, sent = (self.order, self.attempt_number), dict(request)
        if self.chances.random() < self.temper.lost:
            delivery = self.chances.choice(["lost after", "lost after", "lost before", "late", "throttled"])
        else:
            delivery = "answered"
        if delivery == "late":
            self.late.append((self.now + self.chances.choice([1.0, LATE]), operation, sent, owner))
        if delivery == "throttled":
            raise ServiceError(FaultKind.THROTTLED, operation, "TooManyRequestsException", "Rate exceeded")
        job = None if delivery in ("late", "lost before") else self._answer(operation, sent, owner, delivery)
        self.may_die()
        if job is None:
            raise ServiceError(FaultKind.UNCLEAR, operation, "GatewayTimeoutException", "Endpoint request timed out")
        return job

    def _answer(self, operation: str, request: dict[str, Any], owner: tuple[int, int], delivery: str) -> Job | None:
        try:
            row = self.start(operation, request, owner)
        except Refusal as refusal:
            if delivery == "lost after":
                return None
            raise self._error(operation, refusal) from refusal
        environments = JOB_OPERATIONS[operation].environments(request)
        home = environments[0] if environments else ""
        return (
            None
            if delivery == "lost after"
            else Job.from_response(row, app_id=APP, backend_environment_name=home, operation=operation)
        )

    def await_end(self, ref: JobRef, **_: Any) -> Job:
        wait = Wait(ref, deadline=float("inf"), started=self.now)
        while True:
            self.others_act()
            self.may_die()
            try:
                job: Job = self.run(check_job(ref))
            except ServiceError as error:
                try:
                    wait.missed(error, self.now)
                except ServiceError as last:
                    raise wait_error(ref, last) from last
            else:
                if job.is_finished:
                    return job
            self.pass_time(2.0)

    def run(self, look: Any) -> Any:
        return drive(look, lambda call: self.attempt(call.operation, call.request))

    def event_of(self, trigger: Any) -> Any:
        """As the triggerer: the trigger is rebuilt from what is stored of it, and its event is JSON."""
        path, arguments = json.loads(json.dumps(trigger.serialize()))
        module, _, name = path.rpartition(".")
        rebuilt = getattr(importlib.import_module(module), name)(**arguments)
        try:
            event = events.finished(rebuilt.awaited, self.await_end(rebuilt.awaited))
        except AmplifyBackendError as error:
            event = events.error(str(error))
        return json.loads(json.dumps(event | rebuilt.carried()))


class NoStoreWorld(World):
    """Airflow before 3.3: a later try knows no more than what the service shows."""

    def is_known(self, earlier: Accepted) -> bool:
        return earlier.owner == (self.order, self.attempt_number)


@dataclass
class Story:
    """One task instance's life."""

    chances: random.Random
    operation: str
    has_store: bool
    deferrable: bool
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        chances = self.chances
        self.world = (World if self.has_store else NoStoreWorld)(chances, self.operation)
        self.options: dict[str, Any] = {"on_pending_job": chances.choice(["wait", "wait", "wait", "fail"])}
        effect = JOB_OPERATIONS[self.operation].effect
        if effect is Effect.CREATES and self.operation != "CreateBackendConfig":
            self.options["if_exists"] = chances.choice(["fail", "skip"])
        if effect is Effect.REMOVES:
            self.options["if_missing"] = chances.choice(["fail", "skip"])
        if self.operation in ("CloneBackend", "CreateBackend"):
            self.options["on_failure"] = chances.choice(["keep", "delete_target"])
        store = StateStore(at=self._at) if self.has_store else None
        self.instance = TaskInstance(
            self._operator,
            self.world,  # type: ignore[arg-type]
            store,
            retries=3,
            at=self._at,
            began=datetime.fromtimestamp(self.world.now, UTC),
        )
        self.reported: set[str] = set()
        self.last: str | None = None

    def _at(self, moment: str) -> None:
        self.world.may_die()

    def _operator(self) -> Any:
        names = operator_names(self.operation)
        given = {names[member]: value for member, value in request_of(self.operation, "ours").items()}
        operator = operator_classes_once()[f"{self.operation}Operator"](
            task_id="walk",
            retries=3,
            deferrable=self.deferrable,
            waiter_max_attempts=100_000,
            **given,
            **self.options,
        )
        operator.__dict__["hook"] = self.world
        return operator

    # --------------------------------------------------------------------------------------------------- the story

    def tell(self) -> None:
        for _ in range(self.chances.randint(1, 6)):
            self._try()
            if self.chances.random() < (0.5 if self.last else 0.2):
                self._clear()
            elif self.last:
                break
        self._end_calmly()

    def _try(self) -> dict[str, Any] | None:
        world = self.world
        world.actions = 0
        world.attempt_number += 1
        try:
            result: dict[str, Any] = self.instance.attempt()
        except Killed:
            self.log.append("died")
            return None
        except AmplifyBackendError as error:
            self.log.append(f"failed: {error}")
            return None
        self.log.append(f"success: {result['outcome']} {result['JobId']}")
        self._check_success(result)
        self.last = result["JobId"] or "none"
        return result

    def _clear(self) -> None:
        self.log.append("cleared")
        if self.last:
            self.reported.add(self.last)
        self.last = None
        self.world.order += 1
        clears = self.instance.clear_number
        self.instance.clear()
        if self.chances.random() < 0.5:
            self.instance.clear_number = clears  # Airflow's reset_dag_runs=False
        elif self.chances.random() < 0.2:
            self.instance.clear_number += 1  # another task was cleared, too

    def _check_success(self, result: Mapping[str, Any]) -> None:
        outcome, world = result["outcome"], self.world
        if outcome == "skipped":
            assert world.exists() is not True or world.late or self._was_made_meanwhile(), "it is there"
        if outcome in ("started", "adopted") and result["JobId"]:
            assert not self.has_store or result["JobId"] not in self.reported, "it was to be done again"
            assert result["Status"] == "COMPLETED"
            own = [entry for entry in world.own() if entry.job.status == "COMPLETED"]
            assert own or not self._is_comparable(), "a success, and no job of the task's own has completed"

    def _was_made_meanwhile(self) -> bool:
        return any(entry.owner is None for entry in self.world.accepted)

    def _is_comparable(self) -> bool:
        """Whether the API shows that somebody else's job of this kind was not the task's own."""
        operation = self.world.operation
        if operation.effect is Effect.REMOVES or operation.resource not in ("auth", "api", "storage"):
            return False
        theirs = [entry for entry in self.world.accepted if entry.owner is None and entry.operation == operation.name]
        return all(entry.request != request_of(self.operation, "ours") for entry in theirs)

    def _end_calmly(self) -> None:
        """Once nothing goes wrong any more, a clear does it again: exactly once, or says why not."""
        world = self.world
        world.temper = CALM
        world.pass_time(1_000)
        for _ in range(3):
            if self._try() is not None:
                break
        else:
            # What the rounds before have left is in doubt, and the task says so; a clear settles that.
            self._clear()
            self._try()
        world.pass_time(1_000)
        self._clear()
        exists, before, tries = world.exists(), len(world.own()), len(self.log)
        result = self._try()
        accepted = world.own()[before:]
        said = self.log[tries:]
        self._check_calm(exists, result, accepted, said)

    def _check_calm(
        self, exists: bool | None, result: Mapping[str, Any] | None, accepted: list[Accepted], said: list[str]
    ) -> None:
        operation, outcome = self.world.operation, result["outcome"] if result else None
        if operation.effect is Effect.CREATES and exists:
            assert not accepted
            assert outcome == "found" or self.options.get("if_exists") != "skip" or "leftover" in said[0], said
            assert outcome in ("found", None)
        elif operation.effect is Effect.REMOVES and not exists:
            assert not accepted
            assert (outcome == "skipped") is (self.options["if_missing"] == "skip"), said
        elif not self._can_start():
            assert outcome is None
            assert not accepted
        else:
            assert outcome == "started", said
            assert len(accepted) == 1
            assert result
            assert result["JobId"] == accepted[0].job.job_id

    def _can_start(self) -> bool:
        """Whether the service has what the operation needs."""
        operation, environments = self.world.operation, self.world.environments
        if operation.effect is Effect.CHANGES:
            kind = {"models": "api"}.get(operation.resource, operation.resource)
            return "staging" in environments and "main" in environments["staging"].resources(kind)
        if operation.name in ("CreateBackend", "CreateBackendConfig", "DeleteBackend", "RemoveAllBackends"):
            return self.world.app is not None or operation.name == "CreateBackend"
        return "staging" in environments


_CLASSES: dict[str, Any] = {}
_NAMES: dict[str, dict[str, str]] = {}


def operator_classes_once() -> dict[str, Any]:
    if not _CLASSES:
        _CLASSES.update(operator_classes())
    return _CLASSES


def operator_names(operation: str) -> dict[str, str]:
    from airflow_provider_amplifybackend.parameters import service_model

    if operation not in _NAMES:
        _NAMES[operation] = {member: name for name, member in service_model.members(operation).items()}
    return _NAMES[operation]


@contextmanager
def in_the_time_of(story: Story) -> Iterator[None]:
    """Let the protocol's time be the service's, and let others act while it pauses."""

    def sleep(seconds: float) -> None:
        story.world.others_act()
        story.world.may_die()
        story.world.pass_time(seconds)

    def now() -> float:
        return story.world.now

    with timing.replaced(now=now, monotonic=now, sleep=sleep):
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Airflow's log out of it: it costs more than the stories."""
    nobody = logging.getLogger("walk")
    nobody.setLevel(logging.CRITICAL + 1)
    with mock.patch.object(AmplifyBackendOperator, "log", nobody):
        yield


def tell(chances: random.Random) -> Story:
    """Walk one story; its log is told with whatever it finds."""
    operation = chances.choice(list(JOB_OPERATIONS))
    story = Story(chances, operation, has_store=chances.random() < 0.75, deferrable=chances.random() < 0.5)
    with in_the_time_of(story):
        try:
            story.tell()
        except AssertionError as found:
            found.add_note(f"{operation}, store {story.has_store}, deferrable {story.deferrable}: {story.log}")
            raise
    return story
