"""Whatever the service says can be written down: in logs, events, XComs and the state store, by Airflow's own encoders.

The answers come over HTTP from a service that says anything that JSON can say, through the hook, the operators and the
trigger.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings

from airflow_provider_amplifybackend._compat import mask_secret
from airflow_provider_amplifybackend.core import meta_config as meta
from airflow_provider_amplifybackend.core.encodable import (
    MAX_DEPTH,
    MAX_ERROR_TEXT,
    TOO_DEEP,
    encodable,
    encodable_answer,
    encodable_text,
    shortened,
)
from airflow_provider_amplifybackend.core.job import JobRef, Outcome
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.core.status_check import Condition, EnvironmentCondition
from airflow_provider_amplifybackend.exceptions import AmplifyBackendError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.start.intent import Intent, Round, answered
from airflow_provider_amplifybackend.triggers import _events as events
from airflow_provider_amplifybackend.triggers.environment import BackendEnvironmentTrigger
from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger
from tests.operators.requests_by_operation import CASES, JOB, SESSION, operator_classes, parameters
from tests.raw_service import RawService, raw_service
from tests.samples import APP

HALF_EMOJI = "stopped \ud83d"
NUL = "before\x00after"
DEEP = "[" * 3000 + "]" * 3000
EXTREMES = (
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "9" * 5000,
    "9" * 25,
    "-" + "9" * 25,
    DEEP,
    '{"a":' * 300 + "1" + "}" * 300,
)
NASTY_TEXTS = (HALF_EMOJI, NUL, "\udc80", "\U0001f600", "x" * 20_000, "", "COMPLETED", "FAILED", "99999999999999999999")
# But not a text that holds these six characters.
NUL_IN_JSON = re.compile(r"(?<!\\)(\\\\)*\\u0000")
KEYS = (*NASTY_TEXTS, "__classname__", "__id__", "__type", "__var", "__data__", "__version__")


def one_of(values: Sequence[str]) -> st.SearchStrategy[str]:
    """One of some values, by its place: hypothesis shows what it draws from, and some of these are long."""
    return st.sampled_from(range(len(values))).map(values.__getitem__)


texts = one_of(NASTY_TEXTS) | st.text(st.characters(codec=None), max_size=20)
scalars = st.one_of(
    texts.map(json.dumps),
    one_of(EXTREMES),
    one_of(("null", "true", "0", "-1.5", "1.6e12", "1617375907613")),
    st.integers().map(str),
)


def objects(values: st.SearchStrategy[str], keys: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.dictionaries(keys, values, max_size=4)
    return members.map(lambda found: "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in found.items()) + "}")


documents = st.recursive(
    scalars,
    lambda values: (
        objects(values, one_of(KEYS) | texts) | st.lists(values, max_size=3).map(lambda items: f"[{','.join(items)}]")
    ),
    max_leaves=8,
)
# Where the service answers with a document, it does so as a text.
anything = documents | documents.map(json.dumps)


def body_of(shape: Any, depth: int = 3) -> st.SearchStrategy[str]:
    """Bodies of an operation's answer: in the model's form as a rule, with anything as its values."""
    if shape.type_name == "structure" and depth:
        members = {
            member.serialization.get("name", name): body_of(member, depth - 1) for name, member in shape.members.items()
        }
        found = st.fixed_dictionaries({}, optional=members)
        return found.map(lambda all: "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in all.items()) + "}")
    if shape.type_name == "list" and depth:
        items = st.lists(body_of(shape.member, depth - 1), max_size=3)
        return items.map(lambda all: f"[{','.join(all)}]") | anything
    return anything


def answers(operation: str) -> st.SearchStrategy[str]:
    return body_of(service_model.service_model().operation_model(operation).output_shape) | anything


def assert_encodable(value: Any) -> None:
    """Write a value as Airflow's processes, its database and its logs do."""
    from airflow.sdk.execution_time.comms import _new_encoder
    from airflow.sdk.serde import deserialize, serialize
    from airflow.serialization.serialized_objects import BaseSerialization

    stored = json.dumps(serialize(value), allow_nan=False, ensure_ascii=False)
    stored.encode("utf-8")
    assert not NUL_IN_JSON.search(stored), "PostgreSQL takes no NUL"
    assert deserialize(json.loads(stored)) == value
    _new_encoder().encode(value)
    older = json.dumps(BaseSerialization.serialize(value), allow_nan=False, ensure_ascii=False)
    older.encode("utf-8")
    assert BaseSerialization.deserialize(json.loads(older)) == value
    msgspec.json.encode({"event": value})


def assert_loggable(error: AmplifyBackendError) -> None:
    """Write an error with all that Airflow writes of it."""
    assert_encodable(str(error))
    written = "".join(traceback.format_exception(error))
    assert "\x00" not in written
    # CloudWatch takes no more, in whatever form.
    assert len(json.dumps(written)) < 256 * 1024


class Lines(logging.Handler):
    """Encodes each line that is logged, as a log file does."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.unfit: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line != encodable_text(line):
            self.unfit.append(ascii(line))


@pytest.fixture(scope="module")
def raw() -> Iterator[RawService]:
    with raw_service() as service:
        yield service


@pytest.fixture(scope="module")
def connection(raw: RawService) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_RAW", connection_json(raw.endpoint_url))
        yield "raw"


@pytest.fixture(scope="module")
def hook(connection: str) -> AmplifyBackendHook:
    return AmplifyBackendHook(aws_conn_id=connection, config={"retries": {"total_max_attempts": 1}})


@pytest.fixture
def lines() -> Iterator[None]:
    """Fails the test if a line was logged that cannot be written to a file."""
    handler, logger = Lines(), logging.getLogger("airflow_provider_amplifybackend")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield
    logger.removeHandler(handler)
    logger.setLevel(level)
    assert not handler.unfit


@pytest.fixture(scope="module", autouse=True)
def _no_masks_are_left() -> Iterator[None]:
    """The secrets of these answers are ordinary words, which the tests after these do not want masked."""
    masker = mask_secret.__globals__["_secrets_masker"]()  # wherever this Airflow has it
    patterns, replacer = set(masker.patterns), masker.replacer
    yield
    masker.patterns, masker.replacer = patterns, replacer


over_http = settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Pushed:
    """The task instance of a context: it writes each XCom that is pushed as Airflow does."""

    def xcom_push(self, key: str, value: Any) -> None:
        assert_encodable({key: value})


def operator(operation: str) -> Any:
    """The operator of an operation, for the raw service."""
    given = parameters(operation, {JOB: "job-1", SESSION: "session"}) | {"aws_conn_id": "raw"}
    return operator_classes()[f"{operation}Operator"](
        task_id=operation, botocore_config={"retries": {"total_max_attempts": 1}}, **given
    )


READS = tuple(name for name in CASES if name not in JOB_OPERATIONS)


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize("operation", READS)
@over_http
@given(data=st.data())
def test_no_answer_fails_the_xcom_of_an_operator(
    raw: RawService, hook: AmplifyBackendHook, operation: str, data: st.DataObject
) -> None:
    raw.answer(data.draw(answers(operation)), then="{}")
    task = operator(operation)
    task.__dict__["hook"] = hook  # a client for each example would take most of the time
    try:
        assert_encodable(task.execute({"ti": Pushed()}))
    except AmplifyBackendError as error:
        assert_loggable(error)


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize("operation", ["CloneBackend", "CreateBackendConfig", "UpdateBackendStorage"])
@over_http
@given(data=st.data())
def test_no_answer_to_a_start_fails_its_xcom_or_its_intent(
    raw: RawService, hook: AmplifyBackendHook, operation: str, data: st.DataObject
) -> None:
    raw.answer(data.draw(answers(operation)))
    request = operator(operation).build_request()
    try:
        job = hook.start_operation(operation, request)
    except AmplifyBackendError as error:
        assert_loggable(error)
        return
    assert_encodable(dict(job.to_xcom(Outcome.STARTED)))
    assert_encodable(answered(Intent(operation, APP, "", Round(0, 0), 0), job).to_stored())


@pytest.mark.usefixtures("lines")
@over_http
@given(
    status=st.sampled_from((400, 404, 429, 500, 504)),
    body=objects(anything, st.sampled_from(("message", "Message", "__type", "code", "LimitType"))) | anything,
    header=st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20),
)
def test_no_error_of_the_service_fails_a_log(
    raw: RawService, hook: AmplifyBackendHook, status: int, body: str, header: str
) -> None:
    raw.answer(body, status=status, **{"x-amzn-errortype": header, "x-amzn-requestid": header})
    with pytest.raises(AmplifyBackendError) as raised:
        hook.call("GetBackendAuth", {"AppId": APP, "BackendEnvironmentName": "staging", "ResourceName": "main"})
    assert_loggable(raised.value)


async def event_of(trigger: Any) -> dict[str, Any]:
    (event,) = [event.payload async for event in trigger.run()]
    assert isinstance(event, dict)
    return event


def trigger_options() -> dict[str, Any]:
    once = {"retries": {"total_max_attempts": 1}}
    return {"deadline": time.time() + 0.15, "waiter_delay": 0.1, "aws_conn_id": "raw", "botocore_config": once}


@pytest.fixture
def _no_delays(pace: Callable[..., None]) -> None:
    pace(earliest_event=0.0, first_check=0.05)


@pytest.mark.usefixtures("lines", "connection", "_no_delays")
@settings(over_http, max_examples=20)
@given(status=st.sampled_from((200, 200, 200, 400, 500)), body=answers("GetBackendJob"))
@example(status=200, body=json.dumps({"jobId": "j", "status": "FAILED", "error": HALF_EMOJI}))
@example(status=200, body=json.dumps({"jobId": NUL, "status": HALF_EMOJI, "operation": "x" * 100_000}))
@example(status=200, body='{"jobId": "j", "status": "COMPLETED", "createTime": %s, "updateTime": 1e400}' % ("9" * 40))
@example(status=400, body=json.dumps({"__type": HALF_EMOJI, "message": NUL}))
def test_no_answer_ends_the_triggerer_of_a_job(raw: RawService, status: int, body: str) -> None:
    raw.answer(body, status=status)
    trigger = BackendJobTrigger.waiting_for(JobRef(APP, "j", ("staging",), "CloneBackend"), **trigger_options())
    event = asyncio.run(event_of(trigger))
    assert_encodable(event)
    try:
        job = events.job_of_event(event)
    except AmplifyBackendError as error:
        assert_loggable(error)
    else:
        assert_encodable(dict(job.to_xcom(Outcome.STARTED)))


@pytest.mark.usefixtures("lines", "connection", "_no_delays")
@pytest.mark.parametrize(("condition", "operation"), [("idle", "ListBackendJobs"), ("exists", "GetBackend")])
@settings(over_http, max_examples=6)
@given(data=st.data())
def test_no_answer_ends_the_triggerer_of_an_environment(
    raw: RawService, condition: str, operation: str, data: st.DataObject
) -> None:
    raw.answer(data.draw(answers(operation)), then="{}")
    awaited = EnvironmentCondition(APP, "staging", Condition(condition))
    event = asyncio.run(event_of(BackendEnvironmentTrigger.waiting_for(awaited, **trigger_options())))
    assert_encodable(event)
    try:
        events.check_event(event, awaited)
    except AmplifyBackendError as error:
        assert_loggable(error)


# What becomes of what


def test_a_text_keeps_everything_that_can_be_written() -> None:
    assert encodable_text("a\tb\nz\x1b \U0001f600 \ufffe") == "a\tb\nz\x1b \U0001f600 \ufffe"
    assert encodable_text(f"{HALF_EMOJI}{NUL}") == "stopped \ufffdbefore\ufffdafter"


def test_a_value_keeps_its_types_where_they_can_be_encoded() -> None:
    value = {"a": [1, -1.5, True, None, "text", {"b": 2**63 - 1}], HALF_EMOJI: (2**64, float("nan"), float("inf"))}
    assert encodable(value) == {
        "a": [1, -1.5, True, None, "text", {"b": 2**63 - 1}],
        "stopped \ufffd": [str(2**64), None, None],
    }


def test_what_is_nested_too_deep_says_so() -> None:
    value: Any = "inside"
    for _ in range(MAX_DEPTH + 1):
        value = [value]
    text = json.dumps(encodable(value))
    assert TOO_DEEP in text
    assert "inside" not in text


def test_a_text_that_is_cut_says_how_much_of_it_is_shown() -> None:
    assert shortened("x" * 20_000, 12_345) == "x" * 12_345 + "... [cut: 12,345 of 20,000 characters shown]"
    assert shortened("x" * 12_345, 12_345) == "x" * 12_345


def test_only_what_nobody_uses_as_data_is_cut(raw: RawService, hook: AmplifyBackendHook) -> None:
    long = "y" * 300_000
    raw.answer(
        json.dumps({"appId": APP, "amplifyMetaConfig": long, "error": long, "backendEnvironmentName": "staging"})
    )
    answer = hook.call("GetBackend", {"AppId": APP, "BackendEnvironmentName": "staging"})
    assert answer["AmplifyMetaConfig"] == long
    assert answer["Error"] == "y" * MAX_ERROR_TEXT + f"... [cut: {MAX_ERROR_TEXT:,} of 300,000 characters shown]"
    raw.answer(json.dumps({"models": long, "status": "LATEST"}))
    names = {"AppId": APP, "BackendEnvironmentName": "staging", "ResourceName": "graph"}
    assert hook.call("GetBackendAPIModels", names)["Models"] == long
    raw.answer(
        json.dumps(
            {"nextToken": long, "jobs": [{"jobId": "j", "operation": "CloneBackend", "error": long, "status": long}]}
        )
    )
    page = hook.call("ListBackendJobs", {"AppId": APP, "BackendEnvironmentName": "staging"})
    assert page["NextToken"] == long
    assert "characters shown]" in page["Jobs"][0]["Error"]
    assert "characters shown]" in page["Jobs"][0]["Status"]


def test_a_text_of_the_model_is_a_text_whatever_stands_there(raw: RawService, hook: AmplifyBackendHook) -> None:
    times = '"createTime": 1.617375907613e12, "updateTime": NaN'
    raw.answer(f'{{"jobId": 17, "status": {{"is": ["odd"]}}, "operation": true, {times}}}')
    answer = hook.call("GetBackendJob", {"AppId": APP, "BackendEnvironmentName": "staging", "JobId": "17"})
    del answer["ResponseMetadata"]
    assert answer == {
        "JobId": "17",
        "Status": '{"is": ["odd"]}',
        "Operation": "true",
        "CreateTime": "1617375907613",
    }


def test_a_time_beyond_all_dates_is_left_out(raw: RawService, hook: AmplifyBackendHook) -> None:
    last, beyond = "253402300799999", "253402300800000"
    raw.answer(json.dumps({"jobId": "j", "status": "COMPLETED", "createTime": last, "updateTime": beyond}))
    job = hook.get_job(APP, "staging", "j")
    assert (job.create_time_ms, job.update_time_ms) == (int(last), None)
    assert str(job.to_xcom(Outcome.FOUND)["created_at"]).startswith("9999-12-31T23:59:59.99")


def test_a_date_beyond_all_dates_does_not_end_a_look(raw: RawService, hook: AmplifyBackendHook) -> None:
    raw.answer(json.dumps({"jobId": "j", "status": "COMPLETED"}), Date="Mon, 01 Jan 99999999999 00:00:00 GMT")
    answer = hook.call("GetBackendJob", {"AppId": APP, "BackendEnvironmentName": "staging", "JobId": "j"})
    assert "date" not in answer["ResponseMetadata"]["HTTPHeaders"]


def test_rows_that_are_nothing_are_left_out(raw: RawService, hook: AmplifyBackendHook) -> None:
    raw.answer('{"jobs": [null, {"jobId": "j", "status": "RUNNING"}, null]}')
    assert [job.job_id for job in hook.iter_jobs(APP, "staging")] == ["j"]


def test_a_document_inside_a_text_is_made_encodable_too() -> None:
    document = (
        '{"auth": {"a\\ud83d": {"output": {"UserPoolId": "p\\u0000", "Size": 1e400, "__classname__": "os.system"}}}}'
    )
    assert meta.parse_document(document) == {
        "auth": {"a\ufffd": {"output": {"UserPoolId": "p\ufffd", "Size": None, "_classname__": "os.system"}}}
    }
    assert meta.parse_document(DEEP) == f"(not readable: JSON of {len(DEEP)} characters, nested too deep)"


def test_boto3s_own_client_answers_as_boto3_does(raw: RawService, hook: AmplifyBackendHook) -> None:
    raw.answer(json.dumps({"jobId": "j", "error": HALF_EMOJI}))
    answer = hook.conn.get_backend_job(AppId=APP, BackendEnvironmentName="staging", JobId="j")
    assert answer["Error"] == HALF_EMOJI


@pytest.mark.parametrize(
    ("operation", "member"),
    [("GetBackend", "AppId"), ("GetBackend", "AppName"), ("GetBackendAPI", "ResourceName"), ("GetBackendJob", "JobId")],
)
def test_no_name_of_an_answer_is_longer_than_a_url(operation: str, member: str) -> None:
    shape = service_model.service_model().operation_model(operation).output_shape
    answer = encodable_answer({member: "x" * 300_000}, shape)
    assert answer[member].endswith("... [cut: 1,024 of 300,000 characters shown]")
