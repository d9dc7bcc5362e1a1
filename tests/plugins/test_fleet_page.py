"""The page "Amplify backends": what it shows, from where, and that it trusts nothing that it shows."""

from __future__ import annotations

import html
import json
import os
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.timing import replaced
from airflow_provider_amplifybackend.fleet.stored import (
    MOST_FILE_BYTES,
    MOST_FILE_LINES,
    MOST_XCOM_BYTES,
    compact,
    from_compact,
    from_json_lines,
    known_row,
)
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.plugins import _database, _sources
from airflow_provider_amplifybackend.plugins._database import TaskKey, Touch
from airflow_provider_amplifybackend.plugins._fleet_page import page
from airflow_provider_amplifybackend.plugins._sources import Fleet
from tests.dag_run import DagRunner
from tests.fleet.made import NOW, finding, resource, row
from tests.samples import APP

HOUR = 3600
SECRET = "da2-hushhushhush"
ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><svg onload=alert(1)>",
    "javascript:alert(1)",
    "x' onmouseover='alert(1)",
    "\u202egnp.exe\u202c",
    "evil.example/#",
    "../../../admin",
)
INVENTORY = """
from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator
BackendInventoryOperator(task_id="inventory", path={path!r}, requests_per_second=100)
"""
Get = Callable[..., Any]


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    @property
    def shape(self) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in self.elements]

    @property
    def addresses(self) -> list[str]:
        return [str(attributes["href"]) for _, attributes in self.elements if "href" in attributes]


def text_of(answer: Any) -> str:
    return html.unescape(re.sub(r"<(style|script)>.*?</\1>|<[^>]*>", " ", answer.text, flags=re.DOTALL))


# ------------------------------------------------------------------------------------------------------- whose data


@pytest.fixture
def inventory(dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path) -> str:
    """A fleet with a job that runs, read by a task; the folder that it has written to."""
    service.control.seed(
        apps=[
            {
                "app_id": "d2",
                "app_name": "blog",
                "tags": {"team": "ann@example.com"},
                "variables": {"API_TOKEN": SECRET},
                "environments": [{"name": "dev", "age_seconds": 99 * HOUR, "api": {"shop": None}}],
                "jobs": [
                    {"environment": "dev", "operation": "UpdateBackendAPI", "age_seconds": 9 * HOUR},
                    {"environment": "dev", "status": "FAILED", "error": f"api_key: {SECRET}", "age_seconds": HOUR},
                ],
            }
        ]
    )
    service.control.set(job_seconds=600)
    service.client().update_backend_api(AppId="d2", BackendEnvironmentName="dev", ResourceName="shop")
    run = dags.run(INVENTORY.format(path=str(tmp_path / "fleet")))
    assert run.state == "success", run.errors("inventory")
    return str(tmp_path / "fleet")


def test_without_an_inventory_the_page_says_how_to_get_one(get: Get, only_dags: Callable[..., None]) -> None:
    only_dags(set())
    shown = text_of(get("/fleet"))
    assert "There is no inventory to show. Run a BackendInventoryOperator" in shown
    assert "[amplifybackend] inventory" in shown


@pytest.mark.parametrize("source", ["xcom", "folder", "file"])
def test_the_page_shows_the_fleet_of_the_inventory(
    get: Get, inventory: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source != "xcom":
        name = "/environments.jsonl" if source == "file" else ""
        monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__INVENTORY", inventory + name)
    answer = get("/fleet")
    shown = text_of(answer)
    assert answer.status_code == 200
    assert "blog" in shown
    assert re.search(r"blog / dev\s*: UpdateBackendAPI \w+ for \d+ s", shown), shown
    assert "api/shop (AppSync)" in shown
    assert "1 resource" in shown
    assert (
        "https://us-east-1.console.aws.amazon.com/amplify/home?region=us-east-1#/d2/YmFja2VuZA/dev"
        in Page(answer.text).addresses
    )
    assert "https://us-east-1.admin.amplifyapp.com/admin/d2/dev/home" in Page(answer.text).addresses
    for secret in (SECRET, "hush", "ann@example.com"):
        assert secret not in answer.text


def test_the_page_leads_to_the_task_that_last_worked_on_an_environment(
    get: Get, dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    clone = dags.run(
        'CloneBackendOperator(task_id="clone", app_id=APP, backend_environment_name="staging", '
        'target_environment_name="copy", waiter_delay=0.1)'
    )
    read = dags.run('GetBackendOperator(task_id="read", app_id=APP, backend_environment_name="copy")')
    dags.run(INVENTORY.format(path=str(tmp_path)))
    answer = get("/fleet")
    assert (
        f"../dags/{clone.dag_id}/runs/{clone.run_id.replace(':', '%3A').replace('+', '%2B')}/tasks/clone"
        in Page(answer.text).addresses
    )
    assert read.dag_id not in answer.text
    assert APP in answer.text


def test_tasks_that_only_read_do_not_push_out_the_one_that_last_worked_on_an_environment(
    get: Get, dags: DagRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_database, "MOST_TOUCHES", 3)
    clone = dags.run(
        'CloneBackendOperator(task_id="clone", app_id=APP, backend_environment_name="staging", '
        'target_environment_name="copy", waiter_delay=0.1)'
    )
    dags.run(INVENTORY.format(path=str(tmp_path)))
    read = dags.load("""
        GetBackendOperator(task_id="read", app_id=APP, backend_environment_name="copy")
        BackendEnvironmentSensor(task_id="wait", app_id=APP, backend_environment_name="copy")
    """)
    for _ in range(2):
        dags.run_dag(read)
    assert clone.dag_id in get("/fleet").text


def test_nothing_of_a_dag_that_the_user_may_not_read_is_shown(
    get: Get, dags: DagRunner, inventory: str, only_dags: Callable[[set[str]], None]
) -> None:
    other = dags.run('GetBackendOperator(task_id="other", app_id=APP)')
    only_dags({other.dag_id})
    answer = get("/fleet")
    assert answer.status_code == 200
    assert "blog" not in answer.text
    assert "There is no inventory to show" in answer.text


READ_BY_HAND = """
import datetime
@task(task_id={task!r})
def read(**context):
    value = {{"version": 1, "taken_at": {at!r}, "rows": [{{"kind": "environment", "environment": {env!r}}}], "more": 0}}
    context["ti"].xcom_push(key="amplify_backends", value=value)
read()
"""


def test_an_inventory_that_is_taken_often_does_not_push_out_one_that_is_taken_seldom(
    get: Get, dags: DagRunner, monkeypatch: pytest.MonkeyPatch, only_dags: Callable[[set[str]], None]
) -> None:
    monkeypatch.setattr(_database, "MOST_INVENTORIES", 2)
    seldom = dags.run(READ_BY_HAND.format(task="weekly", at="2026-11-22T10:00:00+00:00", env="of-last-week"))
    often = dags.load(READ_BY_HAND.format(task="hourly", at="2026-11-29T10:00:00+00:00", env="of-today"))
    for _ in range(3):
        run = dags.run_dag(often)
    only_dags({seldom.dag_id, run.dag_id})
    shown = text_of(get("/fleet"))
    assert "of-today" in shown
    assert "of-last-week" in shown
    assert "read at 2026-11-29 10:00 UTC" in shown
    assert "and 1 other task, the oldest read at 2026-11-22 10:00 UTC" in shown
    assert re.search(r"of-last-week\s+read at 2026-11-22 10:00 UTC", shown)
    assert not re.search(r"of-today\s+read at", shown)


def test_an_environment_that_a_newer_reading_has_not_found_is_gone(
    get: Get, dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path, only_dags: Callable[[set[str]], None]
) -> None:
    """A task that was renamed has left what nobody renews."""
    service.control.seed(apps=[{"app_id": "d9", "app_name": "ghost", "environments": ["haunted"]}])
    before = dags.run(INVENTORY.format(path=str(tmp_path)).replace('"inventory"', '"inventory_old"'))
    only_dags({before.dag_id})
    assert "haunted" in text_of(get("/fleet"))
    dags.run(
        'DeleteBackendOperator(task_id="delete", app_id="d9", backend_environment_name="haunted", waiter_delay=0.1)'
    )
    after = dags.run(INVENTORY.format(path=str(tmp_path)))
    assert "haunted" not in (tmp_path / "environments.jsonl").read_text()
    only_dags({after.dag_id})
    shown = text_of(get("/fleet"))
    assert "staging" in shown
    assert "haunted" not in shown
    assert "other task" not in shown


@pytest.mark.parametrize("part", ["TASK_INSTANCE", "XCOM"])
def test_the_task_that_last_worked_on_an_environment_is_for_those_who_may_read_it(
    get: Get, dags: DagRunner, part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    clone = dags.run(
        'CloneBackendOperator(task_id="clone", app_id=APP, backend_environment_name="staging", '
        'target_environment_name="copy", waiter_delay=0.1)'
    )
    dags.run(INVENTORY.format(path=str(tmp_path)))
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__INVENTORY", str(tmp_path))
    assert clone.dag_id in get("/fleet").text

    def all_but_one(*, access_entity: Any = None, **_: Any) -> bool:
        return access_entity is None or access_entity.name != part

    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", all_but_one)
    answer = get("/fleet")
    assert answer.status_code == 200
    assert "staging" in answer.text
    assert clone.dag_id not in answer.text


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the page ask AWS, with nothing remembered of other tests."""
    monkeypatch.setattr(_sources, "live_fleet", _sources.Remembered(_sources.live_fleet._ask))
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__LIVE_PAGE", "True")


@pytest.mark.usefixtures("dags", "live")
def test_live_a_name_of_the_service_that_cannot_be_encoded_is_shown_as_far_as_it_can(
    get: Get, service: LocalAmplifyBackend
) -> None:
    service.control.seed(apps=[{"app_id": "d2", "app_name": "\ud83d-shop", "environments": [{"name": "dev"}]}])
    answer = get("/fleet")
    assert answer.status_code == 200
    assert "\ufffd-shop" in answer.text


@pytest.mark.usefixtures("dags", "live")
def test_live_the_page_reads_aws_once_for_all_who_look_at_it(get: Get, service: LocalAmplifyBackend) -> None:
    service.control.clear_journal()
    shown = text_of(get("/fleet"))
    assert "AWS, through the connection aws_default" in shown
    assert "staging" in shown
    requests = len(service.control.journal())
    assert requests > 0
    get("/fleet")
    assert len(service.control.journal()) == requests


@pytest.mark.usefixtures("dags", "live")
@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("LIVE_PAGE", "maybe", "A setting of this page cannot be read: [amplifybackend] live_page"),
        ("LIVE_PAGE_CONNECTION", "", "[amplifybackend] live_page_connection: aws_conn_id='' is missing a value"),
    ],
)
def test_live_a_setting_that_cannot_be_used_is_one_line(
    get: Get, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"AIRFLOW__AMPLIFYBACKEND__{setting}", value)
    answer = get("/fleet")
    assert answer.status_code == 200
    assert said in text_of(answer)


@pytest.mark.usefixtures("dags", "live")
def test_live_nothing_is_said_of_environments_where_none_could_be_read(
    get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__LIVE_PAGE_CONNECTION", "nosuch")
    shown = text_of(get("/fleet"))
    assert "No environment could be read at" in shown
    assert "The AWS connection 'nosuch' does not exist." in shown
    assert "have [amplifybackend] live_page_connection name another one" in shown
    for wrong in ("aws_conn_id", "0 environments", "No job was running", "Health"):
        assert wrong not in shown.partition("All rows")[0], wrong


@pytest.mark.usefixtures("dags", "live")
def test_live_no_request_leaves_once_the_time_is_up(
    get: Get, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a service that is slow: the time is up while the first environment is read."""
    passed = 0.0

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(_sources, "LIVE_SECONDS", 0.2)
    service.control.clear_journal()
    with replaced(monotonic=lambda: passed, sleep=sleep):
        shown = text_of(get("/fleet"))
    assert 1 < len(service.control.journal()) <= 5
    assert "Not all could be read within" in shown
    assert "cannot be read" not in shown


@pytest.mark.usefixtures("dags", "service")
def test_live_a_request_that_is_not_answered_ends_before_the_time_is_up() -> None:
    from airflow_provider_amplifybackend.plugins._live import TurnsUntil, live_hook

    config: Any = live_hook("aws_default", TurnsUntil(20, end=0)).config
    assert config.connect_timeout + config.read_timeout < _sources.LIVE_SECONDS


def test_where_a_region_could_not_be_read_no_more_is_said_than_is_known() -> None:
    unread = row("", kind="region", region="eu-west-1", app_id="", attention=[finding("high", "cannot be read: x")])
    assert "No job was running in the environments that could be read." in shown_fleet(row("dev"), unread)
    assert "No job was running." in shown_fleet(row("dev"))


def test_while_the_live_fleet_is_read_again_others_get_what_was_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    answers = iter([Fleet(source="first"), Fleet(source="second")])

    def ask() -> Fleet:
        answer = next(answers)
        if answer.source == "second":
            begun.set()
            assert go_on.wait(60)
        return answer

    monkeypatch.setattr(_sources, "LIVE_FOR", 0.0)
    remembered = _sources.Remembered(ask)
    assert remembered().source == "first"
    renewing = threading.Thread(target=remembered)
    renewing.start()
    assert begun.wait(60)
    assert remembered().source == "first"
    go_on.set()
    renewing.join(60)
    monkeypatch.setattr(remembered, "_until", float("inf"))
    assert remembered().source == "second"


def test_while_the_live_fleet_is_read_for_the_first_time_nobody_else_waits_for_it() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def ask() -> Fleet:
        begun.set()
        assert go_on.wait(60)
        return Fleet(source="first")

    remembered = _sources.Remembered(ask)
    reading = threading.Thread(target=remembered)
    reading.start()
    assert begun.wait(60)
    others: list[Fleet] = []
    other = threading.Thread(target=lambda: others.append(remembered()), daemon=True)
    other.start()
    other.join(60)
    try:
        assert [fleet.rows for fleet in others] == [[]]
        assert "load this page again in a moment" in page(others[0], {})
    finally:
        go_on.set()
        reading.join(60)
    assert remembered().source == "first"


def test_an_inventory_that_cannot_be_read_is_one_line_without_its_address(
    get: Get, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__INVENTORY", f"nosuchscheme://{SECRET}@bucket/fleet")
    answer = get("/fleet")
    assert "The inventory cannot be read; the log of the API server says why." in answer.text
    assert SECRET not in answer.text
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__INVENTORY", str(tmp_path))
    assert "There is no inventory yet" in get("/fleet").text


# ------------------------------------------------------------------------------------------------------ hostile data


def shown_fleet(*rows: dict[str, Any]) -> str:
    """The page of rows as they come back from a file."""
    content = "".join(json.dumps(one) + "\n" for one in rows).encode()
    return page(Fleet(rows=from_json_lines(content)[0], source="a file", taken_at=NOW), {})


def full_row(text: str, **more: Any) -> dict[str, Any]:
    job = {"job_id": text, "operation": text, "status": text, "since": text, "usual_seconds": 5}
    return row(
        text,
        app_name=text or "shop",
        attention=[finding("high", text)],
        running_jobs=[job],
        resources=[resource(text, note=text)],
        lease=text,
        protection=[text],
        last_job_operation=text,
        last_job_at=text,
        **more,
    )


@settings(deadline=None)
@given(text=st.sampled_from(ATTACKS) | st.text(max_size=20))
def test_whatever_an_inventory_says_is_text(text: str) -> None:
    plain, made = Page(shown_fleet(full_row("plain"))), Page(shown_fleet(full_row(text)))
    without_links = [part for part in made.shape if part[0] != "a"]
    assert [part[0] for part in without_links if part[0] in ("script", "img", "svg", "style", "iframe")] == [
        part[0] for part in plain.shape if part[0] in ("script", "img", "svg", "style", "iframe")
    ]
    for tag, attributes in made.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert {"src", "srcset", "style", "action"}.isdisjoint(attributes), tag
    for address in made.addresses:
        assert address.startswith(
            ("https://us-east-1.console.aws.amazon.com/", "https://us-east-1.admin.amplifyapp.com/")
        )


@pytest.mark.parametrize("region", [*ATTACKS, "us-east-1.evil.example", "us-east-1/", "US-EAST-1", "", "\nus-east-1"])
def test_a_region_that_is_none_leads_nowhere(region: str) -> None:
    assert Page(shown_fleet(row("dev", region=region))).addresses == []


def test_a_secret_that_stands_under_its_name_in_the_inventory_is_not_shown() -> None:
    text = f"cannot be read: password={SECRET}"
    shown = shown_fleet(
        row("dev", password=SECRET, token=SECRET, attention=[finding("high", text)], lease=text, protection=[text])
    )
    assert "dev" in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    "line",
    [
        b"", b"null", b"[]", b"{}", b'{"kind": "other"}', b"\xff\xfe", b"{", b"[" * 100_000,
        b'{"kind": "environment", "attention": 5, "resources": {"a": 1}, "running_jobs": [1, null, {}]}',
        b'{"kind": "environment", "environment": "\\ud800", "lease": "\\udfff", "app_id": "\\u0000"}',
        b'{"kind": "environment", "age_days": 1e400, "lease": {"x": 1}, "attention": [{"level": "<b>", "text": 5}]}',
    ],
)  # fmt: skip
def test_a_line_that_is_no_row_harms_nothing(line: bytes) -> None:
    good = json.dumps(row("dev")).encode()
    rows, bad = from_json_lines(line + b"\n" + good)
    assert rows[-1]["environment"] == "dev"
    assert bad + len(rows) == (2 if line else 1)
    assert b"dev" in page(Fleet(rows=rows, source="a file"), {}).encode()


@pytest.mark.parametrize("line", [b'{"kind": "app"}\n', json.dumps(row("x" * 400)).encode() + b"\n"])
def test_of_a_file_that_is_too_large_the_beginning_is_shown(
    get: Get, line: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__INVENTORY", str(tmp_path))
    first = json.dumps(row("dev", attention=[finding("high")])).encode() + b"\n"
    (tmp_path / "environments.jsonl").write_bytes(first + line * (MOST_FILE_BYTES // len(line) + 1))
    rows, bad = from_json_lines((tmp_path / "environments.jsonl").read_bytes()[:MOST_FILE_BYTES])
    assert bad == 0
    assert len(rows) <= MOST_FILE_LINES
    shown = text_of(get("/fleet"))
    assert "only its beginning is shown" in shown
    assert "cannot be read" not in shown
    assert "dev" in shown


# ------------------------------------------------------------------------------------------------------------ pieces


def test_a_running_job_is_compared_with_what_is_usual() -> None:
    began = (NOW - timedelta(minutes=12)).isoformat()
    job = {"job_id": "j", "operation": "CloneBackend", "status": "RUNNING", "since": began, "usual_seconds": 240.0}
    shown = shown_fleet(row("dev", running_jobs=[job]))
    assert "CloneBackend RUNNING for 12 min 0 s, longer than usual, which is 4 min 0 s" in shown
    assert "for 12 min 0 s, usually 20 min 0 s" in shown_fleet(row("dev", running_jobs=[job | {"usual_seconds": 1200}]))
    assert "no earlier job to compare with" in shown_fleet(row("dev", running_jobs=[job | {"usual_seconds": None}]))


def test_an_old_inventory_says_how_old_it_is_also_of_its_jobs() -> None:
    job = {"job_id": "j", "operation": "CloneBackend", "status": "RUNNING", "usual_seconds": None}
    rows = [row("dev", running_jobs=[job | {"since": (NOW - timedelta(minutes=3)).isoformat()}])]
    with replaced(now=(NOW + timedelta(days=90)).timestamp):
        old = shown_fleet(*rows)
    assert "read at 2026-11-29 12:00 UTC (90 days ago)" in old
    assert "CloneBackend RUNNING for 3 min 0 s; no earlier job to compare with; that was 90 days ago" in old
    with replaced(now=(NOW + timedelta(minutes=90)).timestamp):
        assert "ago" not in shown_fleet(*rows)
    with replaced(now=(NOW + timedelta(hours=5)).timestamp):
        assert "(5 hours ago)" in shown_fleet(*rows)


def test_a_job_that_was_seen_before_it_began_has_run_for_no_known_time() -> None:
    later = (NOW + timedelta(days=9)).isoformat()
    job = {"job_id": "j", "operation": "CloneBackend", "status": "RUNNING", "since": later, "usual_seconds": None}
    assert "CloneBackend RUNNING since an unknown time" in shown_fleet(row("dev", running_jobs=[job]))


def test_a_file_was_read_when_its_rows_say_and_not_when_it_was_copied(
    get: Get, dags: DagRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dags.run(INVENTORY.format(path=str(tmp_path)))
    file = tmp_path / "environments.jsonl"
    (read_at,) = {json.loads(line)["read_at"] for line in file.read_text().splitlines()}
    os.utime(file, (0, 0))
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__INVENTORY", str(tmp_path))
    assert f"read at {read_at[:16].replace('T', ' ')} UTC" in text_of(get("/fleet"))
    file.write_text(json.dumps(row("dev")) + "\n")  # as earlier versions of this package have written it
    os.utime(file, (0, 0))
    assert re.search(r"read at 1970-01-01 00:00 UTC \(\d+ days ago\)", text_of(get("/fleet")))


def test_the_state_of_the_last_task_is_shown() -> None:
    key = TaskKey("a_dag", "a/run", "group.task", 3)
    address = "https://us-east-1.console.aws.amazon.com/amplify/home?region=us-east-1#/d1/YmFja2VuZA/dev"
    fleet = Fleet(rows=[known_row(row("dev")) or {}], source="a file")
    made = page(fleet, {address: Touch(key, NOW, "deferred")})
    assert "../dags/a_dag/runs/a%2Frun/tasks/group.task/mapped/3" in Page(made).addresses
    assert "deferred, 2026-11-29 12:00 UTC" in made


def test_an_xcom_takes_what_needs_attention_first_and_says_how_much_is_left() -> None:
    rows = [row(f"env-{number}", resources=[resource("r" * 50)] * 4, lease="x" * 90) for number in range(500)]
    value = compact(rows, {"taken_at": NOW.isoformat()})
    assert len(json.dumps(value).encode()) <= MOST_XCOM_BYTES
    assert 20 < len(value["rows"]) < 500
    assert value["more"] == 500 - len(value["rows"])
    known = from_compact(json.loads(json.dumps(value)))
    assert known is not None
    assert [one["environment"] for one in known.rows][:2] == ["env-0", "env-1"]
    assert f"{value['more']} more rows do not fit here" in page(
        Fleet(rows=list(known.rows), source="a task", more=known.more), {}
    )


@pytest.mark.parametrize("value", [None, "", [], {}, {"version": 2, "rows": []}, {"version": 1, "rows": {}}])
def test_an_xcom_of_somebody_else_is_no_inventory(value: Any) -> None:
    assert from_compact(value) is None


def test_every_row_of_an_inventory_comes_back_as_it_was() -> None:
    job = {"job_id": "j", "operation": "CloneBackend", "status": "RUNNING", "since": NOW.isoformat()}
    written = row(
        "dev",
        attention=[finding("high")],
        resources=[resource("people", ids={"user_pool_id": "us-east-1_x"})],
        stuck_jobs=[job],
        running_jobs=[job | {"usual_seconds": 1.5}],
        protection=["termination protection"],
    )
    (read,), _ = from_json_lines(json.dumps(written).encode())
    assert {name: value or None for name, value in read.items()} == {
        name: value or None for name, value in written.items()
    }
