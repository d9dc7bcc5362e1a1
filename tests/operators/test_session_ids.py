"""The session id of a challenge token: in the XComs that later tasks need, and nowhere else in clear."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner, Finished
from tests.operators.left_behind import pieces
from tests.samples import APP

pytestmark = pytest.mark.usefixtures("everything_is_logged")

IMPORTS = """
from airflow_provider_amplifybackend.operators.token import (
    CreateTokenOperator, DeleteTokenOperator, GetTokenOperator,
)
"""
ONE = """
created = CreateTokenOperator(task_id="create", app_id=APP)
get = GetTokenOperator(task_id="get", app_id=APP, session_id={session})
DeleteTokenOperator(task_id="delete", app_id=APP, session_id={again}) << get << created
"""
TEMPLATE = """"{{ ti.xcom_pull('create')['SessionId'] }}\""""
MEMBER = """"{{ ti.xcom_pull('create', key='SessionId') }}\""""
WAYS = {
    "a template of the result": (TEMPLATE, TEMPLATE),
    "a template of its member": (MEMBER, MEMBER),
    "outputs": ('created.output["SessionId"]', 'get.output["SessionId"]'),
}
MAPPED = """
created = [CreateTokenOperator(task_id=f"create_{number}", app_id=APP) for number in range(2)]

@task
def sessions(ids):
    return list(ids)

ids = sessions([each.output["SessionId"] for each in created])
got = GetTokenOperator.partial(task_id="get", app_id=APP).expand(session_id=ids)
DeleteTokenOperator.partial(task_id="delete", app_id=APP).expand(session_id=ids) << got
"""


def sessions_of(service: LocalAmplifyBackend) -> list[str]:
    return sorted({entry["parameters"]["SessionId"] for entry in service.control.journal("GetToken")})


def shown(session: str, *runs: Finished) -> set[str]:
    """The places in which a session id can be read, XComs aside."""
    return {
        f"{piece.sink}: {piece.where}"
        for piece in pieces(*runs)
        if session.encode() in piece.content and piece.where != "xcom.value"
    }


@pytest.mark.parametrize("options", ["", "render_template_as_native_obj=True"], ids=["texts", "native"])
@pytest.mark.parametrize("way", WAYS)
def test_it_is_masked_in_logs_and_rendered_fields_and_stays_in_the_xcoms(
    dags: DagRunner, service: LocalAmplifyBackend, way: str, options: str
) -> None:
    session, again = WAYS[way]
    run = dags.run(IMPORTS + ONE.format(session=session, again=again), options=options)
    assert run.states == dict.fromkeys(("create", "get", "delete"), "success")
    (session_id,) = sessions_of(service)
    assert [entry["parameters"]["SessionId"] for entry in service.control.journal("DeleteToken")] == [session_id]
    assert {key for key, value in run.xcoms().items() if session_id in json.dumps(value)} == {
        (task_id, -1, key) for task_id in ("create", "get") for key in ("return_value", "SessionId")
    }
    assert run.rendered("get")["session_id"] == run.rendered("delete")["session_id"] == "***"
    assert shown(session_id, run) == set()


def test_it_is_masked_where_tasks_are_mapped_over_it(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    run = dags.run(IMPORTS + MAPPED)
    assert set(run.states.values()) == {"success"}
    session_ids = sessions_of(service)
    assert len(session_ids) == 2
    for task_id in ("get", "delete"):
        assert [run.rendered(task_id, index)["session_id"] for index in range(2)] == ["***", "***"]
    # The task between them is not ours, and Airflow logs what it returns.
    theirs = {"log: sessions", "table rendered_task_instance_fields: rendered_task_instance_fields.rendered_fields"}
    for session_id in session_ids:
        assert shown(session_id, run) <= theirs
        assert session_id in json.dumps(run.xcom("sessions"))


REFUSED: dict[str, dict[str, Any]] = {
    "the service refuses it and repeats it": {"kind": "error", "status": 400, "code": "BadRequestException"},
    "it is throttled": {"kind": "throttle", "times": 1},
    "the answer is lost": {"kind": "reset_after", "times": 1},
}


@pytest.mark.parametrize("how", REFUSED)
def test_it_is_masked_where_a_call_fails(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    session_id = service.client().create_token(AppId=APP)["SessionId"]
    monkeypatch.setitem(os.environ, "AIRFLOW_VAR_SESSION", session_id)
    more = {"message": f"no session '{session_id}'"} if "kind" in REFUSED[how] and how != "the answer is lost" else {}
    service.control.add_fault(operation="GetToken", **REFUSED[how], **more)
    run = dags.run(
        IMPORTS + 'GetTokenOperator(task_id="get", app_id=APP, session_id="{{ var.value.session }}", retries=0)'
    )
    assert run.states == {"get": "failed" if "refuses" in how else "success"}
    assert run.rendered("get")["session_id"] == "***"
    assert shown(session_id, run) == set()
