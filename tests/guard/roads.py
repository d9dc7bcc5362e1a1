"""Roads to an environment that must stay as it is: each is a way in which somebody, or some crash, gets there."""

from __future__ import annotations

import asyncio
import textwrap
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore import xform_name

from airflow_provider_amplifybackend.core.operations import OPERATIONS
from airflow_provider_amplifybackend.exceptions import BackendGuardError
from airflow_provider_amplifybackend.guard.reach import reach_of
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner
from tests.operators import requests_by_operation as requests
from tests.operators.requests_by_operation import APPS, CASES, IMPORTS, JOBS

QUICK = {"waiter_delay": 0.1, "waiter_max_attempts": 100}
CHANGING = [name for name, known in OPERATIONS.items() if not known.only_reads]
# What a migration forbids: all that touches what is deployed.
TOUCHING = [name for name in CHANGING if (reach := reach_of(name, CASES[name].request)) and reach.reads_signs]
LOCK = {"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}


@dataclass(frozen=True)
class World:
    """What a road leads through."""

    service: LocalAmplifyBackend
    dags: DagRunner
    ids: dict[str, dict[str, str]]
    close: Callable[[], None]
    """Protects what is not to be reached, for roads on which that comes late."""
    setenv: Callable[[str, str], None]

    def request(self, operation: str) -> dict[str, Any]:
        return requests.filled(CASES[operation].request, self.ids[operation]) | {"AppId": APPS[operation]}

    def changes(self) -> list[str]:
        """The operations that delete or change something of which a request has reached the service."""
        journal = self.service.control.journal()
        return [e["operation"] for e in journal if e["operation"] in CHANGING and e["service"] == "amplifybackend"]


@dataclass(frozen=True)
class Road:
    """A way, and the operation that it leads to."""

    way: str
    operation: str
    walk: Callable[[World], None]
    # Whether the protection is there from the start, or comes while the road is walked.
    is_closed_late: bool = False
    # A protection of its own, instead of a protected name and of a lock.
    closed_by: Callable[[World], None] | None = None

    @property
    def name(self) -> str:
        return f"{self.operation} by {self.way}"


def quietly(call: Callable[[], Any]) -> None:
    try:
        call()
    except BackendGuardError:
        return
    except Exception:  # whatever the service says: the journal tells what has reached it
        return


def dag(world: World, body: str, **options: Any) -> None:
    world.dags.run(IMPORTS + textwrap.dedent(body), **options)


def _by_call(operation: str) -> Callable[[World], None]:
    return lambda world: quietly(lambda: AmplifyBackendHook().call(operation, world.request(operation)))


def _by_conn(operation: str) -> Callable[[World], None]:
    return lambda world: quietly(
        lambda: getattr(AmplifyBackendHook().conn, xform_name(operation))(**world.request(operation))
    )


def _by_start(operation: str) -> Callable[[World], None]:
    return lambda world: quietly(lambda: AmplifyBackendHook().start_operation(operation, world.request(operation)))


def _by_aiobotocore(operation: str) -> Callable[[World], None]:
    async def call(world: World) -> None:
        connected: Any = AmplifyBackendHook()
        async with await connected.get_async_conn() as client:
            await getattr(client, xform_name(operation))(**world.request(operation))

    return lambda world: quietly(lambda: asyncio.run(call(world)))


def _by_operator(operation: str, **more: Any) -> Callable[[World], None]:
    own = dict(QUICK) if operation in JOBS else {}

    def walk(world: World) -> None:
        dag(world, requests.task(operation, world.ids[operation], **own, **more))

    return walk


def roads_of_operations() -> Iterator[Road]:
    for operation in CHANGING:
        yield Road("call", operation, _by_call(operation))
        yield Road("conn", operation, _by_conn(operation))
        yield Road("operator", operation, _by_operator(operation))
        yield Road("aiobotocore", operation, _by_aiobotocore(operation))
        if operation in JOBS:
            yield Road("start_operation", operation, _by_start(operation))
            yield Road("deferrable operator", operation, _by_operator(operation, deferrable=True))


# ------------------------------------------------------------------------------------------------- roads to a deletion

APP = APPS["DeleteBackend"]
NAMES = f'app_id="{APP}", backend_environment_name="staging"'
HURRY = "waiter_delay=0.1, waiter_max_attempts=100"
DELETE = f'DeleteBackendOperator(task_id="delete", {NAMES}, {HURRY})'

DAGS = {
    "a template": f"""
        DeleteBackendOperator(
            task_id="delete", app_id="{APP}", backend_environment_name="{{{{ 'sta' ~ 'ging' }}}}", {HURRY})
    """,
    "params of the run": f"""
        DeleteBackendOperator(
            task_id="delete", app_id="{APP}", backend_environment_name="{{{{ dag_run.conf['name'] }}}}", {HURRY})
    """,
    "mapping over the app's list": f"""
        listed = GetBackendOperator(task_id="list", app_id="{APP}")

        @task
        def names(found):
            return found

        DeleteBackendOperator.partial(task_id="delete", app_id="{APP}", {HURRY}).expand(
            backend_environment_name=names(listed.output["BackendEnvironmentList"]))
    """,
    "expand_kwargs": f"""
        DeleteBackendOperator.partial(task_id="delete", {HURRY}).expand_kwargs(
            [dict(app_id="{APP}", backend_environment_name="staging")])
    """,
    "a teardown": f"""
        made = GetBackendOperator(task_id="made", app_id="{APP}")
        made >> {DELETE}.as_teardown(setups=made)
    """,
    "a teardown after a failed body": f"""
        from airflow_provider_amplifybackend._compat import BaseOperator
        made = GetBackendOperator(task_id="made", app_id="{APP}")
        body = GetBackendOperator(task_id="body", app_id="{APP}", backend_environment_name="nowhere")
        made >> body >> {DELETE}.as_teardown(setups=made)
    """,
    "another connection": f"""
        DeleteBackendOperator(task_id="delete", {NAMES}, {HURRY}, aws_conn_id="another")
    """,
    "another region": f"""
        DeleteBackendOperator(task_id="delete", {NAMES}, {HURRY}, region_name="us-east-1", verify=False)
    """,
    "client options": f"""
        DeleteBackendOperator(
            task_id="delete", {NAMES}, {HURRY}, botocore_config={{"retries": {{"total_max_attempts": 5}}}})
    """,
    "if_missing": f"""
        DeleteBackendOperator(task_id="delete", {NAMES}, {HURRY}, if_missing="skip")
    """,
    "no wait": f"""
        DeleteBackendOperator(task_id="delete", {NAMES}, wait_for_completion=False)
    """,
    "tries": f"""
        DeleteBackendOperator(task_id="delete", {NAMES}, {HURRY}, retries=2, retry_delay=timedelta(0))
    """,
    "two tasks at once": f"""
        {DELETE}
        DeleteBackendOperator(task_id="delete_too", {NAMES}, {HURRY})
    """,
    "a task of one's own": f"""
        from airflow_provider_amplifybackend._compat import BaseOperator
        from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

        class Own(BaseOperator):
            def execute(self, context):
                AmplifyBackendHook().start_operation(
                    "DeleteBackend", {{"AppId": "{APP}", "BackendEnvironmentName": "staging"}})

        Own(task_id="own")
    """,
    "all environments of the app": f"""
        RemoveAllBackendsOperator(task_id="delete", app_id="{APP}", {HURRY})
    """,
    "the app as well": f"""
        RemoveAllBackendsOperator(task_id="delete", app_id="{APP}", clean_amplify_app=True, {HURRY})
    """,
    "a subclass": f"""
        class Stronger(DeleteBackendOperator):
            pass

        Stronger(task_id="delete", {NAMES}, {HURRY})
    """,
}


def _presigned(world: World) -> None:
    address = AmplifyBackendHook().conn.generate_presigned_url("delete_backend", world.request("DeleteBackend"))
    request = urllib.request.Request(address, method="POST")
    urllib.request.urlopen(request, timeout=10).close()


def _handler_of_a_user(world: World) -> None:
    hook = AmplifyBackendHook()
    hook.conn.meta.events.register(
        "before-call.amplifybackend.DeleteBackend", lambda params, **_: params.update(_redirected(params))
    )
    world.service.control.seed_app(APP, "other")
    hook.conn.delete_backend(AppId=APP, BackendEnvironmentName="other")


def _redirected(params: dict[str, Any]) -> dict[str, Any]:
    return {name: str(params[name]).replace("/other/", "/staging/") for name in ("url", "url_path")}


def _client_of_a_session(world: World) -> None:
    hook = AmplifyBackendHook()
    client = hook.get_session().client("amplifybackend", endpoint_url=hook.conn.meta.endpoint_url)
    client.delete_backend(**world.request("DeleteBackend"))


def _protected_after_a_check(world: World) -> None:
    hook = AmplifyBackendHook()
    hook.check_guard("DeleteBackend", world.request("DeleteBackend"))
    world.close()
    hook.guard._checked.clear()  # as if half a minute had passed
    hook.call("DeleteBackend", world.request("DeleteBackend"))


def while_another_job_is_awaited(*, deferrable: bool, more: str = "") -> Callable[[World], None]:
    def walk(world: World) -> None:
        world.service.control.seed(
            apps=[{"app_id": APP, "jobs": [{"environment": "staging", "job_id": "theirs", "status": "RUNNING"}]}]
        )
        body = f"""
            from airflow_provider_amplifybackend._compat import BaseOperator
            from tests.guard.roads import LATE

            class Impatient(DeleteBackendOperator):
                def _wait(self, *args):
                    LATE()
                    return super()._wait(*args)

            Impatient(task_id="delete", {NAMES}, waiter_delay=0.1, waiter_max_attempts=300,
                deferrable={deferrable}, {more})
        """

        def close_and_end() -> None:
            world.close()
            world.service.control.end_job("theirs")

        LATE.act = close_and_end
        dag(world, body)

    return walk


class _Late:
    """Called by a task at the moment that a road is about."""

    def __init__(self) -> None:
        self.act: Callable[[], None] = lambda: None

    def __call__(self) -> None:
        act, self.act = self.act, lambda: None
        act()


LATE = _Late()


def _leftover(world: World) -> None:
    """A clone fails, and its target is protected by the time that it is to be cleaned up."""
    world.service.control.add_fault("CloneBackend", kind="job_fails", error="no room")
    body = f"""
        from tests.guard.roads import LATE

        class Late(CloneBackendOperator):
            def _job_failed(self, *args):
                LATE()
                return super()._job_failed(*args)

        Late(task_id="clone", {NAMES}, target_environment_name="pr", on_failure="delete_target", {HURRY})
    """
    LATE.act = world.close
    dag(world, body)


def special_roads() -> Iterator[Road]:
    for way, body in DAGS.items():
        yield Road(way, "DeleteBackend", runner(body))
    yield Road("a presigned address", "DeleteBackend", lambda world: quietly(lambda: _presigned(world)))
    yield Road("a handler of a user", "DeleteBackend", lambda world: quietly(lambda: _handler_of_a_user(world)))
    yield Road("a client of the session", "DeleteBackend", lambda world: quietly(lambda: _client_of_a_session(world)))
    yield Road(
        "a check that is too old",
        "DeleteBackend",
        lambda world: quietly(lambda: _protected_after_a_check(world)),
        is_closed_late=True,
    )
    for deferrable in (False, True):
        yield Road(
            f"a wait for another job{' in the triggerer' if deferrable else ''}",
            "DeleteBackend",
            while_another_job_is_awaited(deferrable=deferrable),
            is_closed_late=True,
        )
    yield Road("what a failed clone leaves behind", "DeleteBackend", _leftover, is_closed_late=True)


def runner(body: str, **options: Any) -> Callable[[World], None]:
    return lambda world: dag(world, body, conf={"name": "staging"}, **options)
