"""What the operators that read return: parsed documents, outputs, pages, readable times, and never a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.meta_config import outputs, parse_document
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.service import meta_documents
from tests.dag_run import DagRunner, Finished
from tests.operators.requests_by_operation import AUTH, FULL, IMPORTS, shared_botocore_data  # noqa: F401

APP = "d9z8y7x6"
CASES = Path(__file__).parent / "cases"
PROVIDER_OUTPUTS = {"stack_name", "stack_id", "deployment_bucket", "region"}
OUTPUTS = {
    "user_pool_id",
    "user_pool_arn",
    "native_client_id",
    "web_client_id",
    "identity_pool_id",
    "appsync_api_id",
    "appsync_endpoint",
    "bucket",
    *PROVIDER_OUTPUTS,
}


@pytest.fixture
def app(service: LocalAmplifyBackend) -> LocalAmplifyBackend:
    """An app with a full environment and an empty one."""
    service.control.seed_app(APP, FULL, "empty", app_name="shop")
    return service


def run(dags: DagRunner, body: str, **options: Any) -> Finished:
    finished = dags.run(IMPORTS + f"app_id = {APP!r}\n" + body, **options)
    assert set(finished.states.values()) == {"success"}, [finished.errors(task_id) for task_id in finished.states]
    return finished


def real_meta(service: LocalAmplifyBackend, environment: str = "staging") -> dict[str, Any]:
    """The document as the service gives it, API key included."""
    answer = service.client().get_backend(AppId=APP, BackendEnvironmentName=environment)
    document: dict[str, Any] = json.loads(answer["AmplifyMetaConfig"])
    return document


def test_the_documents_of_an_environment_are_parsed(dags: DagRunner, app: LocalAmplifyBackend) -> None:
    result = run(dags, 'GetBackendOperator(task_id="get", app_id=app_id, backend_environment_name="staging")').xcom(
        "get"
    )
    meta = real_meta(app)
    key = meta["api"]["graph"]["output"].pop("GraphQLAPIKeyOutput")
    assert key.startswith("da2-")
    assert result["AmplifyMetaConfig"]["api"]["graph"]["output"].pop("GraphQLAPIKeyOutput") == "***"
    assert result["AmplifyMetaConfig"] == meta
    assert result["AmplifyFeatureFlags"]["features"]["graphqltransformer"]["transformerversion"] == 2
    assert result["BackendEnvironmentList"] == ["staging", "empty"]
    assert (result["AppId"], result["AppName"]) == (APP, "shop")


def test_the_outputs_name_what_an_environment_consists_of(dags: DagRunner, app: LocalAmplifyBackend) -> None:
    finished = run(dags, 'GetBackendOperator(task_id="get", app_id=app_id, backend_environment_name="staging")')
    meta = real_meta(app)
    auth, api = meta["auth"]["main"]["output"], meta["api"]["graph"]["output"]
    provider = meta["providers"]["awscloudformation"]
    expected = {
        "user_pool_id": auth["UserPoolId"],
        "user_pool_arn": auth["UserPoolArn"],
        "native_client_id": auth["AppClientID"],
        "web_client_id": auth["AppClientIDWeb"],
        "identity_pool_id": auth["IdentityPoolId"],
        "appsync_api_id": api["GraphQLAPIIdOutput"],
        "appsync_endpoint": api["GraphQLAPIEndpointOutput"],
        "bucket": meta["storage"]["files"]["output"]["BucketName"],
        "stack_name": provider["StackName"],
        "stack_id": provider["StackId"],
        "deployment_bucket": provider["DeploymentBucketName"],
        "region": "us-east-1",
    }
    assert all(expected.values())
    assert finished.xcom("get")["outputs"] == expected
    assert {name: finished.xcom("get", key=name) for name in OUTPUTS} == expected


def test_outputs_that_an_environment_does_not_have_are_none(dags: DagRunner, app: LocalAmplifyBackend) -> None:
    finished = run(
        dags,
        """
GetBackendOperator(task_id="empty", app_id=app_id, backend_environment_name="empty")
GetBackendOperator(task_id="listing", app_id=app_id)
""",
    )
    provider = real_meta(app, "empty")["providers"]["awscloudformation"]
    assert finished.xcom("empty")["outputs"] == dict.fromkeys(OUTPUTS) | {
        "stack_name": provider["StackName"],
        "stack_id": provider["StackId"],
        "deployment_bucket": provider["DeploymentBucketName"],
        "region": "us-east-1",
    }
    assert finished.xcom("listing")["outputs"] == dict.fromkeys(OUTPUTS)
    assert finished.xcom("listing")["BackendEnvironmentList"] == ["staging", "empty"]


def test_a_task_that_takes_an_output_which_is_none_says_which(dags: DagRunner, app: LocalAmplifyBackend) -> None:
    finished = dags.run(
        IMPORTS
        + f"""
get = GetBackendOperator(task_id="get", app_id={APP!r}, backend_environment_name="empty")

@task
def use(pool):
    return pool

use(get.output["user_pool_id"])
"""
    )
    assert finished.states == {"get": "success", "use": "failed"}
    assert 'key="user_pool_id" is not found' in finished.error("use")


def test_outputs_feed_other_tasks_also_from_mapped_ones(dags: DagRunner, app: LocalAmplifyBackend) -> None:
    app.control.seed_app(APP, {"name": "prod", "auth": {"main": None}})
    app.control.seed_app("dlogin", config={})
    run(
        dags,
        """
get = GetBackendOperator(task_id="get", app_id=app_id, backend_environment_name="staging")
ImportBackendAuthOperator(
    task_id="import", app_id=app_id, backend_environment_name="empty", native_client_id="native",
    user_pool_id=get.output["user_pool_id"], web_client_id="{{ ti.xcom_pull(task_ids='get', key='web_client_id') }}",
    waiter_delay=0.1,
)
every = GetBackendOperator.partial(task_id="every", app_id=app_id).expand(
    backend_environment_name=["staging", "prod"]
)

@task
def logins(pools):
    return [{"AwsUserPoolsId": pool} for pool in pools]

UpdateBackendConfigOperator.partial(task_id="each", app_id="dlogin").expand(
    login_auth_config=logins(every.output["user_pool_id"])
)
""",
    )
    pools = [real_meta(app, environment)["auth"]["main"]["output"]["UserPoolId"] for environment in ("staging", "prod")]
    (imported,) = app.control.journal("ImportBackendAuth", effective=True)
    assert imported["parameters"]["UserPoolId"] == pools[0]
    assert imported["parameters"]["WebClientId"] == real_meta(app)["auth"]["main"]["output"]["AppClientIDWeb"]
    logins = app.control.journal("UpdateBackendConfig", effective=True)
    assert {entry["parameters"]["LoginAuthConfig"]["AwsUserPoolsId"] for entry in logins} == set(pools)


def test_nothing_is_pushed_where_nothing_may_be(dags: DagRunner, app: LocalAmplifyBackend) -> None:
    finished = run(
        dags,
        'GetBackendOperator(task_id="get", app_id=app_id, backend_environment_name="staging", do_xcom_push=False)',
    )
    assert [key for _, _, key in finished.xcoms() if "_link" not in key] == []


@pytest.mark.parametrize(
    "document",
    [
        None,
        "",
        "not valid JSON",
        "[]",
        "{}",
        {"auth": None, "api": [], "storage": "x", "providers": {"awscloudformation": None}},
        {"auth": {"a": None, "b": {"output": None}, "c": {"output": {}}}, "providers": None},
        {"providers": {"awscloudformation": []}},
        {"auth": {"1": 2, "a": {"output": {"UserPoolId": 3, "AppClientID": None, "UserPoolArn": []}}}},
        {"auth": {"a": {"output": [{"UserPoolId": "a"}]}}, "api": {"a": [None]}, "storage": {"a": {"output": "b"}}},
        {
            "providers": {
                "awscloudformation": {"StackName": {}, "StackId": 1, "Region": "", "DeploymentBucketName": [None]}
            }
        },
        "[" * 100_000,
        '{"auth": ' * 5_000,
        '{"auth": ' * 500 + "1" + "}" * 500,
        '{"auth": NaN, "api": 1e999, "storage": ' + "9" * 5_000 + "}",
        '{"auth": {"a": {"output": {"UserPoolId": "pool"}}}, "auth": null}',
    ],
    ids=lambda document: str(document)[:40],
)
def test_documents_of_any_form_have_outputs(document: Any) -> None:
    text = document if document is None or isinstance(document, str) else json.dumps(document)
    assert outputs(text) == dict.fromkeys(OUTPUTS)


def test_outputs_are_those_of_the_pool_the_graphql_api_and_the_bucket_whatever_else_there_is() -> None:
    document = {
        "auth": {
            "userPoolGroups": {"service": "Cognito-UserPool-Groups", "output": {"AdminGroupRole": "arn:1"}},
            "people": {"service": "Cognito", "output": {"UserPoolId": "pool", "AppClientIDWeb": "web"}},
        },
        "api": {
            "rest": {"service": "API Gateway", "output": {"ApiId": "rest", "RootUrl": "https://rest"}},
            "graph": {"service": "AppSync", "output": {"GraphQLAPIIdOutput": "api"}},
        },
        "storage": {
            "table": {"service": "DynamoDB", "output": {"Name": "table", "Region": "eu-west-1"}},
            "files": {"service": "S3", "output": {"BucketName": "bucket", "Region": "eu-west-1"}},
        },
    }
    found = outputs(document)
    assert (found["user_pool_id"], found["web_client_id"], found["appsync_api_id"], found["bucket"]) == (
        "pool",
        "web",
        "api",
        "bucket",
    )


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        (
            {"service": "Cognito", "serviceType": "imported", "output": {"UserPoolId": "p", "AppClientID": "n"}},
            ("p", "n"),
        ),
        ({"service": "Cognito", "output": {"IdentityPoolId": "i"}}, (None, None)),
    ],
)
def test_outputs_of_an_imported_pool_and_of_an_identity_pool_alone(
    auth: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    found = outputs({"auth": {"groups": {"output": {"Role": "arn"}}, "it": auth}})
    assert (found["user_pool_id"], found["native_client_id"]) == expected
    assert found["identity_pool_id"] == auth["output"].get("IdentityPoolId")


def test_a_document_holds_only_what_airflow_can_store() -> None:
    text = '{"a\\ud800": "x\\u0000y", "n": NaN, "f": 1e999, "d": 1.5, "i": 7, "big": 99999999999999999999, "t": true}'
    assert parse_document(text) == {
        "a\ufffd": "x\ufffdy",
        "n": None,
        "f": None,
        "d": 1.5,
        "i": 7,
        "big": "99999999999999999999",
        "t": True,
    }


# Real documents


@pytest.fixture
def answering(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let GetBackend answer with a document as it is."""

    def answer(document: str) -> None:
        monkeypatch.setattr(meta_documents, "amplify_meta", lambda environment: document)

    return answer


@pytest.mark.parametrize("case", ["meta_native_client_secret.json", "meta_compact.txt"])
def test_the_secrets_of_a_real_document_are_seen_nowhere_and_its_outputs_are_right(
    dags: DagRunner, app: LocalAmplifyBackend, answering: Callable[[str], None], everything_is_logged: None, case: str
) -> None:
    answering((CASES / case).read_text())
    finished = run(dags, 'GetBackendOperator(task_id="get", app_id=app_id, backend_environment_name="staging")')
    result = finished.xcom("get")
    stored = json.dumps([[str(name), value] for name, value in finished.xcoms().items()])
    logged = "".join(str(line) for line in finished.log_lines if "MaskSecret" not in str(line))
    assert "Response body" in logged  # so botocore's lines are there, too
    for secret in ("hush0native0client0secret0of0the0pool0000000000001", "da2-00000000000000000000000001"):
        assert secret not in stored
        assert secret not in logged
    meta = result["AmplifyMetaConfig"]
    assert meta["auth"]["guests"]["output"]["AppClientSecret"] == "***"
    assert meta["api"]["shop"]["output"]["GraphQLAPIKeyOutput"] == "***"
    assert result["outputs"] == {
        "user_pool_id": "eu-west-3_Guests001",
        "user_pool_arn": "arn:aws:cognito-idp:eu-west-3:111122223333:userpool/eu-west-3_Guests001",
        "native_client_id": "nativeclient0000000000001",
        "web_client_id": "webclient0000000000000001",
        "identity_pool_id": "eu-west-3:00000000-0000-4000-8000-000000000001",
        "appsync_api_id": "graphid000000000000000001",
        "appsync_endpoint": "https://x.appsync-api.eu-west-3.amazonaws.com/graphql",
        "bucket": "shopfiles-dev",
        "stack_name": "amplify-shop-dev-101010",
        "stack_id": "arn:aws:cloudformation:eu-west-3:111122223333:stack/amplify-shop-dev-101010/x",
        "deployment_bucket": "amplify-shop-dev-101010-deployment",
        "region": "eu-west-3",
    }


def test_an_environment_that_was_never_pushed_has_the_outputs_of_its_stack_only() -> None:
    found = outputs((CASES / "meta_nothing_pushed.json").read_text())
    assert {name for name, value in found.items() if value is not None} == PROVIDER_OUTPUTS


@pytest.mark.parametrize(
    "document",
    [
        "null",
        "[" * 5_000,
        '{"auth": ' * 500 + "1" + "}" * 500,
        '{"auth": {"1": {"output": {"UserPoolId": "\\ud800", "AppClientSecret": null, "n": '
        + "9" * 400
        + ', "x": NaN}}}}',
        '{"auth": {"AppClientSecret": "hush-the-first"}, "auth": {"AppClientSecret": "hush-the-last"}}',
        '{"auth": {"AppClient\\u0053ecret": "hush-the-escaped"}}',
    ],
    ids=lambda document: document[:40],
)
def test_an_odd_document_is_no_reason_to_fail_and_shows_no_secret(
    dags: DagRunner,
    app: LocalAmplifyBackend,
    answering: Callable[[str], None],
    everything_is_logged: None,
    document: str,
) -> None:
    answering(document)
    finished = run(dags, 'GetBackendOperator(task_id="get", app_id=app_id, backend_environment_name="staging")')
    assert set(finished.xcom("get")["outputs"]) == OUTPUTS
    assert "hush-the" not in json.dumps(list(finished.xcoms().values()))
    assert "hush-the" not in "".join(str(line) for line in finished.log_lines if "MaskSecret" not in str(line))


# Members


def test_every_member_of_what_is_read_is_an_xcom_of_its_own(dags: DagRunner, app: LocalAmplifyBackend) -> None:
    app.control.seed(buckets=["my-files"])
    job = app.client().delete_backend(AppId=APP, BackendEnvironmentName="empty")["JobId"]
    session = app.client().create_token(AppId=APP)["SessionId"]
    finished = run(
        dags,
        f"""
staging = dict(app_id=app_id, backend_environment_name="staging")
GetBackendOperator(task_id="backend", **staging)
GetBackendAuthOperator(task_id="auth", resource_name="main", **staging)
GetBackendAPIOperator(task_id="api", resource_name="graph", **staging)
GetBackendAPIModelsOperator(task_id="models", resource_name="graph", **staging)
GetBackendStorageOperator(task_id="storage", resource_name="files", **staging)
GetBackendJobOperator(task_id="job", app_id=app_id, backend_environment_name="empty", job_id={job!r})
ListBackendJobsOperator(task_id="jobs", app_id=app_id, backend_environment_name="empty")
ListS3BucketsOperator(task_id="buckets")
CreateTokenOperator(task_id="create", app_id=app_id)
GetTokenOperator(task_id="token", app_id=app_id, session_id={session!r})
GetTokenOperator.partial(task_id="mapped", app_id=app_id).expand(session_id=[{session!r}])
GetTokenOperator(task_id="silent", app_id=app_id, session_id={session!r}, do_xcom_push=False)
""",
    )
    pushed = {(task_id, index) for task_id, index, key in finished.xcoms() if key == "return_value"}
    assert len(pushed) == 11
    for task_id, index in pushed:
        result = finished.xcom(task_id, map_index=index)
        assert len(result) > 0
        for name, value in result.items():
            # Read from the database, a text of digits is a number.
            assert str(finished.xcom(task_id, key=name, map_index=index)) == str(value), (task_id, name)
    assert [key for task_id, _, key in finished.xcoms() if task_id == "silent" and "_link" not in key] == []
    assert {finished.xcom(task_id, key="ChallengeCode") for task_id in ("create", "token")} == {"***"}


def test_members_feed_other_tasks_and_what_is_nested_in_them_does_in_a_template(
    dags: DagRunner, app: LocalAmplifyBackend
) -> None:
    app.control.seed_app("dlogin", config={})
    run(
        dags,
        """
look = GetBackendOperator(task_id="look", app_id=app_id, backend_environment_name="staging")
auth = GetBackendAuthOperator(
    task_id="auth", app_id=app_id, backend_environment_name="staging",
    resource_name="{{ ti.xcom_pull('look', key='AmplifyMetaConfig')['auth'] | first }}",
)
look >> auth

@task
def check(meta, config):
    assert config["Service"] == "COGNITO"
    return meta["providers"]["awscloudformation"]["StackName"]

UpdateBackendConfigOperator(
    task_id="update", app_id="dlogin",
    login_auth_config={"AwsUserPoolsId": check(look.output["AmplifyMetaConfig"], auth.output["ResourceConfig"])},
)
""",
    )
    (updated,) = app.control.journal("UpdateBackendConfig", effective=True)
    stack = real_meta(app)["providers"]["awscloudformation"]["StackName"]
    assert updated["parameters"]["LoginAuthConfig"] == {"AwsUserPoolsId": stack}


# Missing environments


@pytest.mark.parametrize("gone", ["NotFoundException", "ValidationException", "absent"])
def test_a_missing_environment_is_skipped_or_fails_in_whatever_form_the_service_says_so(
    dags: DagRunner, app: LocalAmplifyBackend, gone: str
) -> None:
    app.control.set(gone_environment=gone)
    finished = dags.run(
        IMPORTS
        + f"""
lost = dict(app_id={APP!r}, backend_environment_name="lost")
GetBackendOperator(task_id="skips", if_missing="{{{{ 'skip' }}}}", **lost)
GetBackendOperator.partial(task_id="mapped", if_missing="skip", app_id={APP!r}).expand(
    backend_environment_name=["staging", "lost"]
)
GetBackendOperator(task_id="fails", **lost)
"""
    )
    assert finished.states == {"skips": "success", "mapped[0]": "success", "mapped[1]": "success", "fails": "failed"}
    assert "lost" in finished.error("fails")
    assert "BackendRequestError" in finished.error("fails")
    expected = {
        "AppId": APP,
        "AppName": "shop",
        "BackendEnvironmentName": "lost",
        "BackendEnvironmentList": ["staging", "empty"],
        "exists": False,
        "outputs": dict.fromkeys(OUTPUTS),
    }
    assert finished.xcom("skips") == finished.xcom("mapped", map_index=1) == expected
    assert finished.xcom("skips", key="exists") is False
    assert finished.xcom("mapped", map_index=0)["exists"] is True
    assert not [message for message in finished.messages("warning") if "unknown to the service" in message]


def test_an_app_that_the_service_does_not_know_is_skipped_with_a_warning(
    dags: DagRunner, app: LocalAmplifyBackend
) -> None:
    finished = run(
        dags,
        """
GetBackendOperator(task_id="named", app_id="dtypo", backend_environment_name="staging", if_missing="skip")
GetBackendOperator(task_id="listing", app_id="dtypo", if_missing="skip")
""",
    )
    for task_id in ("named", "listing"):
        assert finished.xcom(task_id)["exists"] is False
        assert finished.xcom(task_id)["BackendEnvironmentList"] == []
    warnings = [message for message in finished.messages("warning") if "unknown to the service" in message]
    assert len(warnings) == 2
    assert all("dtypo" in message and "us-east-1" in message for message in warnings)


@pytest.mark.parametrize("name", ["staging", "lost", None])
def test_a_refusal_for_another_reason_is_not_taken_for_a_missing_environment(
    dags: DagRunner, app: LocalAmplifyBackend, name: str | None
) -> None:
    app.control.add_fault("GetBackend", kind="error", code="ValidationException", status=400)
    finished = dags.run(
        IMPORTS
        + f"""
GetBackendOperator(task_id="get", app_id={APP!r}, backend_environment_name={name!r}, if_missing="skip")
"""
    )
    assert finished.states == {"get": "failed"}
    assert "ValidationException" in finished.error("get")


def test_an_environment_that_is_listed_is_not_missing_whatever_the_service_says_of_it(
    dags: DagRunner, app: LocalAmplifyBackend
) -> None:
    app.control.add_fault("GetBackend", kind="error", code="ValidationException", status=400, times=1)
    finished = dags.run(
        IMPORTS
        + f"""
GetBackendOperator(task_id="get", app_id={APP!r}, backend_environment_name="staging", if_missing="skip")
"""
    )
    assert finished.states == {"get": "failed"}


def test_what_to_do_about_a_missing_environment_is_checked_before_anything_is_sent(
    dags: DagRunner, app: LocalAmplifyBackend
) -> None:
    app.control.clear_journal()
    finished = dags.run(
        IMPORTS + f'GetBackendOperator(task_id="get", app_id={APP!r}, if_missing="{{{{ 1 }}}}")',
    )
    assert "if_missing='1' is not accepted; accepted values: fail, skip" in finished.error("get")
    assert app.control.journal("GetBackend") == []


# Paging

JOBS = 60


@pytest.fixture
def many_jobs(app: LocalAmplifyBackend) -> LocalAmplifyBackend:
    app.control.seed_app(
        "dbusy", "main", jobs=[{"environment": "main", "job_id": f"job{n:03}", "age_seconds": n} for n in range(JOBS)]
    )
    app.control.clear_journal()
    return app


def listing(dags: DagRunner, **parameters: Any) -> dict[str, Any]:
    given = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
    finished = run(
        dags,
        f'ListBackendJobsOperator(task_id="list", app_id="dbusy", backend_environment_name="main", {given})',
        options='params={"most": 30}',
    )
    result: dict[str, Any] = finished.xcom("list")
    return result


@pytest.mark.parametrize(
    ("parameters", "sizes"),
    [
        ({}, [25, 25, 25]),
        ({"max_results": 20}, [20, 20, 20]),
        ({"max_items": 1}, [1]),
        ({"max_items": 25}, [25]),
        ({"max_items": 26}, [25, 1]),
        ({"max_items": "{{ params.most }}"}, [25, 5]),
        ({"max_items": 50, "max_results": "20"}, [20, 20, 10]),
        ({"max_items": 60}, [25, 25, 10]),
        ({"max_items": 1000}, [25, 25, 25]),
        ({"max_items": "{{ none }}"}, [25, 25, 25]),
    ],
)
def test_a_listing_has_all_pages_and_ends_exactly_at_its_limit(
    dags: DagRunner, many_jobs: LocalAmplifyBackend, parameters: dict[str, Any], sizes: list[int]
) -> None:
    result = listing(dags, **parameters)
    asked = [entry["parameters"] for entry in many_jobs.control.journal("ListBackendJobs")]
    assert [request["MaxResults"] for request in asked] == sizes
    most: Any = parameters.get("max_items")
    wanted = {"{{ params.most }}": 30, "{{ none }}": JOBS}.get(most, most)
    ids = [job["JobId"] for job in result["Jobs"]]
    assert len(ids) == len(set(ids)) == min(wanted or JOBS, JOBS)
    assert ("NextToken" in result) is (len(ids) < JOBS)


def test_a_limit_that_is_no_whole_number_is_refused_before_anything_is_asked(
    dags: DagRunner, many_jobs: LocalAmplifyBackend
) -> None:
    body = 'ListBackendJobsOperator(task_id="list", app_id="dbusy", backend_environment_name="main", max_items="2.5")'
    assert "max_items=2.5 must be a whole number" in dags.run(IMPORTS + body).error("list")
    assert many_jobs.control.journal("ListBackendJobs") == []


def test_a_listing_goes_on_where_its_limit_ended_the_last_one(dags: DagRunner, many_jobs: LocalAmplifyBackend) -> None:
    first = listing(dags, max_items=35)
    rest = listing(dags, next_token=first["NextToken"])
    ids = [job["JobId"] for job in first["Jobs"] + rest["Jobs"]]
    assert sorted(ids) == [f"job{n:03}" for n in range(JOBS)]
    assert "NextToken" not in rest


def test_the_times_of_jobs_are_readable(dags: DagRunner, many_jobs: LocalAmplifyBackend) -> None:
    finished = run(
        dags,
        """
common = dict(app_id="dbusy", backend_environment_name="main", job_id="job007")
ListBackendJobsOperator(task_id="list", **common)
GetBackendJobOperator(task_id="get", **common)
UpdateBackendJobOperator(task_id="update", status="COMPLETED", **common)
""",
    )
    (listed,) = finished.xcom("list")["Jobs"]
    for job in (listed, finished.xcom("get"), finished.xcom("update")):
        for raw, readable in (("CreateTime", "created_at"), ("UpdateTime", "updated_at")):
            moment = datetime.fromisoformat(job[readable])
            assert moment.utcoffset() == timedelta(0)
            assert round(moment.timestamp() * 1000) == int(job[raw])


@pytest.mark.parametrize("page_size", [3, 50])
@pytest.mark.parametrize("limit", [None, 1, 3, 4, 6, 100])
def test_buckets_are_listed_over_all_pages_up_to_the_limit(
    dags: DagRunner, service: LocalAmplifyBackend, page_size: int, limit: int | None
) -> None:
    service.control.set(bucket_page_size=page_size)
    service.control.seed(buckets=[f"bucket-{n}" for n in range(7)])
    everything = [bucket["Name"] for bucket in service.client().list_s3_buckets()["Buckets"]]
    while (token := everything[-1]) and (more := service.client().list_s3_buckets(NextToken=token)["Buckets"]):
        everything += [bucket["Name"] for bucket in more]
    service.control.clear_journal()
    result = run(dags, f'ListS3BucketsOperator(task_id="list", max_items={limit})').xcom("list")
    names = [bucket["Name"] for bucket in result["Buckets"]]
    assert names == everything[:limit]
    # This operation takes no page size: only where the limit is the end of a page, a token goes on from there.
    is_cut_at_page = len(names) < len(everything) and len(names) % page_size == 0
    assert ("NextToken" in result) is is_cut_at_page
    if is_cut_at_page:
        rest = run(dags, f'ListS3BucketsOperator(task_id="list", next_token={result["NextToken"]!r})').xcom("list")
        assert names + [bucket["Name"] for bucket in rest["Buckets"]] == everything


# Secrets


def test_no_result_holds_a_secret(dags: DagRunner, app: LocalAmplifyBackend, everything_is_logged: None) -> None:
    config = json.loads(json.dumps(AUTH))
    app.control.seed_app(APP, {"name": "secretive", "auth": {"people": config}, "api": {"graph": None}})
    client = app.client()
    token = client.create_token(AppId=APP)
    finished = run(
        dags,
        f"""
common = dict(app_id=app_id, backend_environment_name="secretive")
GetBackendOperator(task_id="backend", **common)
GetBackendAuthOperator(task_id="auth", resource_name="people", **common)
GetBackendAPIOperator(task_id="api", resource_name="graph", **common)
created = CreateTokenOperator(task_id="create", app_id=app_id)
GetTokenOperator(task_id="get", app_id=app_id, session_id={token["SessionId"]!r})
again = GetTokenOperator(task_id="again", app_id=app_id, session_id="{{{{ ti.xcom_pull('create')['SessionId'] }}}}")
created >> again >> DeleteTokenOperator(
    task_id="delete", app_id=app_id, session_id="{{{{ ti.xcom_pull('create')['SessionId'] }}}}"
)
""",
    )
    key = real_meta(app, "secretive")["api"]["graph"]["output"]["GraphQLAPIKeyOutput"]
    stored = json.dumps([[str(name), value] for name, value in finished.xcoms().items()])
    for secret in ("s3cret-of-google", "s3cret-of-apple", key, token["ChallengeCode"]):
        assert secret not in stored
        assert secret not in "".join(str(line) for line in finished.log_lines if "MaskSecret" not in str(line))
    providers = finished.xcom("auth")["ResourceConfig"]["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]
    assert providers["Google"] == {"ClientId": "google-client", "ClientSecret": "***"}
    assert providers["SignInWithApple"]["PrivateKey"] == "***"
    for task_id in ("create", "get", "again"):
        assert finished.xcom(task_id)["ChallengeCode"] == "***"
        assert finished.xcom(task_id)["Ttl"]
    # The session's id is what a later task needs, so the result keeps it.
    assert finished.xcom("get")["SessionId"] == token["SessionId"]
    assert finished.xcom("again")["SessionId"] == finished.xcom("create")["SessionId"]
    assert finished.xcom("delete")["IsSuccess"] is True
