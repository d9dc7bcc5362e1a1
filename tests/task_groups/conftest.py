"""People who answer, while `dag.test()` waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from tests.airflow_versions import AIRFLOW, answer_questions, answers_arrive

Answer = Mapping[str, Any]
# Returns how to answer a question, which has `subject`, `body`, `params`, `map_index` and `try_number`.
Answerer = Callable[[Any], Answer]


@pytest.fixture
def people() -> Callable[[Answerer], Any]:
    """Somebody who answers every question while a DAG runs, through Airflow's own table of questions."""
    if AIRFLOW < (3, 1):
        pytest.skip("Airflow asks nobody before 3.1")

    @contextmanager
    def people(answerer: Answerer) -> Iterator[list[Any]]:
        ended, asked, failed = threading.Event(), [], []

        def look() -> None:
            while not ended.is_set():
                try:
                    asked.extend(answer_questions(answerer))
                except OperationalError:
                    pass  # SQLite was locked for longer than it waits; the question is still there
                except Exception as error:
                    # Go on all the same: a DAG run whose question nobody answers never ends.
                    failed.append(error)
                time.sleep(0.1)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            with answers_arrive():
                yield asked
        finally:
            ended.set()
            thread.join(30)
        assert not failed, failed

    return people
