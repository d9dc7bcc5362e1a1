"""Roads that nobody means to take: odd settings, odd clients, handlers, races, reads that are denied."""

from __future__ import annotations

import asyncio
import copy
import functools
import json
import threading
import urllib.parse
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

from botocore.config import Config

from airflow_provider_amplifybackend.core.requests import Call
from airflow_provider_amplifybackend.hooks._async_client import create_client
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.front import Front
from tests.guard.roads import (
    APP,
    DELETE,
    HURRY,
    LATE,
    LOCK,
    NAMES,
    Road,
    World,
    dag,
    quietly,
    runner,
    while_another_job_is_awaited,
)

PLAIN = "guarded"  # the connection that a road may give protected names
DELETION = "DeleteBackend"
PROTECTED = "AIRFLOW__AMPLIFYBACKEND__PROTECTED"
GUARD = "AIRFLOW__AMPLIFYBACKEND__GUARD"


def odd_roads() -> Iterator[Road]:
    yield from _roads_of_settings()
    yield from _roads_of_connections()
    yield from _roads_of_signs()
    yield from _roads_of_clients()
    yield from _roads_of_handlers()
    yield from _roads_of_dags()
    yield from _roads_of_races()


def _call(world: World, **options: Any) -> None:
    quietly(lambda: AmplifyBackendHook(**options).call(DELETION, world.request(DELETION)))


# ----------------------------------------------------------------------------------------------------------- settings

SETTINGS = {
    "quotes": '"staging"',
    "single quotes": "'production, staging'",
    "a comment": "production # and staging",
    "blanks for commas": "production staging",
    "lines for commas": "production\nstaging",
    "lines and commas": "\n  production,\n  staging\n",
    "an empty entry": "production,,qa",
    "a list as JSON": '["staging"]',
    "another case": "STAGING",
    "wide letters": "ｓｔａｇｉｎｇ",
    "a pattern": "s?ag*",
    "an app in another case": f"{APP.upper()}/*",
    "an app without its slash": APP,
    "a template": "{{ var.value.protected }}",
    "an address": f"https://{APP}/staging",
}
STRAYS = {
    "a command": f"{PROTECTED}_CMD",
    "a secret": f"{PROTECTED}_SECRET",
    "another section": "AIRFLOW__AMPLIFY_BACKEND__PROTECTED",
    "another option": f"{PROTECTED}_ENVIRONMENTS",
}


def _sets(name: str, value: str) -> Callable[[World], None]:
    return lambda world: world.setenv(name, value)


def _roads_of_settings() -> Iterator[Road]:
    for way, setting in SETTINGS.items():
        yield Road(f"a setting with {way}", DELETION, _call, closed_by=_sets(PROTECTED, setting))
    for way, name in STRAYS.items():
        yield Road(f"a setting that is {way}", DELETION, _call, closed_by=_sets(name, "staging"))
    yield Road("a mode that there is not", DELETION, _call, closed_by=_sets(GUARD, "on"))


# -------------------------------------------------------------------------------------------------------- connections

OWN = {"protected": ["staging"]}
EXTRAS: dict[str, dict[str, Any]] = {
    "a name": {"amplifybackend": OWN},
    "a pattern": {"amplifybackend": {"protected": [f"{APP}/st*"]}},
    "a text for a list": {"amplifybackend": {"protected": "staging"}},
    "JSON in JSON": {"amplifybackend": json.dumps(OWN)},
    "nothing": {"amplifybackend": None},
    "another spelling": {"AmplifyBackend": OWN},
    "no section": OWN,
    "the section of the service's options": {"service_config": {"amplifybackend": OWN}},
}


def _connects(extra: dict[str, Any], form: Callable[[str, dict[str, Any]], str]) -> Callable[[World], None]:
    return lambda world: world.setenv(f"AIRFLOW_CONN_{PLAIN.upper()}", form(world.service.endpoint_url, extra))


def _as_json(endpoint_url: str, extra: dict[str, Any]) -> str:
    return connection_json(endpoint_url, **extra)


def _with_extra_as_text(endpoint_url: str, extra: dict[str, Any]) -> str:
    members = json.loads(connection_json(endpoint_url, **extra))
    return json.dumps(members | {"extra": json.dumps(members["extra"])})


def _with_a_comma_too_many(endpoint_url: str, extra: dict[str, Any]) -> str:
    members = json.loads(connection_json(endpoint_url, **extra))
    return json.dumps(members | {"extra": f"{json.dumps(members['extra'])[:-1]},}}"})


def _as_address(endpoint_url: str, extra: dict[str, Any]) -> str:
    texts = {name: json.dumps(value) for name, value in extra.items()}
    query = urllib.parse.urlencode({"region_name": "us-east-1", "endpoint_url": endpoint_url, **texts})
    return f"aws://123456789012:not-a-secret@/?{query}"


def _as_address_with_a_comma_too_many(endpoint_url: str, extra: dict[str, Any]) -> str:
    whole = json.loads(_with_a_comma_too_many(endpoint_url, extra))["extra"]
    return f"aws://123456789012:not-a-secret@/?{urllib.parse.urlencode({'__extra__': whole})}"


def _damaged(form: Callable[[str, dict[str, Any]], str]) -> Callable[[World], None]:
    """Damage an extra, in an environment that has boto3's own settings for what was in it: the way is still open."""

    def close(world: World) -> None:
        world.setenv("AWS_ENDPOINT_URL", world.service.endpoint_url)
        world.setenv("AWS_DEFAULT_REGION", "us-east-1")
        _connects(EXTRAS["a name"], form)(world)

    return close


def _damages_the_default(world: World) -> None:
    """Leave boto3's own way open: for Airflow there is no such connection then."""
    members = {"AWS_ENDPOINT_URL": world.service.endpoint_url, "AWS_DEFAULT_REGION": "us-east-1"}
    keys = {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
    whole = connection_json(world.service.endpoint_url, **EXTRAS["a name"])
    for name, value in {**members, **keys, "AIRFLOW_CONN_AWS_DEFAULT": whole[:-1]}.items():
        world.setenv(name, value)


def _by_connection(world: World) -> None:
    _call(world, aws_conn_id=PLAIN)


def _roads_of_connections() -> Iterator[Road]:
    for way, extra in EXTRAS.items():
        closed = _connects(extra, _as_json)
        yield Road(f"a connection with {way}", DELETION, _by_connection, closed_by=closed)
    for way, form in {"text": _with_extra_as_text, "an address": _as_address}.items():
        closed = _connects(EXTRAS["a name"], form)
        yield Road(f"a connection whose extra is {way}", DELETION, _by_connection, closed_by=closed)
    for way, form in {"text": _with_a_comma_too_many, "an address": _as_address_with_a_comma_too_many}.items():
        closed = _damaged(form)
        yield Road(f"a connection whose extra is {way} with a typo", DELETION, _by_connection, closed_by=closed)
    yield Road("a connection that cannot be looked up", DELETION, _call, closed_by=_damages_the_default)
    for deferrable in (False, True):
        yield Road(
            f"a connection that is changed during a wait{' in the triggerer' if deferrable else ''}",
            DELETION,
            while_another_job_is_awaited(deferrable=deferrable, more=f'aws_conn_id="{PLAIN}"'),
            is_closed_late=True,
            closed_by=_connects(EXTRAS["a name"], _as_json),
        )


# -------------------------------------------------------------------------------------------------------------- signs

READS = {"GetApp": "amplify", "ListStacks": "cloudformation", "DescribeStacks": "cloudformation",
         "GetStackPolicy": "cloudformation"}  # fmt: skip
# Each sign, and the one read that shows it.
SIGNS: dict[str, tuple[str, dict[str, Any]]] = {
    "a variable": ("GetApp", {"variables": {"GEN2_MIGRATION_ENVIRONMENT_NAME": "staging"}}),
    "a holding stack": ("ListStacks", {"stacks": [{"name": f"amplify-{APP}-main-branch-1-auth-holding"}]}),
    "termination protection": ("DescribeStacks", {"termination_protection": True}),
    "a stack policy": ("GetStackPolicy", {"stack_policy": LOCK}),
}


def _denied(*operations: str) -> Callable[[World], None]:
    def walk(world: World) -> None:
        for operation in operations:
            world.service.control.add_fault(operation, kind="denied", service=READS[operation])
        _call(world)

    return walk


def _shows(sign: dict[str, Any]) -> Callable[[World], None]:
    def close(world: World) -> None:
        members = dict(sign)
        app = {"app_id": APP, "variables": members.pop("variables", {})}
        stacks = members.pop("stacks", [])
        world.service.control.seed(apps=[app | {"environments": [{"name": "staging", **members}]}], stacks=stacks)

    return close


def _roads_of_signs() -> Iterator[Road]:
    for way, (read, sign) in SIGNS.items():
        others = [operation for operation in READS if operation != read]
        yield Road(f"{way} beside reads that are denied", DELETION, _denied(*others), closed_by=_shows(sign))
        yield Road(f"{read} that is denied", DELETION, _denied(read), closed_by=_sets(GUARD, "require"))
    yield Road("no read at all", DELETION, _denied(*READS), closed_by=_sets(GUARD, " Require "))
    yield Road("an endpoint that is not the local service's", DELETION, _elsewhere, closed_by=_sets(GUARD, "require"))


def _elsewhere(world: World) -> None:
    with Front(world.service.endpoint_url, hides="/_amplifybackend/").running() as front:
        own = {"amplifybackend": {"endpoint_url": front.endpoint_url}}
        members = json.loads(connection_json(front.endpoint_url, service_config=own))
        del members["extra"]["endpoint_url"]
        world.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps(members))
        _call(world, aws_conn_id="elsewhere")


# ------------------------------------------------------------------------------------------------------------ clients


class _Disguised(str):
    """A name that shows another one."""

    __slots__ = ()

    def __str__(self) -> str:
        return "other"


def _yielding(request: dict[str, Any]) -> Generator[Call, Any, Any]:
    return (yield Call(DELETION, request))


def _other_client(hook: AmplifyBackendHook, session: Any, **options: Any) -> Any:
    return session("amplifybackend", region_name="us-east-1", endpoint_url=hook.conn.meta.endpoint_url, **options)


def _unchecked(hook: AmplifyBackendHook, request: dict[str, Any]) -> None:
    options = Config(parameter_validation=False)
    _other_client(hook, hook.get_session().client, config=options).delete_backend(**request)


def _of_botocore(hook: AmplifyBackendHook, request: dict[str, Any]) -> None:
    _other_client(hook, hook.get_session()._session.create_client).delete_backend(**request)


def _raw(hook: AmplifyBackendHook, request: dict[str, Any]) -> None:
    """Make the request by hand, past the parameters and their events."""
    client: Any = hook.conn
    model = client.meta.service_model.operation_model(DELETION)
    made = client._convert_to_request_dict(request, model, client.meta.endpoint_url)
    client._endpoint.make_request(model, made)


def _copied(hook: AmplifyBackendHook, request: dict[str, Any]) -> None:
    _ = hook.conn
    copy.copy(hook).call(DELETION, request)


def _in_a_thread(hook: AmplifyBackendHook, request: dict[str, Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(hook.conn.delete_backend, **request).result()


def _of_the_triggerer(hook: AmplifyBackendHook, request: dict[str, Any]) -> None:
    async def call() -> None:
        async with AsyncExitStack() as stack:
            client = await create_client(stack, aws_conn_id="aws_default")
            await client.delete_backend(**request)

    asyncio.run(call())


CLIENTS: dict[str, Callable[[AmplifyBackendHook, dict[str, Any]], Any]] = {
    "a call by its inner name": lambda hook, request: hook.conn._make_api_call(DELETION, request),  # type: ignore[attr-defined]
    "a request made by hand": _raw,
    "a partial": lambda hook, request: functools.partial(hook.call, DELETION)(request),
    "a copy of the hook": _copied,
    "another spelling of the operation": lambda hook, request: hook.call("deleteBackend", request),
    "a generator of calls": lambda hook, request: hook.run(_yielding(request)),
    "another client of the hook": lambda hook, request: hook.get_client_type().delete_backend(**request),
    "a client of botocore's session": _of_botocore,
    "a client that checks no parameters": _unchecked,
    "a client of the triggerer": _of_the_triggerer,
    "a thread": _in_a_thread,
    "a name that shows another": lambda hook, request: hook.conn.delete_backend(
        **request | {"BackendEnvironmentName": _Disguised("staging")}
    ),
}


def _with_hook(use: Callable[[AmplifyBackendHook, dict[str, Any]], Any]) -> Callable[[World], None]:
    return lambda world: quietly(lambda: use(AmplifyBackendHook(), world.request(DELETION)))


def _roads_of_clients() -> Iterator[Road]:
    for way, use in CLIENTS.items():
        yield Road(way, DELETION, _with_hook(use))


# ----------------------------------------------------------------------------------------------------------- handlers


def _made_anew(request: Any, **_: Any) -> None:
    request.url = request.url.replace("/other/", "/staging/")


def _turns(ending: str) -> Callable[..., None]:
    """Turn the address of a list of jobs into that of another operation."""

    def turn(params: dict[str, Any], **_: Any) -> None:
        for name in ("url", "url_path"):
            params[name] = str(params[name]).replace("/job/staging", ending)

    return turn


def _handled(event: str, handler: Callable[..., Any], call: Callable[[Any], Any]) -> Callable[[World], None]:
    def walk(world: World) -> None:
        world.service.control.seed_app(APP, "other")
        hook = AmplifyBackendHook()
        hook.conn.meta.events.register(event, handler)
        quietly(lambda: call(hook.conn))

    return walk


def _roads_of_handlers() -> Iterator[Road]:
    def delete_other(client: Any) -> Any:
        return client.delete_backend(AppId=APP, BackendEnvironmentName="other")

    def read(client: Any) -> Any:
        return client.list_backend_jobs(AppId=APP, BackendEnvironmentName="staging")

    for event in ("request-created.amplifybackend", "before-sign.amplifybackend", "before-send.amplifybackend"):
        name = event.partition(".")[0]
        yield Road(f"a handler of {name}", DELETION, _handled(event, _made_anew, delete_other))
    for way, ending in {"one environment": "/environments/staging/remove", "all environments": "/remove"}.items():
        walk = _handled("before-call.amplifybackend.ListBackendJobs", _turns(ending), read)
        yield Road(f"a read that a handler turns into a deletion of {way}", DELETION, walk)


# --------------------------------------------------------------------------------------------------------------- DAGs

DAGS = {
    "a decorated task": f"""
        from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

        @task
        def delete():
            AmplifyBackendHook().conn.delete_backend(AppId="{APP}", BackendEnvironmentName="staging")

        delete()
    """,
    "a callback": f"""
        from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

        def delete(context):
            AmplifyBackendHook().call("DeleteBackend", {{"AppId": "{APP}", "BackendEnvironmentName": "staging"}})

        GetBackendOperator(task_id="get", app_id="{APP}", on_success_callback=delete)
    """,
    "a name from an XCom": f"""
        @task
        def name():
            return "staging"

        DeleteBackendOperator(task_id="delete", app_id="{APP}", backend_environment_name=name(), {HURRY})
    """,
    "a trigger rule": f"""
        failing = GetBackendOperator(task_id="get", app_id="{APP}", backend_environment_name="nowhere")
        failing >> DeleteBackendOperator(task_id="delete", {NAMES}, {HURRY}, trigger_rule="all_done")
    """,
    "an operator that asks its own hook": f"""
        class Own(DeleteBackendOperator):
            def execute(self, context):
                return self.hook.conn.delete_backend(AppId="{APP}", BackendEnvironmentName="staging")

        Own(task_id="delete", {NAMES})
    """,
    "conditions that hold": f"""
        DeleteBackendOperator(task_id="delete", {NAMES}, {HURRY}, only_if={{"name": "st*"}})
    """,
    "a plan": f"""
        from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
        plan = PlanBackendDeletionOperator(task_id="plan", {NAMES})
        DeleteBackendOperator(task_id="delete", {NAMES}, {HURRY}, plan=plan.output)
    """,
}


def _roads_of_dags() -> Iterator[Road]:
    for way, body in DAGS.items():
        yield Road(way, DELETION, runner(body))
    native = DELETE.replace('"staging"', "\"{{ 'staging' }}\"")
    yield Road("a native template", DELETION, runner(native, options="render_template_as_native_obj=True"))
    yield Road("what changes between plan and deletion", DELETION, _between_plan_and_deletion, is_closed_late=True)


def _between_plan_and_deletion(world: World) -> None:
    LATE.act = world.close
    body = f"""
        from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
        from tests.guard.roads import LATE

        @task
        def late():
            LATE()

        plan = PlanBackendDeletionOperator(task_id="plan", {NAMES})
        plan >> late() >> DeleteBackendOperator(task_id="delete", {NAMES}, {HURRY}, plan=plan.output)
    """
    dag(world, body)


# -------------------------------------------------------------------------------------------------------------- races


def _roads_of_races() -> Iterator[Road]:
    for deferrable in (False, True):
        yield Road(
            f"a race with whoever protects it{', deferrable' if deferrable else ''}",
            DELETION,
            _race(deferrable=deferrable),
            is_closed_late=True,
        )
    protected = _sets(PROTECTED, "*")
    yield Road("a retry of botocore", DELETION, _retry_of_botocore, is_closed_late=True, closed_by=protected)


def _race(*, deferrable: bool) -> Callable[[World], None]:
    """Protect it while a task is about to delete it: it has begun to look, and its list of jobs is slow to come."""

    def walk(world: World) -> None:
        control = world.service.control
        control.add_fault("ListBackendJobs", kind="delay", seconds=1.5, times=1)
        over = threading.Event()

        def protect() -> None:
            while not control.faults()[0]["used"] and not over.wait(0.02):
                pass
            world.close()

        other = threading.Thread(target=protect)
        other.start()
        try:
            dag(world, DELETE.replace(HURRY, f"{HURRY}, deferrable={deferrable}"))
        finally:
            over.set()
            other.join()

    return walk


def _retry_of_botocore(world: World) -> None:
    """Protect it after botocore's first attempt has failed; names only are looked at again so soon."""
    world.service.control.add_fault(DELETION, kind="throttle", times=1)
    hook = AmplifyBackendHook()
    closed = threading.Event()

    def protect(**_: Any) -> None:
        if not closed.is_set():
            closed.set()
            world.close()

    hook.conn.meta.events.register_first("needs-retry.amplifybackend.DeleteBackend", protect)
    quietly(lambda: hook.conn.delete_backend(**world.request(DELETION)))
