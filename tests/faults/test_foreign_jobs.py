"""An adopted job that left something else was somebody else's, and ours comes after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import BackendRequestError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators.auth import ImportBackendAuthOperator
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator
from airflow_provider_amplifybackend.operators.storage import (
    CreateBackendStorageOperator,
    DeleteBackendStorageOperator,
    UpdateBackendStorageOperator,
)
from airflow_provider_amplifybackend.start.intent import STORE_KEY
from tests.faults.airflow_stand_in import TaskInstance, Triggerer
from tests.not_started import not_started
from tests.samples import APP, storage
from tests.state_store import StateStore

PLACE = {"AppId": APP, "BackendEnvironmentName": "staging"}
READ = storage()
DELETE = storage("DELETE")
POOL = {"NativeClientId": "native", "UserPoolId": "us-east-1_Ours", "WebClientId": "web"}


class SomebodyElse(AmplifyBackendHook):
    """A hook whose first start comes too late: somebody else's is accepted just before, and our refusal is lost."""

    before_start: Callable[[], Any]
    is_first = True

    def attempt_start(self, api_operation: str, request: Any, **options: Any) -> Any:
        if self.is_first:
            self.is_first = False
            self.before_start()
        return super().attempt_start(api_operation, request, **options)


@pytest.fixture(autouse=True)
def here(hurry: LocalAmplifyBackend) -> LocalAmplifyBackend:
    hurry.control.seed_app(APP, {"name": "staging", "storage": {"files": None, "others": None}})
    return hurry


@pytest.fixture(params=[False, True], ids=["worker", "deferred"])
def task(
    request: pytest.FixtureRequest, here: LocalAmplifyBackend, triggerer: Triggerer
) -> Callable[..., TaskInstance]:
    """Makes a task instance before whose start somebody else starts `theirs`, with the same operation."""

    def make(operator_class: type[Any], theirs: dict[str, Any], **parameters: Any) -> TaskInstance:
        hook = SomebodyElse(config={"retries": {"total_max_attempts": 2}})

        def before_start() -> None:
            method = getattr(here.client(), METHODS[operator_class])
            method(**PLACE | theirs)
            here.control.add_fault(operator_class.api_operation, kind="timeout_after", times=1)

        hook.before_start = before_start

        def operator() -> Any:
            made = operator_class(
                task_id="task",
                app_id=APP,
                backend_environment_name="staging",
                waiter_delay=0.1,
                waiter_max_attempts=200,
                deferrable=request.param,
                **parameters,
            )
            made.__dict__["hook"] = hook
            return made

        return TaskInstance(operator, triggerer)

    return make


METHODS: dict[type[Any], str] = {
    UpdateBackendStorageOperator: "update_backend_storage",
    CreateBackendStorageOperator: "create_backend_storage",
    DeleteBackendStorageOperator: "delete_backend_storage",
    ImportBackendAuthOperator: "import_backend_auth",
    CloneBackendOperator: "clone_backend",
}


def accepted(service: LocalAmplifyBackend, operation: str, member: str) -> list[Any]:
    return [entry["parameters"][member] for entry in service.control.journal(operation, effective=True)]


UPDATE = {"resource_name": "files", "resource_config": READ}
THEIR_UPDATE = {"ResourceName": "files", "ResourceConfig": DELETE}


def test_an_update_comes_after_somebody_elses(here: LocalAmplifyBackend, task: Callable[..., TaskInstance]) -> None:
    result = task(UpdateBackendStorageOperator, THEIR_UPDATE, **UPDATE).attempt()
    assert result["outcome"] == "started"
    assert result["Status"] == "COMPLETED"
    assert accepted(here, "UpdateBackendStorage", "ResourceConfig") == [DELETE, READ]


def test_a_service_that_is_busy_when_it_is_compared_is_asked_again(
    here: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    here.control.add_fault("GetBackendStorage", kind="timeout_before", times=7)
    result = task(UpdateBackendStorageOperator, THEIR_UPDATE | {"ResourceConfig": READ}, **UPDATE).attempt()
    assert result["outcome"] == "adopted"
    assert len(here.control.journal("GetBackendStorage")) > 7


def test_a_service_that_stays_busy_when_it_is_compared_is_said(
    here: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    here.control.add_fault("GetBackendStorage", kind="timeout_before")
    instance = task(UpdateBackendStorageOperator, THEIR_UPDATE | {"ResourceConfig": READ}, **UPDATE)
    with pytest.raises(
        BackendRequestError, match=r"UpdateBackendStorage .app .*result of its job: .*GatewayTimeoutException: "
    ):
        instance.attempt()
    here.control.clear_faults()
    assert instance.attempt()["outcome"] == "adopted"
    assert accepted(here, "UpdateBackendStorage", "ResourceConfig") == [READ]


@pytest.mark.parametrize("stored", [True, False])
def test_a_retry_comes_after_somebody_elses_too(
    here: LocalAmplifyBackend, task: Callable[..., TaskInstance], stored: bool
) -> None:
    """The first try dies once it has adopted the job: that it was found by looking is stored with its id."""
    instance = task(UpdateBackendStorageOperator, THEIR_UPDATE, **UPDATE)
    store = StateStore()
    writes = []

    def at(moment: str) -> None:
        writes.append(moment)
        if moment == "after write" and store.get(STORE_KEY).get("found_by_looking") and len(writes) == 6:
            raise KeyboardInterrupt

    store.at = at
    instance.store = store
    with pytest.raises(KeyboardInterrupt):
        instance.attempt()
    time.sleep(0.4 if stored else 0)  # their job has ended, or runs on
    assert instance.attempt()["Status"] == "COMPLETED"
    assert accepted(here, "UpdateBackendStorage", "ResourceConfig") == [DELETE, READ]


def test_what_is_as_asked_for_is_not_started_again(
    here: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    result = task(UpdateBackendStorageOperator, THEIR_UPDATE | {"ResourceConfig": READ}, **UPDATE).attempt()
    assert result["outcome"] == "adopted"
    assert accepted(here, "UpdateBackendStorage", "ResourceConfig") == [READ]


@pytest.mark.parametrize("if_exists", ["fail", "skip"])
def test_what_somebody_else_created_exists(
    here: LocalAmplifyBackend, task: Callable[..., TaskInstance], if_exists: str
) -> None:
    instance = task(
        CreateBackendStorageOperator,
        {"ResourceName": "new", "ResourceConfig": DELETE},
        resource_name="new",
        resource_config=READ,
        if_exists=if_exists,
    )
    if if_exists == "skip":
        assert instance.attempt()["outcome"] == "found"
    else:
        with not_started(StartFailure.EXISTS):
            instance.attempt()
    assert accepted(here, "CreateBackendStorage", "ResourceConfig") == [DELETE]


def test_a_removal_comes_after_that_of_something_else(
    here: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    result = task(
        DeleteBackendStorageOperator,
        {"ResourceName": "others", "ServiceName": "S3"},
        resource_name="files",
        service_name="S3",
    ).attempt()
    assert result["outcome"] == "started"
    assert accepted(here, "DeleteBackendStorage", "ResourceName") == ["others", "files"]


def test_an_import_of_something_else_is_in_the_way(
    here: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    with not_started(StartFailure.EXISTS):
        task(
            ImportBackendAuthOperator,
            POOL | {"UserPoolId": "us-east-1_Theirs"},
            native_client_id="native",
            user_pool_id="us-east-1_Ours",
            web_client_id="web",
        ).attempt()
    assert accepted(here, "ImportBackendAuth", "UserPoolId") == ["us-east-1_Theirs"]


def test_a_clone_comes_after_one_to_another_target(
    here: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    """Where clones live in their source, their rows do not say where they go."""
    here.control.set(clone_job_environment="source")
    result = task(CloneBackendOperator, {"TargetEnvironmentName": "theirs"}, target_environment_name="ours").attempt()
    assert result["outcome"] == "started"
    assert accepted(here, "CloneBackend", "TargetEnvironmentName") == ["theirs", "ours"]


def test_without_a_store_it_is_compared_too(here: LocalAmplifyBackend, task: Callable[..., TaskInstance]) -> None:
    instance = task(UpdateBackendStorageOperator, THEIR_UPDATE, **UPDATE)
    instance.store = None
    assert instance.attempt()["outcome"] == "started"
    assert accepted(here, "UpdateBackendStorage", "ResourceConfig") == [DELETE, READ]


def test_the_log_says_what_differs_and_no_value(
    here: LocalAmplifyBackend, task: Callable[..., TaskInstance], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(
        "airflow_provider_amplifybackend.start.driver.StartOnce.__init__",
        partial_log(lines),
    )
    task(UpdateBackendStorageOperator, THEIR_UPDATE, **UPDATE).attempt()
    [line] = [line for line in lines if "somebody else's" in line]
    assert "storage files differs in ResourceConfig.Permissions.Authenticated" in line


def partial_log(lines: list[str]) -> Callable[..., None]:
    from airflow_provider_amplifybackend.start.driver import StartOnce

    original = StartOnce.__init__

    class Lines:
        def info(self, message: str, /, *arguments: Any) -> None:
            lines.append(message % arguments)

        warning = info

    def with_lines(self: StartOnce, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options | {"log": Lines()})

    return with_lines
