"""Rehearse a migration to Gen 2 on a clone: snapshot, a person's step, the Gen 2 branch's build, compare, take down.

The person runs `amplify gen2-migration` on the clone, pushes the branch `gen2-rehearsal`, and answers. Whether the
clone is still as it was is then a comparison with its snapshot. The clone goes only when the migration is rolled back:
until then the guard refuses. Needs Airflow 3.1 or newer, which asks a person; on an older one the DAG has one task,
which says so.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import BaseSensorOperator, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.sensors.base import BaseSensorOperator
from airflow.exceptions import AirflowException

try:
    from airflow.providers.standard.operators.hitl import HITLOperator
except (ImportError, AirflowException) as error:  # Airflow before 3.1
    HITLOperator = None
    REASON = f"asking a person needs Airflow 3.1 or newer ({error})"

from airflow_provider_amplifybackend.operators.snapshot import CompareBackendsOperator, SnapshotBackendOperator
from airflow_provider_amplifybackend.task_groups.ephemeral import ephemeral_environment

APP = "d1example"
SOURCE = "production"  # a clone changes nothing in its source, and has none of its data
BRANCH = "gen2-rehearsal"
SNAPSHOTS = "file:///tmp/amplify-rehearsals/{{ run_id }}"
RECORDS = "file:///tmp/amplify-rehearsals/deletions"
MIGRATE = f"""\
The clone is `{{{{ ti.xcom_pull(task_ids='rehearsal.reserve') }}}}`. In a checkout of it:

1. `amplify gen2-migration lock`, then `amplify gen2-migration generate`
2. push the code to the branch `{BRANCH}`, and let it be built
3. answer *Done*, or *Abandon* if something went wrong: then the clone goes
"""
ROLL_BACK = "Roll the migration of the clone back, or the guard keeps it: `amplify gen2-migration lock --rollback`"


class BranchBuildSensor(BaseSensorOperator):
    """Wait for the build of the Gen 2 branch that was started during this rehearsal."""

    def poke(self, context) -> bool:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

        amplify = AwsGenericHook(client_type="amplify").conn
        jobs = amplify.list_jobs(appId=APP, branchName=BRANCH)["jobSummaries"]  # the newest fifty
        job = max(jobs, key=lambda job: int(job["jobId"]), default=None)
        if job is None or job["startTime"] < context["dag_run"].start_date:
            return False
        if job["status"] in ("FAILED", "CANCELLED"):
            raise RuntimeError(f"the build of {BRANCH} is {job['status']}: job {job['jobId']}")
        return job["status"] == "SUCCEED"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # As long as the environment's lease: nobody has answered until then.
    dagrun_timeout=timedelta(days=3),
    doc_md=__doc__,
    tags=["amplifybackend"],
)
def example_gen2_rehearsal():
    if HITLOperator is None:

        @task
        def needs_airflow_3_1():
            raise RuntimeError(REASON)

        needs_airflow_3_1()
        return

    @task
    def go_on(answer: dict) -> None:
        if answer["chosen_options"] != ["Done"]:
            raise RuntimeError("the rehearsal was abandoned")

    with ephemeral_environment(
        "rehearsal",
        app_id=APP,
        source=SOURCE,
        ttl=timedelta(days=3),
        max_concurrent=1,
        record=RECORDS,
        leftovers="report",
        default_args={"retries": 1, "retry_delay": timedelta(minutes=1)},
        deferrable=True,
    ) as env:
        before = SnapshotBackendOperator(
            task_id="before", app_id=APP, backend_environment_name=env.name, path=SNAPSHOTS
        )
        migrate = HITLOperator(
            task_id="migrate",
            subject="Migrate the clone to Gen 2",
            body=MIGRATE,
            options=["Done", "Abandon"],
        )
        built = BranchBuildSensor(task_id="built", poke_interval=60, timeout=7200, mode="reschedule")
        compare = CompareBackendsOperator(
            task_id="compare",
            left=before.output,
            right={"app_id": APP, "backend_environment_name": env.name},
            fail_on="difference",
        )
        roll_back = HITLOperator(
            task_id="roll_back",
            subject="Roll the rehearsal back",
            body=ROLL_BACK,
            options=["Done"],
        )
        before >> migrate >> go_on(migrate.output) >> built >> compare >> roll_back


example_gen2_rehearsal()
