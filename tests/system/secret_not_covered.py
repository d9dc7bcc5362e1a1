"""What Airflow shows whatever this package does. docs/security.md lists the same, which a test compares.

Each says which secrets of the hunt may show in which sinks; anything else that is found is a fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class NotCovered:
    """A place in which some secrets may show."""

    what: str
    where: str
    setting: str
    secrets: str
    """A pattern of the names of secrets, whole."""
    places: str
    """A pattern of `sink: where`, from the beginning."""
    examples: tuple[str, ...] = ()
    """Places that the pattern is for."""

    def covers(self, secret: str, place: str) -> bool:
        return bool(re.fullmatch(self.secrets, secret) and re.match(self.places, place))


NOT_COVERED = (
    NotCovered(
        "A Variable or connection of Airflow's own database",
        "its row there, encrypted with the Fernet key",
        "a secrets backend (`[secrets] backend`), or a Fernet key that lies elsewhere than the database",
        "from_database_.*",
        r"table (variable|connection): ",
        ("table variable: variable.val",),
    ),
    NotCovered(
        "What an upstream task returns",
        "its own XCom, and its log (`Done. Returned value was`)",
        "read the secret in a template instead of passing it on; `show_return_value_in_logs=False` for the log",
        "from_xcom_google",
        r"table xcom: xcom\.value"
        r"|REST XComs: .*/fetch/xcomEntries/return_value"
        r"|logs of tasks: .*task_id=fetch/|log: fetch"
        r"|REST task logs: .*/fetch/"
        r"|scheduler\.log: info airflow\.task\.operators\.airflow\.providers\.standard\.",
        ("table xcom: xcom.value",),
    ),
    NotCovered(
        "`SessionId` of a challenge token",
        "the XComs of CreateTokenOperator and GetTokenOperator",
        "end the session in the same DAG run ([above](#sessionid))",
        "(create|get)_challenge_session",
        r"table xcom: xcom\.value|REST XComs: .*/(create|get)_challenge/xcomEntries/(return_value|SessionId)",
        ("table xcom: xcom.value",),
    ),
    NotCovered(
        "Everything that a task logs and receives at DEBUG",
        "the standard output of what supervises tasks (the scheduler under LocalExecutor, the Celery worker), where it "
        "goes past Airflow's masker. The task's own log is masked, and what this package logs is free of secrets there",
        "`[logging] logging_level = INFO` for the scheduler and the workers",
        ".*",
        r"(scheduler|worker)\.log: debug (?!.*airflow_provider_amplifybackend)",
        ("scheduler.log: debug botocore.parsers",),
    ),
    NotCovered(
        "`airflow tasks render`",
        "the terminal of whoever runs it, who can read the connections anyway",
        "a shell on the scheduler for nobody who must not read them",
        "json_text_.*",
        r"CLI tasks render: tasks render secrets_in json_text ",
        ("CLI tasks render: tasks render secrets_in json_text hunt",),
    ),
    NotCovered(
        "A secret in a DAG file",
        "the DAG's source, its serialized form, details and tasks, in the database, the REST API and the UI",
        "a template in its place ([above](#secrets-in)); `validate_dag` in the DAG's tests",
        "in_(file|params)_google",
        r"table (dag_code|serialized_dag): |REST (DAG source|DAG details|tasks): /dag\w+/secrets_shown"
        r"|CLI dags details: dags details secrets_shown",
        ("table serialized_dag: serialized_dag.data",),
    ),
    NotCovered(
        "`dag_run.conf` and `params`",
        "the DAG run and the event log, in the database, the REST API and the UI; at DEBUG, the log of each of the "
        "run's tasks",
        "a template that reads a connection or Variable",
        "in_(conf|params)_google",
        r"table (dag_run: dag_run\.conf|log: log\.extra)|REST DAG runs: /dags/secrets_shown/|REST event log: "
        r"|logs of tasks: dag_id=secrets_shown/|REST task logs: /dags/secrets_shown/|log: in_",
        ("table dag_run: dag_run.conf",),
    ),
)


def excuse(secret: str, place: str) -> NotCovered | None:
    """Return the exception that covers a find."""
    return next((each for each in NOT_COVERED if each.covers(secret, place)), None)


def table() -> str:
    """Return the rows of docs/security.md."""
    return "\n".join(f"| {each.what} | {each.where} | {each.setting} |" for each in NOT_COVERED)
