"""What the pages say of waiting, errors and stuck jobs is so, and their links lead somewhere."""

from __future__ import annotations

import inspect
import json
import re
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jmespath
import pytest

from airflow_provider_amplifybackend import exceptions
from airflow_provider_amplifybackend.get_provider_info import get_provider_info
from airflow_provider_amplifybackend.operators._job_base import AmplifyBackendJobOperator
from tests import pages
from tests.docs.conftest import ROOT
from tests.pages import DOCS
from tests.samples import APP
from tests.test_import_paths import PLACES

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
ORDER = ["Start", "How to", "Reference", "What you can rely on"]
DEFERRED = """
CreateBackendAuthOperator(
    task_id="add_auth",
    app_id=APP,
    backend_environment_name="staging",
    resource_name="people",
    resource_config={
        "AuthResources": "USER_POOL_ONLY",
        "Service": "COGNITO",
        "UserPoolConfigs": {
            "RequiredSignUpAttributes": ["EMAIL"], "SignInMethod": "EMAIL", "UserPoolName": "people"
        },
    },
    deferrable=True,
    waiter_delay=0.2,
    waiter_max_attempts=1000,
)
"""


def text_blocks(page: str) -> list[str]:
    return re.findall(r"^```text\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", pages.without_code(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in links(page):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found.read_text(encoding="utf-8")), target
            # The site has no page for any other .md of the repository: its build would fail.
            assert page.parent != DOCS or found.suffix != ".md" or found.parent == DOCS, target


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_every_link_to_the_outside_is_an_address(page: Path) -> None:
    # Whether somebody answers there is asked by `make docs-links`, which needs the internet.
    for target in links(page):
        if "://" in target:
            address = urlsplit(target)
            assert address.scheme == "https", target
            assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", address.netloc), target


def test_the_index_leads_to_every_page_and_begins_with_the_start() -> None:
    trees = [block.text for block in pages.blocks(DOCS / "index.md", "{toctree}")]
    assert [caption for tree in trees for caption in re.findall(r":caption: (.+)", tree)] == ORDER
    listed = [name for tree in trees for name in re.sub(r"^:.*\n", "", tree, flags=re.MULTILINE).split()]
    assert len(listed) == len(set(listed))
    assert set(listed) == PAGES.keys() - {"index"}
    for page in listed:
        assert f"]({page}.md)" in PAGES["index"]


def test_every_example_dag_is_shown() -> None:
    shown = re.findall(r"^```\{literalinclude\} \.\./example_dags/(\S+)$", PAGES["example-dags"], re.MULTILINE)
    assert shown == sorted(path.name for path in (ROOT / "example_dags").glob("*.py"))


def test_the_reference_has_every_name_whose_place_does_not_move() -> None:
    reference = PAGES["operators"] + PAGES["python-api"]
    whole = re.findall(r"automodule:: airflow_provider_amplifybackend\.(\S+)\n +:members:\n", reference)
    assert whole
    for module, names in PLACES.items():
        for name in names.split() if module not in whole else ():
            assert re.search(rf"\b{name}\b", reference), f"{module}.{name}"


def test_no_page_names_a_machine() -> None:
    for page, text in PAGES.items():
        assert not re.search(r"/(?:home|root|work|Users)/", text), page


def test_waiting_has_the_parameters_with_their_defaults() -> None:
    for name, parameter in inspect.signature(AmplifyBackendJobOperator.__init__).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            default = parameter.default
            shown = json.dumps(default) if isinstance(default, str) else repr(default)
            shown = "[operators] default_deferrable" if name == "deferrable" else shown
            assert f"| `{name}` | `{shown}` |" in PAGES["waiting"]


def test_waiting_names_options_with_their_values() -> None:
    options = get_provider_info()["config"]["amplifybackend"]["options"]
    (limit,) = re.findall(r"max_requests_per_second` \((\d+)\)", PAGES["waiting"])
    assert options["max_requests_per_second"]["default"] == limit


def test_a_deferred_job_logs_the_lines_that_waiting_shows(dags: Any, service: Any) -> None:
    service.control.set(job_seconds=3600)
    ending = threading.Thread(target=end_job_after_looks, args=(service.control, 2))
    ending.start()
    run = dags.run(DEFERRED)
    ending.join()
    logged = [without_particulars(message) for message in run.messages("info")]
    (block,) = text_blocks("waiting")
    shown = [without_particulars(line) for line in block.splitlines()]
    assert [line for line in logged if line in shown] == shown
    assert {"amplify_console_link", "amplify_studio_link", "JobId"} <= {key for _, _, key in run.xcoms()}


def end_job_after_looks(control: Any, looks: int) -> None:
    """End the only job when it has been looked at by the worker and once by the triggerer."""
    until = time.monotonic() + 60
    while len(control.journal("GetBackendJob")) < looks and time.monotonic() < until:
        time.sleep(0.05)
    for job in control.jobs():
        control.end_job(job["JobId"])


def without_particulars(line: str) -> str:
    line = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", line)
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "TIME", line)
    # What a look shows depends on when it comes.
    return re.sub(r"PENDING|RUNNING", "UNFINISHED", re.sub(r" (in|after) (\d+ min )?\d+ s\b", r" \1 N s", line))


def test_errors_has_every_error_and_how_they_are_related() -> None:
    tree = text_blocks("errors")[0]
    classes = [
        each for each in vars(exceptions).values() if inspect.isclass(each) and each.__module__ == exceptions.__name__
    ]
    assert {each.__name__ for each in classes} == set(re.findall(r"\b\w+Error\b", tree))
    depth = {line.split()[-1]: len(line) - len(line.split()[-1]) for line in tree.splitlines()}
    for each in classes:
        parent = next(base for base in each.__bases__ if base.__name__ in depth)
        assert depth[each.__name__] == depth[parent.__name__] + 4, each
        assert each.__name__ in PAGES["errors"].replace(tree, "")


def test_guarantees_names_a_test_that_exists_for_each_row() -> None:
    written = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    table = PAGES["guarantees"].partition("| what happens |")[2].partition("\n\n")[0]
    rows = table.splitlines()[2:]
    assert len(rows) >= 25
    for row in rows:
        assert re.search(r"`(?:test_\w+(?:\.{3})?|tests/[\w/]+\.py)`", row), row
    for name, more in re.findall(r"`(test_\w+)(\.{3})?`", PAGES["guarantees"]):
        assert re.search(rf"def {name}{'' if more else chr(92) + '('}", written), name
    for path in re.findall(r"`(tests/[\w/]+\.py)`", PAGES["guarantees"]):
        assert (ROOT / path).exists(), path


def test_stuck_jobs_finds_a_stuck_job_with_its_query(service: Any) -> None:
    rows = [
        {"environment": "dev", "operation": "UpdateBackendAPI", "status": "RUNNING", "age_seconds": 9000},
        {"environment": "dev", "operation": "CloneBackend", "status": "FAILED", "age_seconds": 90000},
        {"environment": "dev", "operation": "CreateBackend", "status": "COMPLETED", "age_seconds": 900000},
    ]
    service.control.seed({"apps": [{"app_id": APP, "environments": ["dev"], "jobs": rows}]})
    listed = service.client().list_backend_jobs(AppId=APP, BackendEnvironmentName="dev")
    (query,) = re.findall(r'--query "(Jobs.*?)"', PAGES["stuck-jobs"])
    ((_, operation, status, _),) = jmespath.search(query, listed)
    assert (operation, status) == ("UpdateBackendAPI", "RUNNING")


def test_stuck_jobs_quotes_the_refusal_of_a_blocked_environment(service: Any) -> None:
    rows = [{"environment": "dev", "operation": "UpdateBackendAPI", "status": "RUNNING"}]
    service.control.seed({"apps": [{"app_id": "X", "environments": ["dev"], "jobs": rows}]})
    client = service.client()
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.delete_backend(AppId="X", BackendEnvironmentName="dev")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert refused.value.response["Error"]["Message"] in PAGES["stuck-jobs"].replace("\n> ", " ")


def test_stuck_jobs_has_an_operator_example_that_loads(dags: Any) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGES["stuck-jobs"], re.DOTALL)
    line = "from airflow_provider_amplifybackend.operators.job import UpdateBackendJobOperator\n"
    assert "end_it" in dags.load(line + example, options="params={'job_id': 'an id'}").task_ids
