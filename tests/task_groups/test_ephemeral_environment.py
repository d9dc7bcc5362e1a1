"""An environment for a while: what the group makes and takes down, in every way in which a run can end."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseState, parse
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.validation import validate_dag
from tests.airflow_versions import dag_serialization
from tests.dag_run import DagRunner, Finished
from tests.guard.roads import LATE
from tests.samples import APP

ARN = f"arn:aws:amplify:us-east-1:123456789012:apps/{APP}"
IMPORT = "from airflow_provider_amplifybackend.task_groups.ephemeral import ephemeral_environment\n"
GROUP = (
    IMPORT
    + """
with ephemeral_environment("preview", app_id=APP, source="staging", ttl="6h", waiter_delay=0.1, {options}) as env:
    @task(retries=0)
    def check(name, pool):
        assert name.startswith("previ"), name
        assert pool.startswith("us-east-1_"), pool
        {check}
    check(env.name, env.outputs["user_pool_id"])
"""
)


@pytest.fixture(autouse=True)
def hurry(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    service.control.seed_app(APP, {"name": "staging", "auth": {"people": None}})
    service.control.set(job_seconds=0.2)
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__TAG_LAG", "0.5")
    with timing.replaced(between_checks=0.01, before_resend=0.1, earliest_event=0.0):
        yield


def tags(service: LocalAmplifyBackend) -> dict[str, str]:
    found: dict[str, str] = service.client("amplify").list_tags_for_resource(resourceArn=ARN)["tags"]
    return found


def environments(service: LocalAmplifyBackend) -> list[str]:
    found: list[str] = service.client().get_backend(AppId=APP)["BackendEnvironmentList"]
    return found


def calls(service: LocalAmplifyBackend) -> list[str]:
    wanted = ("CloneBackend", "DeleteBackend", "TagResource", "UntagResource")
    return [entry["operation"] for entry in service.control.journal(effective=True) if entry["operation"] in wanted]


def states(run: Finished) -> dict[str, str]:
    return {name.rpartition(".")[2]: state for name, state in run.states.items()}


def errors(run: Finished) -> dict[str, Any]:
    return {task: run.errors(task) for task in run.states}


@pytest.mark.parametrize("options", ["deferrable=False", "deferrable=True"])
def test_an_environment_lives_for_the_body_and_no_longer(
    dags: DagRunner, service: LocalAmplifyBackend, options: str
) -> None:
    run = dags.run(GROUP.format(options=options, check="pass"))
    assert set(run.states.values()) == {"success"}, errors(run)
    assert run.state == "success"
    assert calls(service) == ["TagResource", "CloneBackend", "DeleteBackend", "UntagResource"]
    assert environments(service) == ["staging"]
    assert tags(service) == {}


def test_a_failed_body_fails_the_run_and_its_environment_goes_all_the_same(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    run = dags.run(GROUP.format(options="", check="raise ValueError(name)"))
    assert run.state == "failed"
    assert states(run) | {"check": "failed"} == dict.fromkeys(states(run), "success") | {"check": "failed"}, errors(run)
    assert environments(service) == ["staging"]
    assert tags(service) == {}


def test_a_failed_clone_leaves_neither_an_environment_nor_a_lease(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    service.control.add_fault("CloneBackend", kind="job_fails", times=1)
    run = dags.run(GROUP.format(options="keep_on_failure='2h'", check="pass"))
    assert run.state == "failed"
    assert (states(run)["clone"], states(run)["check"]) == ("failed", "upstream_failed")
    assert (states(run)["delete"], states(run)["release"]) == ("success", "success"), errors(run)
    assert environments(service) == ["staging"]
    assert tags(service) == {}


def test_a_clone_that_times_out_is_waited_for_and_then_deleted(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.set(job_seconds={"CloneBackend": 300.0})
    dag = dags.load(GROUP.format(options="default_args={'retries': 1, 'retry_delay': timedelta(0)}", check="pass"))
    dag.get_task("preview.clone").waiter_max_attempts = 30
    seen: list[str] = []

    def end_the_clone_while_it_is_waited_for() -> None:
        [clone] = [job for job in service.control.jobs() if job["Operation"] == "CloneBackend"]
        checks = len(service.control.journal("GetBackendJob"))
        while len(service.control.journal("GetBackendJob")) < checks + 2:
            time.sleep(0.05)
        seen.append(service.control.end_job(clone["JobId"])["Status"])

    ending = threading.Thread(target=end_the_clone_while_it_is_waited_for)
    dag.get_task("preview.clone").on_failure_callback = [lambda _: ending.start()]
    run = dags.run_dag(dag)
    ending.join()
    assert seen == ["COMPLETED"]
    assert run.state == "failed"
    assert (states(run)["clone"], states(run)["delete"], states(run)["release"]) == ("failed", "success", "success")
    assert run.tries["preview.clone"] == 2
    assert [one for one in calls(service) if one.endswith("Backend")] == ["CloneBackend", "DeleteBackend"]
    assert environments(service) == ["staging"]
    assert tags(service) == {}


def test_a_clone_whose_task_dies_is_waited_for_and_then_deleted(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.set(job_seconds={"CloneBackend": 5.0})
    dag = dags.load(GROUP.format(options="deferrable=False", check="pass"))
    clone = dag.get_task("preview.clone")

    def die(*_: Any) -> None:
        raise RuntimeError("as if it was killed")

    # Its job is started, and nobody is there to wait for it.
    clone._wait = die
    run = dags.run_dag(dag)
    assert run.state == "failed"
    assert (states(run)["clone"], states(run)["delete"], states(run)["release"]) == ("failed", "success", "success")
    assert environments(service) == ["staging"]
    assert tags(service) == {}


def test_a_failed_deletion_fails_the_run_and_its_lease_stays(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.add_fault("DeleteBackend", kind="job_fails")
    run = dags.run(GROUP.format(options="", check="pass"))
    assert run.state == "failed"
    assert (states(run)["check"], states(run)["delete"], states(run)["release"]) == ("success", "failed", "failed")
    [name] = {*environments(service)} - {"staging"}
    assert f"Environment {name} (app {APP}) still exists. Its lease stays" in run.error("preview.release")
    [lease] = tags(service).items()
    assert lease[0] == f"amplifybackend:lease:{name}"
    assert f"dag={run.dag_id} run=" in lease[1]


def test_what_is_not_leased_to_this_run_is_not_deleted(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    unlease = (
        "from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook; "
        "from airflow_provider_amplifybackend.hooks._leases import Leases; "
        "Leases(AmplifyBackendHook(), APP).remove('amplifybackend:lease:' + name)"
    )
    run = dags.run(GROUP.format(options="", check=unlease))
    assert run.state == "failed"
    assert "a condition of only_if does not hold: created_by_this_run: environment" in run.error("preview.delete")
    assert len(environments(service)) == 2
    assert "still exists" in run.error("preview.release")


def test_what_has_failed_is_kept_for_a_look(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    run = dags.run(GROUP.format(options="keep_on_failure='2h'", check="raise ValueError(name)"))
    assert run.state == "failed"
    assert (states(run)["delete"], states(run)["release"]) == ("success", "success"), errors(run)
    assert len(environments(service)) == 2
    [lease] = tags(service).values()
    assert "state=kept" in lease
    assert "DeleteBackend" not in calls(service)


def test_what_somebody_has_pinned_stays(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    body = (
        GROUP.format(options="", check="pass")
        + """
    from airflow_provider_amplifybackend.operators.lease import PinEnvironmentOperator
    PinEnvironmentOperator(task_id="pin", app_id=APP, backend_environment_name=env.name, note="Ann: for the demo")
    env.extend("3d")
"""
    )
    run = dags.run(body)
    assert run.state == "success", errors(run)
    [name] = {*environments(service)} - {"staging"}
    assert tags(service)[f"amplifybackend:pin:{name}"] == "Ann: for the demo"
    assert f"until={run.xcom('preview.extend')[:4]}" in tags(service)[f"amplifybackend:lease:{name}"]
    assert "DeleteBackend" not in calls(service)


@pytest.mark.parametrize("options", ["deferrable=False", "deferrable=True"])
def test_what_is_pinned_while_its_deletion_waits_for_another_job_stays(
    dags: DagRunner, service: LocalAmplifyBackend, options: str
) -> None:
    over = threading.Event()

    def start_another_job() -> None:
        [name] = {*environments(service)} - {"staging"}
        row = {"environment": name, "job_id": "theirs", "status": "RUNNING"}
        service.control.seed(apps=[{"app_id": APP, "jobs": [row]}])

    def pin_once_it_is_waited_for() -> None:
        while not over.wait(0.05):
            if any(entry["parameters"].get("JobId") == "theirs" for entry in service.control.journal("GetBackendJob")):
                [name] = {*environments(service)} - {"staging"}
                service.client("amplify").tag_resource(resourceArn=ARN, tags={f"amplifybackend:pin:{name}": "Ann"})
                service.control.end_job("theirs")
                return

    LATE.act = start_another_job
    pinning = threading.Thread(target=pin_once_it_is_waited_for)
    pinning.start()
    try:
        run = dags.run(GROUP.format(options=options, check="from tests.guard.roads import LATE; LATE()"))
    finally:
        over.set()
        pinning.join()
    assert run.state == "success", errors(run)
    assert len(environments(service)) == 2
    assert len(tags(service)) == 2
    assert "DeleteBackend" not in calls(service)


def test_tags_that_are_full_are_an_error_before_anything_is_made(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.seed({"apps": [{"app_id": APP, "tags": {f"k{number}": "v" for number in range(50)}}]})
    run = dags.run(GROUP.format(options="", check="pass"))
    assert f"Tags are full: app {APP} has 50 tags" in run.error("preview.reserve")
    assert run.state == "failed"
    assert calls(service) == []


EACH = (
    IMPORT
    + """
@task_group
def each(source):
    with ephemeral_environment(
        "preview", app_id=APP, source=source, ttl="6h", poll_interval=0.2, waiter_delay=0.1, {options}
    ) as env:
        @task
        def check(name):
            return name
        check(env.name)
each.expand(source=["staging", "dev"])
"""
)


def test_mapped_over_many_sources_each_has_an_environment_of_its_own(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    service.control.seed_app(APP, "dev")
    run = dags.run(EACH.format(options="max_concurrent=2"))
    assert run.state == "success", errors(run)
    assert len({run.xcom("each.preview.check", map_index=index) for index in (0, 1)}) == 2
    cloned = [entry["parameters"]["BackendEnvironmentName"] for entry in service.control.journal("CloneBackend")]
    assert sorted(cloned) == ["dev", "staging"]
    assert calls(service).count("DeleteBackend") == 2
    assert tags(service) == {}


def test_no_room_is_an_error_where_the_user_does_not_want_to_wait(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    service.control.seed_app(APP, "dev")
    run = dags.run(EACH.format(options="max_concurrent=1, on_limit='fail'"))
    ends = [run.states[f"each.preview.limit[{index}]"] for index in (0, 1)]
    assert sorted(ends) == ["failed", "success"], errors(run)
    assert "max_concurrent=1 environments of this group may live at once" in run.error("each.preview.limit")
    assert run.state == "failed"
    assert calls(service).count("CloneBackend") == 1
    assert set(environments(service)) == {"staging", "dev"}
    assert tags(service) == {}


@pytest.mark.parametrize("options", ["deferrable=False", "deferrable=True"])
def test_a_run_waits_while_as_many_live_as_may(dags: DagRunner, service: LocalAmplifyBackend, options: str) -> None:
    dag = dags.load(GROUP.format(options=f"max_concurrent=1, poll_interval=0.1, {options}", check="pass"))
    now = datetime.now(UTC)
    holder = Holder(dag.dag_id, "another run", "preview")
    other = Lease.of(holder, "other", state=LeaseState.HELD, since=now, until=now)
    service.client("amplify").tag_resource(resourceArn=ARN, tags={other.key: other.value})
    seen: list[list[str]] = []

    def give_back() -> None:
        deadline = time.monotonic() + 120
        # Long enough to see that it waits: it has read the tags more often than it needs to.
        while len(service.control.journal("ListTagsForResource")) < 12 and time.monotonic() < deadline:
            time.sleep(0.05)
        seen.append(calls(service))
        service.client("amplify").untag_resource(resourceArn=ARN, tagKeys=[other.key])

    other_run = threading.Thread(target=give_back)
    other_run.start()
    run = dags.run_dag(dag)
    other_run.join()
    assert run.state == "success", errors(run)
    assert "CloneBackend" not in seen[0]
    assert calls(service).count("CloneBackend") == 1
    assert tags(service) == {}


def test_a_wait_for_room_times_out_and_says_who_is_ahead(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    dag = dags.load(
        GROUP.format(options="max_concurrent=1, poll_interval=0.1, limit_timeout='3s', deferrable=True", check="pass")
    )
    now = datetime.now(UTC)
    other = Lease.of(Holder(dag.dag_id, "r", "preview"), "other", state=LeaseState.KEPT, since=now, until=now)
    service.client("amplify").tag_resource(resourceArn=ARN, tags={other.key: other.value})
    run = dags.run_dag(dag)
    assert run.state == "failed"
    assert "No room, timed out after 0:00:03: max_concurrent=1" in run.error("preview.limit")
    assert "are: other." in run.error("preview.limit")
    assert tags(service) == {other.key: other.value}


def test_several_in_one_dag_and_nested_in_groups(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    body = (
        IMPORT
        + """
@task
def look(name):
    return name
@task_group
def outer():
    with ephemeral_environment("one", app_id=APP, source="staging", ttl="6h", waiter_delay=0.1) as first:
        look(first.name)
    with ephemeral_environment("two", app_id=APP, source="staging", ttl="6h", waiter_delay=0.1, prefix="zz") as second:
        @task_group
        def inner():
            look(second.name) >> look(second.name)
        inner()
outer()
"""
    )
    run = dags.run(body)
    assert run.state == "success", errors(run)
    one, two = run.xcom("outer.one.look"), run.xcom("outer.two.inner.look")
    assert one.startswith("one")
    assert two.startswith("zz")
    assert calls(service).count("DeleteBackend") == 2
    assert tags(service) == {}


def test_a_parameter_that_cannot_be_used_is_refused_where_the_dag_is_written() -> None:
    from airflow_provider_amplifybackend.exceptions import BackendParameterError
    from airflow_provider_amplifybackend.task_groups.ephemeral import ephemeral_environment

    good: dict[str, Any] = {"app_id": APP, "source": "staging", "ttl": "6h"}
    for group_id, changes, says in (
        ("preview", {"prefix": "toolong"}, "prefix='toolong' must be 1 to 5 small letters"),
        ("7", {}, "the group id '7' has none: pass prefix"),
        ("preview", {"ttl": "soon"}, "ttl must be a number with s, m, h, d or w"),
        ("preview", {"max_concurrent": 0}, "max_concurrent=0 must be a number, 1 or more"),
        ("preview", {"max_concurrent": True}, "max_concurrent=True must be a number, 1 or more"),
        ("preview", {"max_concurrent": 2.5}, "max_concurrent=2.5 must be a whole number"),
        ("preview", {"poll_interval": 0}, "poll_interval=0 must be a number, 0.1 or more"),
        ("preview", {"poll_interval": "soon"}, "poll_interval='soon' must be a number, 0.1 or more"),
        ("preview", {"on_limit": "skip"}, "on_limit='skip' is not accepted"),
        ("preview", {"keep_on_failure": "0h"}, "keep_on_failure must be more than nothing"),
    ):
        with pytest.raises(BackendParameterError) as error:
            ephemeral_environment(group_id, **good | changes)
        assert says in str(error.value)


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_of_the_page_run(dags: DagRunner, service: LocalAmplifyBackend, number: int) -> None:
    page = (ROOT / "docs" / "ephemeral-environments.md").read_text(encoding="utf-8")
    dag = dags.load(re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)[number])
    for task in ("preview.clone", "preview.delete"):
        dag.get_task(task).waiter_delay = 0.1
    run = dags.run_dag(dag)
    assert run.state == "success", errors(run)
    assert environments(service) == ["staging"]


def test_the_page_shows_a_lease_as_it_is() -> None:
    page = (ROOT / "docs" / "ephemeral-environments.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^(amplifybackend:lease:.*)$", page, re.M)
    key, _, value = shown.partition(" = ")
    lease = parse(key, value)
    assert (lease.key, lease.value) == (key, value)
    assert lease.has_whole_ids
    rows = page.partition("| member | what it is |\n|---|---|\n")[2].partition("\n\n")[0]
    described = set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in rows.splitlines())))
    assert {part.partition("=")[0] for part in value.split(" ")} | {"map"} == described


def test_the_example_dags_make_environments_and_keep_one(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    examples = ROOT / "example_dags"
    dag = dags.load_file((examples / "example_preview_environment.py").read_text(), "example_preview_environment")
    for task in dag.tasks:
        task.retry_delay = timedelta(0)
        if hasattr(task, "waiter_delay"):
            task.waiter_delay = 0.1
    run = dags.run_dag(dag, conf={"app_id": APP, "pull_requests": [7, 8], "fail_check": True})
    assert run.state == "failed"
    kept = sorted({*environments(service)} - {"staging"})
    assert len(kept) == 2, errors(run)
    keep = dags.load_file((examples / "example_keep_environment.py").read_text(), "example_keep_environment")
    for what in ("pin", "extend"):
        conf = {"app_id": APP, "environment": kept[0], "what": what, "ttl": "30d", "note": "Ann"}
        run = dags.run_dag(keep, conf=conf)
        assert run.state == "success", errors(run)
    assert tags(service)[f"amplifybackend:pin:{kept[0]}"] == "Ann"
    ends = [parse(f"amplifybackend:lease:{name}", tags(service)[f"amplifybackend:lease:{name}"]).until for name in kept]
    assert ends[0] - ends[1] > timedelta(days=29)


def test_the_groups_pass_the_check_of_a_dag_and_survive_its_serialization(dags: DagRunner) -> None:
    body = GROUP.format(options="max_concurrent=2, keep_on_failure='1h', record='s3://audit'", check="pass")
    reaper = "from airflow_provider_amplifybackend.task_groups.reaper import reap_environments\nreap_environments()\n"
    dag = dags.load(body + reaper)
    validate_dag(dag)
    stored = dag_serialization().from_dict(dag_serialization().to_dict(dag))
    assert set(stored.task_ids) == set(dag.task_ids)
    release = stored.get_task("preview.release")
    assert (release.is_teardown, release.on_failure_fail_dagrun) == (True, True)
    assert stored.get_task("preview.reserve").is_setup
