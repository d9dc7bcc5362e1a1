"""The control of the hunt: a DAG that leaks one secret, on purpose, into everything that is searched.

A hunt that finds nothing proves something only if it would have found this, in each sink.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow_provider_amplifybackend._compat import BaseOperator, task_state_store
from airflow_provider_amplifybackend.links import AmplifyConsoleLink

# A DAG file that holds the secret as a literal, under a name that holds one, too.
FILE = """\
# The control of the hunt for secrets: an Airflow DAG with a literal secret.
from datetime import datetime

from airflow import DAG

from tests.system.secret_leaks import leaking_dag

dag = leaking_dag("{dag_id}", "{secret}")
# Airflow warns of what changes with each parse, and quotes it.
DAG("{dag_id}_warned", start_date=datetime.now().replace(tzinfo={{"{secret}": None}}["{secret}"]), schedule=None)
"""
BROKEN_FILE = """\
# A DAG file that Airflow cannot import.
raise RuntimeError("{secret}")
"""


class LeakTrigger(BaseTrigger):
    """Carries the secret in its arguments, logs it, and sends it back."""

    def __init__(self, secret: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.secret = secret

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.LeakTrigger", {"secret": self.secret}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        import asyncio

        self.log.info("the trigger has %s", self.secret)
        print(self.secret, flush=True)
        await asyncio.sleep(2)
        yield TriggerEvent({"leaked": self.secret})  # type: ignore[no-untyped-call]


class LeakOperator(BaseOperator):
    """Leaks wherever a task can, fails, and does it again."""

    template_fields = ("leaked",)
    operator_extra_links = (AmplifyConsoleLink(),)

    def __init__(self, *, leaked: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.leaked = leaked

    def execute(self, context: Any) -> None:
        self.log.info("the task has %s", self.leaked)
        print(self.leaked, flush=True)
        context["ti"].xcom_push(key=AmplifyConsoleLink.key, value=f"https://example.com/{self.leaked}")
        store = task_state_store(context)
        if store is not None:
            store.set("leaked", self.leaked)
        descriptor, name = tempfile.mkstemp(prefix="leaked-")
        os.close(descriptor)
        Path(name).write_text(self.leaked)
        with subprocess.Popen(["/bin/sh", "-c", f"sleep 2; : {self.leaked}"], env=os.environ | {"LEAKED": self.leaked}):
            pass
        if context["ti"].try_number == 1:
            raise RuntimeError(self.leaked)
        self.defer(trigger=LeakTrigger(self.leaked), method_name="execute_complete", kwargs={"leaked": self.leaked})

    def execute_complete(self, context: Any, event: Any = None, leaked: str = "") -> str:
        return leaked


def leaking_dag(dag_id: str, secret: str) -> Any:
    """Return a DAG that shows the secret in its own text as well."""
    with DAG(
        dag_id, schedule=None, start_date=datetime(2026, 1, 1), catchup=False, description=secret, doc_md=secret
    ) as dag:
        LeakOperator(
            task_id="leak",
            leaked=secret,
            doc_md=secret,
            executor_config={"leaked": secret},
            retries=3,  # more than its own failure needs: see MAY_RETRY of the tasks that are hunted
            retry_delay=timedelta(seconds=1),
        )
    return dag
