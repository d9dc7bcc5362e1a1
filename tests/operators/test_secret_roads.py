"""The hunt for planted secrets (tests/system/secret_hunt.py) in its shortest form: the same DAGs and the same secrets
in one process, under dag.test(), and then a search of the captured log and of every column of the database.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.airflow_versions import forget_masked_texts, store_dag
from tests.dag_run import DagRunner, Finished
from tests.front import Front
from tests.operators.left_behind import pieces
from tests.sts import Sts
from tests.system import secret_leaks, secret_shown
from tests.system.secret_forms import Search
from tests.system.secret_not_covered import excuse
from tests.system.secret_plants import CONTROL, DAG_IDS, Planted
from tests.system.secret_sinks import Piece, file_pieces

pytestmark = pytest.mark.usefixtures("clients_at_debug")

DAGS = Path(__file__).parents[1] / "system" / "dags" / "secrets"
CLIENTS = ("botocore", "aiobotocore", "urllib3")


@pytest.fixture
def proxy(service: LocalAmplifyBackend) -> Iterator[Front]:
    with Front(service.endpoint_url).running() as running:
        yield running


@pytest.fixture
def values() -> Planted:
    return Planted()


@pytest.fixture
def sts(values: Planted) -> Iterator[Sts]:
    with Sts(values.roles).running() as running:
        yield running


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Where the records of deletions go."""
    return tmp_path / "records"


@pytest.fixture
def planted(
    values: Planted,
    service: LocalAmplifyBackend,
    proxy: Front,
    sts: Sts,
    records: Path,
    monkeypatch: pytest.MonkeyPatch,
    airflow_home: Path,
) -> Iterator[Planted]:
    planted = values
    planted.prepare(service)
    for name, value in planted.variables.items():
        monkeypatch.setenv(f"AIRFLOW_VAR_{name.upper()}", value)
    for name, connection in planted.connections(service.endpoint_url, proxy.endpoint_url, sts.endpoint_url).items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))
    monkeypatch.setenv("SECRET_DAGS_FILES", str(DAGS / "files"))
    monkeypatch.setenv("SECRET_DAGS_RECORDS", str(records))
    with _in_database(*planted.in_database):
        yield planted


@pytest.fixture
def clients_at_debug(dags: DagRunner) -> Iterator[None]:
    """What has secrets to log: `everything_is_logged` also has SQL, which takes longer than all the rest."""
    for name in CLIENTS:
        logging.getLogger(name).setLevel("DEBUG")
    forgetful = _Forgetful()
    logging.root.addHandler(forgetful)
    yield
    logging.root.removeHandler(forgetful)
    for name in CLIENTS:
        logging.getLogger(name).setLevel("INFO")


class _Forgetful(logging.Handler):
    """Forgets what a task has masked, as the end of its process does where it has one.

    Airflow compiles all masked texts again for each new one: what is nothing for one task is seconds after fifty.
    """

    def emit(self, record: logging.LogRecord) -> None:
        if "[DAG TEST] end" in record.getMessage():
            forget_masked_texts()


@contextmanager
def _in_database(variables: dict[str, str], connections: dict[str, dict[str, Any]]) -> Iterator[None]:
    from airflow.models import Connection, Variable
    from airflow.utils.session import create_session

    rows: list[Any] = [Variable(key=key, val=value) for key, value in variables.items()]  # type: ignore[no-untyped-call]
    rows += [Connection(conn_id=conn_id, **members) for conn_id, members in connections.items()]
    with create_session() as session:
        session.add_all(rows)
    try:
        yield
    finally:
        with create_session() as session:
            for model, name, names in (
                (Variable, Variable.key, variables),
                (Connection, Connection.conn_id, connections),
            ):
                session.query(model).filter(name.in_(names)).delete(synchronize_session=False)


def found(planted: Planted, run: Finished, more: Iterable[Piece] = ()) -> set[str]:
    search = Search(planted.mark, planted.cores, planted.others)
    return {
        f"{name} in {place}"
        for piece in (*pieces(run), *more)
        for name in search.names(piece.content)
        for place in [f"{piece.sink}: {piece.where}"]
        if not excuse(name, place)
    }


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_no_planted_secret_is_in_a_log_or_in_the_database(
    dags: DagRunner,
    service: LocalAmplifyBackend,
    proxy: Front,
    sts: Sts,
    planted: Planted,
    records: Path,
    dag_id: str,
) -> None:
    text = (DAGS / "secret_dags.py").read_text(encoding="utf-8")
    if dag_id == "secrets_shown":
        value = planted.values
        text = secret_shown.FILE.format(literal=value["in_file_google"], param=value["in_params_google"])
    dag = dags.load_file(text, dag_id)
    store_dag(dag)
    run = dags.run_dag(dag, conf=planted.conf(dag_id))
    assert run.states == {task_id: "failed" if task_id.startswith("fails_") else "success" for task_id in run.states}, {
        task_id: run.errors(task_id) for task_id in run.states
    }
    assert planted.astray(service.control.journal(), proxy.asked, sts.asked, [dag_id]) == []
    files = [*file_pieces(records, but=())]
    assert bool(files) == (dag_id == "secrets_out")
    assert found(planted, run, files) == set()


def test_what_a_task_leaks_is_found_in_each_place(dags: DagRunner, planted: Planted) -> None:
    text = secret_leaks.FILE.format(dag_id="leaks", secret=planted.values[CONTROL])
    dag = dags.load_file(text, "leaks")
    store_dag(dag)
    run = dags.run_dag(dag, conf={"leaked": planted.values[CONTROL]})
    assert run.states == {"leak": "success"}
    places = {place.partition(" in ")[2].partition(":")[0] for place in found(planted, run)}
    assert {
        "log",
        "table xcom",
        "table rendered_task_instance_fields",
        "table serialized_dag",
        "table dag_run",
    } <= places
