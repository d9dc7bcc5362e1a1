"""A service that was started again from its file is the service that it was: over real boto3, after any operations."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.service.clock import Clock, KeptClock
from airflow_provider_amplifybackend.local.service.service import HANDLERS
from tests.local.keeping.kept import answer, clients, everything, stand_still
from tests.samples import auth, auth_change, storage

NAMES = ("one", "two", "three")
API = {
    "ApiName": "api",
    "DefaultAuthType": {"Mode": "API_KEY"},
    "Service": "AppSync",
    "TransformSchema": "type A @model { id: ID! }",
}
APPS = ("dfirst", "dsecond")
Asked = tuple[str, str, dict[str, Any]]


class Chooser:
    """Operations by chance: on few names, so that they meet."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self, *choices: Any) -> Any:
        return self._random.choice(choices)

    @property
    def names(self) -> dict[str, str]:
        return {"AppId": self.one(*APPS), "BackendEnvironmentName": self.one(*NAMES)}


def resource(kind: str, verb: str, **more: Callable[[Chooser], Any]) -> Callable[[Chooser], Asked]:
    def ask(chooser: Chooser) -> Asked:
        parameters = {**chooser.names, "ResourceName": chooser.one("main", "other")}
        return (
            "amplifybackend",
            f"{verb}_backend_{kind}",
            {**parameters, **{n: make(chooser) for n, make in more.items()}},
        )

    return ask


def backend(operation: str, **more: Callable[[Chooser], Any]) -> Callable[[Chooser], Asked]:
    return lambda chooser: (
        "amplifybackend",
        operation,
        {**chooser.names, **{name: make(chooser) for name, make in more.items()}},
    )


def of_app(service: str, operation: str, member: str, **more: Callable[[Chooser], Any]) -> Callable[[Chooser], Asked]:
    return lambda chooser: (
        service,
        operation,
        {member: chooser.one(*APPS), **{name: make(chooser) for name, make in more.items()}},
    )


def tagging(chooser: Chooser) -> Asked:
    arn = f"arn:aws:amplify:us-east-1:123456789012:apps/{chooser.one(*APPS)}"
    return "amplify", "tag_resource", {"resourceArn": arn, "tags": {chooser.one("a", "b"): chooser.one("x", "y")}}


def control(name: str, *arguments: Any, **more: Any) -> Callable[[Chooser], Asked]:
    return lambda chooser: ("control", name, {"arguments": arguments, **more})


def fault(operation: str, **script: Any) -> Callable[[Chooser], Asked]:
    return control("add_fault", operation, times=1, **script)


def change_of_api(chooser: Chooser) -> dict[str, Any]:
    return {"TransformSchema": chooser.one("", "type B @model { b: ID! }")}


def change_of_auth(chooser: Chooser) -> dict[str, Any]:
    email = {"EmailMessage": chooser.one("{####}", "no place for a code"), "EmailSubject": "hello"}
    return auth_change(VerificationMessage={"DeliveryMethod": "EMAIL", "EmailSettings": email})


MOVES: tuple[Callable[[Chooser], Asked], ...] = (
    backend("create_backend", AppName=lambda chooser: chooser.one("shop", "\x00<b>é\U0001f600")),
    backend("create_backend", AppName=lambda chooser: "shop"),
    backend("clone_backend", TargetEnvironmentName=lambda chooser: chooser.one(*NAMES)),
    backend("clone_backend", TargetEnvironmentName=lambda chooser: chooser.one(*NAMES)),
    backend("delete_backend"),
    resource("auth", "create", ResourceConfig=lambda chooser: auth()),
    resource("auth", "update", ResourceConfig=change_of_auth),
    resource("auth", "delete"),
    resource("api", "create", ResourceConfig=lambda chooser: API),
    resource("api", "update", ResourceConfig=change_of_api),
    resource("api", "delete"),
    resource("storage", "create", ResourceConfig=lambda chooser: storage()),
    resource("storage", "update", ResourceConfig=lambda chooser: storage("DELETE")),
    resource("storage", "delete", ServiceName=lambda chooser: "S3"),
    backend("import_backend_storage", ServiceName=lambda chooser: "S3"),
    backend(
        "import_backend_auth",
        NativeClientId=lambda chooser: "native",
        UserPoolId=lambda chooser: "us-east-1_pool",
        WebClientId=lambda chooser: "web",
    ),
    backend("generate_backend_api_models", ResourceName=lambda chooser: "main"),
    of_app("amplifybackend", "create_backend_config", "AppId", BackendManagerAppId=lambda chooser: "d9"),
    of_app("amplifybackend", "remove_backend_config", "AppId"),
    of_app("amplifybackend", "remove_all_backends", "AppId", CleanAmplifyApp=lambda chooser: chooser.one(True, False)),
    of_app("amplifybackend", "create_token", "AppId"),
    of_app("amplify", "create_branch", "appId", branchName=lambda chooser: chooser.one("main", "dev")),
    of_app("amplify", "start_job", "appId", branchName=lambda chooser: "main", jobType=lambda chooser: "RELEASE"),
    of_app("amplify", "delete_backend_environment", "appId", environmentName=lambda chooser: chooser.one(*NAMES)),
    of_app("amplify", "delete_app", "appId"),
    of_app("amplify", "update_app", "appId", environmentVariables=lambda chooser: {"SECRET": "variable-secret"}),
    tagging,
    control("lock", "dfirst", "one", holding=True),
    control("seed_app", "dsecond", {"name": "two", "termination_protection": True, "retain": ["auth"]}),
    control("seed_app", "dfirst", {"name": "three", "meta": "{}", "age_seconds": 99}),
    control("seed_app", "dsecond", jobs=[{"environment": "three", "status": "RUNNING", "error": "seeded"}]),
    control("set", gone_environment="absent"),
    control("set", failed_creation_leaves_environment=False, environment_appears="completion"),
    control("set_clock", skew_seconds=-90.5),
    fault("*", kind="job_fails", error="as scripted"),
    fault("*", kind="job_stuck"),
    fault("*", kind="job_status", seconds=4),
    fault("*", kind="list_lag", seconds=7, get_too=True),
    fault("DeleteBackend", kind="leftovers", what=["auth", "deployment_bucket"]),
    *[control("advance", seconds=seconds) for seconds in (0.5, 1.0, 2.0, 3.0, 4.0, 60.0, 4000.0)],
)  # fmt: skip


def performed(service: LocalAmplifyBackend, own: dict[str, Any], asked: Asked) -> Any:
    where, name, parameters = asked
    if where != "control":
        return answer(getattr(own[where], name), **parameters)
    rest = {key: value for key, value in parameters.items() if key != "arguments"}
    try:
        return getattr(service.control, name)(*parameters["arguments"], **rest)
    except Exception as refusal:
        return str(refusal)


# Over HTTP, making a failing example smaller would take minutes.
@settings(max_examples=20, phases=[Phase.explicit, Phase.reuse, Phase.generate], print_blob=True)
@given(
    moves=st.lists(st.sampled_from(range(len(MOVES))), min_size=5, max_size=40),
    seed=st.integers(0, 2**32),
    every=st.sampled_from([3, 7, 1000]),
)
def test_a_service_that_is_started_again_between_operations_is_as_one_that_never_was(
    tmp_path_factory: pytest.TempPathFactory, moves: list[int], seed: int, every: int
) -> None:
    """Every answer and every read is the same: also those of what ends after a start and began before it."""
    file: Path = tmp_path_factory.mktemp("state") / "state"
    chooser, tokens = Chooser(seed), []
    with LocalAmplifyBackend() as steady, LocalAmplifyBackend(state=file) as restarted:
        for service in (steady, restarted):
            stand_still(service, seed)
            service.control.seed_app(APPS[0], {"name": "one", "auth": {"main": None}, "api": {"main": None}})
        for number, move in enumerate(moves):
            asked = MOVES[move](chooser)
            both = [performed(service, clients(service), asked) for service in (steady, restarted)]
            # What a script has been told and not yet done is not kept: fault scripts are of a test.
            assert both[0] == both[1] or asked[1] == "add_fault"
            if isinstance(both[0], dict) and "SessionId" in both[0]:
                tokens.append(both[0]["SessionId"])
            if number % every == every - 1:
                before = everything(restarted, tokens)
                restarted.stop()
                restarted.start()
                assert everything(restarted, tokens) == before
                for service in (steady, restarted):
                    service.control.clear_faults()
                    service.app.service.random.seed(seed + number)
        for _ in range(3):
            restarted.stop()
            restarted.start()
            assert everything(restarted, tokens) == everything(steady, tokens)
            for service in (steady, restarted):
                service.control.advance(2)
        assert everything(restarted, tokens) == everything(steady, tokens)


def test_every_operation_that_starts_a_job_is_among_them() -> None:
    from airflow_provider_amplifybackend.local.service.settings import JOB_SECONDS

    asked = {ask(Chooser(0))[1].replace("_", "") for ask in MOVES}
    assert {operation.lower() for operation in JOB_SECONDS} <= asked


def test_an_operation_that_reads_says_so_in_its_name() -> None:
    """The names decide what is written before it is answered (`Service.call`): an oversight would lose a change."""
    with LocalAmplifyBackend() as service:
        service.control.seed_app("d", {"name": "e", "auth": {"main": None}, "api": {"main": None}}, branches=["main"])
        before = service.control.state(), service.control.jobs()
        own = clients(service)
        for client in own.values():
            for operation in client.meta.service_model.operation_names:
                if operation in HANDLERS and operation.startswith(("Get", "List", "Describe")):
                    model = client.meta.service_model.operation_model(operation)
                    values = {"AppId": "d", "appId": "d", "BackendEnvironmentName": "e", "environmentName": "e"}
                    required = model.input_shape.required_members if model.input_shape else []
                    parameters = {member: values.get(member, "main") for member in required}
                    method = next(m for m, name in client.meta.method_to_api_mapping.items() if name == operation)
                    answer(getattr(client, method), **parameters)
        assert (service.control.state(), service.control.jobs()) == before


@pytest.mark.parametrize("by", ["time", "control"])
def test_a_job_that_runs_goes_on_and_does_what_it_was_for(tmp_path: Path, by: str) -> None:
    state = tmp_path / "state"
    with LocalAmplifyBackend(state=state, job_seconds=600) as service:
        service.control.seed_app("d", {"name": "dev", "auth": {"people": None}})
        job = clients(service)["amplifybackend"].clone_backend(
            AppId="d", BackendEnvironmentName="dev", TargetEnvironmentName="copy"
        )
    with LocalAmplifyBackend(state=state) as service:
        assert service.control.settings()["job_seconds"]["CloneBackend"] == 600
        if by == "time":
            service.control.advance(601)
        else:
            service.control.end_job(job["JobId"])
        (row,) = service.control.jobs()
        assert row["Status"] == "COMPLETED"
        names = {"AppId": "d", "BackendEnvironmentName": "copy", "ResourceName": "people"}
        assert clients(service)["amplifybackend"].get_backend_auth(**names)["ResourceName"] == "people"


def test_what_the_command_says_wins_and_apps_are_added_once(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with LocalAmplifyBackend(state=state, apps=["dold"], job_seconds=7) as service:
        own = clients(service)["amplify"]
        own.delete_app(appId="dold")
        service.control.set(gone_environment="absent")
    with LocalAmplifyBackend(state=state, apps=["dold", "dnew"], job_seconds={"CloneBackend": 9}) as service:
        found = service.control.settings()
        assert (found["job_seconds"]["CloneBackend"], found["job_seconds"]["CreateBackend"]) == (9, 7)
        assert found["gone_environment"] == "absent"
        assert [app["appId"] for app in clients(service)["amplify"].list_apps()["apps"]] == ["dnew"]


def test_a_reset_empties_the_file_too(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with LocalAmplifyBackend(state=state) as service:
        service.control.seed_app("d", "dev")
        service.control.reset()
    with LocalAmplifyBackend(state=state) as service:
        assert service.control.state() == []


def test_time_does_not_go_back_where_the_machines_clock_has_done_so() -> None:
    before = Clock().now() + 3600  # an hour more than the machine's clock says now
    clock = Clock()
    clock.restore(KeptClock(skew_seconds=-5.0, ahead=0.0, frozen_at=None, now=before))
    assert before <= clock.now() < before + 60
    assert clock.wall() == pytest.approx(clock.now() - 5, abs=1)
