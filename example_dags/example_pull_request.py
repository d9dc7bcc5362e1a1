"""An environment for as long as a pull request is open. CI triggers this DAG over REST, with the request's number.

`open` (also for each further push) clones the environment if it is not there yet, and checks it; `close` deletes it.
The name follows from the number, so that nothing has to be remembered. A request that nobody closes is reaped:
schedule `example_reaper` with `name="pull*"`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, DeleteBackendOperator

APP = "d1example"
SOURCE = "staging"
PREFIX = "pull"  # no other environment may begin with it: the reaper goes by it


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "number": Param(7, type="integer", minimum=1, maximum=26**6, description="The pull request"),
        "action": Param("open", enum=["open", "close"], description="What has become of it"),
    },
    default_args={"app_id": APP, "retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["amplifybackend"],
)
def example_pull_request():
    @task
    def name_of(params: dict | None = None) -> str:
        """Write the number in letters: the Amplify CLI takes no others in a name, and at most ten."""
        rest, letters = (params or {})["number"], ""
        while rest:
            rest, letter = divmod(rest - 1, 26)
            letters = chr(ord("a") + letter) + letters
        return PREFIX + letters

    @task.branch
    def choose(params: dict | None = None) -> str:
        return "clone" if (params or {})["action"] == "open" else "delete"

    name = name_of()
    clone = CloneBackendOperator(
        task_id="clone",
        backend_environment_name=SOURCE,
        target_environment_name=name,
        if_exists="skip",
        on_failure="delete_target",
        deferrable=True,
    )

    @task(retries=0)
    def check(environment: str, params: dict | None = None) -> None:
        """Run the tests of the pull request. If they fail, the environment stays: people look at it."""
        print(f"Checking pull request {(params or {})['number']} in environment {environment}")

    # Waits for the clone, if the request is closed at once.
    delete = DeleteBackendOperator(
        task_id="delete",
        backend_environment_name=name,
        only_if={"name": f"{PREFIX}*"},
        if_missing="skip",
        deferrable=True,
    )

    name >> choose() >> [clone, delete]
    clone >> check(name)


example_pull_request()
