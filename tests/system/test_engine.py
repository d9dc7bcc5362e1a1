"""The harness itself, on a real Airflow: what later tests, benchmarks and crash campaigns build on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.system.engine import RunningAirflow
from tests.system.engine_client import wait_until
from tests.system.engine_processes import Marked
from tests.system.engine_services import needs_services

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system

DAGS = ["steady", "victim", "patient"]
# "victim" hangs in its first try only: whoever kills it gets a second try that ends at once.
DAG_FILE = """
    import time
    from datetime import timedelta

    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
    from airflow.sdk import DAG, BaseOperator, BaseOperatorLink, task


    class HomeLink(BaseOperatorLink):
        name = "Home"

        def get_link(self, operator, *, ti_key):
            return "https://example.com/"


    class Wait(BaseOperator):
        def __init__(self, *, seconds, **kwargs):
            super().__init__(**kwargs)
            self.seconds = seconds

        def execute(self, context):
            context["task_state_store"].set("began", True)
            self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=self.seconds)), method_name="resume")

        def resume(self, context, event):
            return {"waited": self.seconds}


    defaults = {"retries": 2, "retry_delay": timedelta(seconds=1)}

    with DAG("steady", schedule=None, default_args=defaults):

        @task
        def square(number):
            return number * number

        hello = BashOperator(task_id="hello", bash_command="echo hello")
        hello >> Wait(task_id="wait", seconds=6) >> square.expand(number=[1, 2, 3])

    with DAG("victim", schedule=None, default_args=defaults):

        @task
        def hang(ti=None, task_state_store=None):
            task_state_store.set("try", ti.try_number)
            if ti.try_number == 1:
                time.sleep(600)

        hang()

    with DAG("patient", schedule=None, default_args=defaults):
        Wait.partial(task_id="wait", seconds=15).expand_kwargs([{}] * 4)
"""


def _dags(folder: Path) -> Path:
    folder.mkdir()
    (folder / "engine_dags.py").write_text(textwrap.dedent(DAG_FILE))
    return folder


def _assert_nothing_left(airflow: RunningAirflow) -> None:
    assert Marked(airflow.marked.mark).processes() == []
    assert [name for name, process in airflow.processes.items() if process.running] == []
    assert airflow.services is None or not airflow.services.exists()
    assert _working_below(airflow.home, airflow.services) == []


def _working_below(*folders: Path | None) -> list[psutil.Process]:
    """Not found by the engine's own means, which may be blind to what they were blind to before."""
    below = tuple(str(folder) for folder in folders if folder)
    return [process for process in psutil.process_iter() if _working_folder(process).startswith(below)]


def _working_folder(process: psutil.Process) -> str:
    try:
        return str(process.cwd())
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    folder = tmp_path_factory.mktemp("local")
    with RunningAirflow(
        folder / "home", _dags(folder / "dags"), connections={"greeting": {"conn_type": "http"}}
    ) as airflow:
        print(f"ready after {airflow.wait_ready(DAGS):.1f} s")
        yield airflow
    _assert_nothing_left(airflow)


def _completes(airflow: RunningAirflow) -> None:
    run_id = airflow.trigger(
        "steady", conf={"who": "you"}, run_id="manual__2026-01-01T00:00:00+00:00" + os.urandom(3).hex()
    )
    assert airflow.wait_task("steady", run_id, "wait", ["deferred"])["state"] == "deferred"
    assert airflow.wait_run("steady", run_id, 120) == "success"
    tasks = airflow.tasks("steady", run_id)
    assert {task["state"] for task in tasks} == {"success"}
    assert sorted(task["map_index"] for task in tasks if task["task_id"] == "square") == [0, 1, 2]
    assert [airflow.xcom("steady", run_id, "square", map_index=index) for index in range(3)] == [1, 4, 9]
    assert airflow.xcom("steady", run_id, "wait") == {"waited": 6}
    assert any("hello" in line["event"] for line in airflow.logs("steady", run_id, "hello"))


def test_a_run_completes_and_its_wait_is_deferred(local: RunningAirflow) -> None:
    _completes(local)


def test_what_a_run_leaves_can_be_read_and_changed(local: RunningAirflow) -> None:
    run_id = local.trigger("patient")
    local.wait_task("patient", run_id, "wait", ["deferred"], map_index=2)
    assert local.state_store("patient", run_id, "wait", map_index=2) == {"began": True}
    local.set_state("patient", run_id, "wait", "success", map_index=2)
    assert local.task("patient", run_id, "wait", 2)["state"] == "success"
    assert local.wait_run("patient", run_id) == "success"
    assert local.links("patient", run_id, "wait", map_index=1) == {}
    local.clear("patient", run_id, [("wait", 1)])
    assert local.wait_task("patient", run_id, "wait", ["deferred"], map_index=1)["try_number"] == 2
    local.set_run_state("patient", run_id, "failed")
    assert local.wait_run("patient", run_id) == "failed"


def _hang(airflow: RunningAirflow) -> str:
    run_id = airflow.trigger("victim")
    # The state is "running" before the task process has been told what to execute.
    wait_until(lambda: airflow.state_store("victim", run_id, "hang"), 60, "first try")
    return run_id


def _ends_in_second_try(airflow: RunningAirflow, run_id: str) -> None:
    assert airflow.wait_run("victim", run_id, 120) == "success"
    assert airflow.task("victim", run_id, "hang")["try_number"] == 2
    assert [one["try_number"] for one in airflow.tries("victim", run_id, "hang")] == [1, 2]


def test_a_killed_task_process_is_tried_again(local: RunningAirflow) -> None:
    run_id = _hang(local)
    task = local.wait_task_process("victim", run_id, "hang")
    assert (task.try_number, task.map_index) == (1, -1)
    task.kill()
    _ends_in_second_try(local, run_id)
    assert not task.alive


def test_a_killed_supervisor_leaves_an_orphan_and_a_second_try(local: RunningAirflow) -> None:
    run_id = _hang(local)
    task = local.wait_task_process("victim", run_id, "hang")
    task.signal_supervisor(signal.SIGKILL)
    time.sleep(0.5)
    (orphan,) = local.task_processes("victim", run_id)
    assert (orphan.pid, orphan.supervisor, orphan.try_number) == (task.pid, None, 1)
    _ends_in_second_try(local, run_id)
    orphan.kill()
    wait_until(lambda: not local.task_processes("victim", run_id), 5, "end of the orphan")


def test_a_stopped_task_process_goes_on(local: RunningAirflow) -> None:
    run_id = _hang(local)
    task = local.wait_task_process("victim", run_id, "hang")
    task.stop()
    wait_until(lambda: task.process.status() == "stopped", 5, "stopped task")
    task.cont()
    wait_until(lambda: task.process.status() == "sleeping", 5, "task that goes on")
    task.kill()
    _ends_in_second_try(local, run_id)


def test_a_killed_triggerer_does_not_lose_what_waits(local: RunningAirflow) -> None:
    run_id = local.trigger("patient")
    local.wait_task("patient", run_id, "wait", ["deferred"], map_index=0)
    local.processes["triggerer-0"].kill(tree=True)
    assert local.processes["triggerer-0"].exit_code == -signal.SIGKILL
    local.processes["triggerer-0"].restart()
    assert local.wait_run("patient", run_id, 120) == "success"


def test_a_killed_scheduler_leaves_workers_that_are_found(local: RunningAirflow) -> None:
    run_id = _hang(local)
    task = local.wait_task_process("victim", run_id, "hang")
    local.processes["scheduler"].kill()
    idle = wait_until(local.idle_orphans, 5, "idle workers")
    assert task.alive
    assert task.supervisor
    assert task.supervisor.pid not in {orphan.pid for orphan in idle}
    local.processes["scheduler"].restart()
    for orphan in idle:
        orphan.kill()
    task.kill()
    _ends_in_second_try(local, run_id)


def test_callers_wait_for_an_api_server_that_comes_back(local: RunningAirflow) -> None:
    run_id = _hang(local)
    local.processes["api-server"].restart(kill=True)
    local.wait_task_process("victim", run_id, "hang").kill()
    _ends_in_second_try(local, run_id)


def test_processes_are_measured(local: RunningAirflow) -> None:
    triggerer = local.processes["triggerer-0"]
    before = triggerer.cpu_seconds()
    time.sleep(2)
    assert before > 1
    assert 0 <= triggerer.cpu_seconds() - before < 4
    assert 50e6 < triggerer.pss() < 1e9


def test_no_port_is_open_to_the_network(local: RunningAirflow) -> None:
    listening = {
        connection.laddr.ip
        for process in local.marked.processes()
        for connection in process.net_connections("inet")
        if connection.status == "LISTEN"
    }
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("executor", "database"),
    [
        ("LocalExecutor", "sqlite"),
        pytest.param("CeleryExecutor", "postgresql", marks=needs_services),
    ],
)
def test_nothing_outlives_a_killed_test_run(tmp_path: Path, executor: str, database: str) -> None:
    program = """
        import sys, time
        from pathlib import Path
        from tests.system.engine import RunningAirflow
        home, executor, database = sys.argv[1:]
        with RunningAirflow(Path(home), Path(home), executor=executor, database=database) as airflow:
            print(len(airflow.processes), airflow.services or home, flush=True)
            time.sleep(600)
    """
    argv = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), executor, database]
    with subprocess.Popen(argv, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        count, _, services = run.stdout.readline().strip().partition(" ")
        folders = (tmp_path, Path(services))
        wait_until(lambda: len(_working_below(*folders)) >= int(count), 20, f"{count} processes")
        run.kill()
    wait_until(lambda: not _working_below(*folders), 20, lambda: f"end of {_working_below(*folders)}")
    wait_until(lambda: services == str(tmp_path) or not Path(services).exists(), 5, f"removal of {services}")


@needs_services
def test_celery_with_two_workers_and_two_triggerers(tmp_path: Path) -> None:
    pytest.importorskip("airflow.providers.celery", reason="needs apache-airflow-providers-celery")
    with RunningAirflow(
        tmp_path / "home",
        _dags(tmp_path / "dags"),
        executor="CeleryExecutor",
        database="postgresql",
        triggerers=2,
    ) as airflow:
        print(f"ready after {airflow.wait_ready(DAGS):.1f} s")
        _completes(airflow)
        _celery_crashes(airflow)
    _assert_nothing_left(airflow)


def _celery_crashes(airflow: RunningAirflow) -> None:
    killed_task, killed_worker = _hang(airflow), _hang(airflow)
    airflow.wait_task_process("victim", killed_task, "hang").kill()
    task = airflow.wait_task_process("victim", killed_worker, "hang")
    worker = next(
        process
        for name, process in airflow.processes.items()
        if name.startswith("worker") and task.pid in {member.pid for member in process.members()}
    )
    worker.kill()
    waiting = airflow.trigger("patient")
    airflow.wait_task("patient", waiting, "wait", ["deferred"], map_index=3)
    airflow.processes["triggerer-1"].kill(tree=True)
    _ends_in_second_try(airflow, killed_task)
    _ends_in_second_try(airflow, killed_worker)
    worker.restart()
    airflow.processes["triggerer-1"].restart()
    assert airflow.wait_run("patient", waiting, 120) == "success"
    airflow.wait_ready(DAGS)
