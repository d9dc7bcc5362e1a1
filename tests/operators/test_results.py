"""What the operators that read return: parsed documents, outputs, pages, readable times, and never a secret."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_provider_amplifybackend.meta import outputs
from tests.operators.requests_by_operation import AUTH, FULL, IMPORTS, shared_botocore_data  # noqa: F401

APP = "d9z8y7x6"
OUTPUTS = {
    "user_pool_id",
    "web_client_id",
    "identity_pool_id",
    "appsync_api_id",
    "appsync_endpoint",
    "bucket",
    "region",
}


@pytest.fixture
def app(service):
    """An app with a full environment and an empty one."""
    service.control.seed_app(APP, FULL, "empty", app_name="shop")
    return service


def run(dags, body: str, **options):
    finished = dags.run(IMPORTS + f"app_id = {APP!r}\n" + body, **options)
    assert set(finished.states.values()) == {"success"}, [finished.errors(task_id) for task_id in finished.states]
    return finished


def real_meta(service, environment: str = "staging") -> dict[str, Any]:
    """The document as the service gives it, API key included."""
    answer = service.client().get_backend(AppId=APP, BackendEnvironmentName=environment)
    document: dict[str, Any] = json.loads(answer["AmplifyMetaConfig"])
    return document


def test_the_documents_of_an_environment_are_parsed(dags, app):
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


def test_the_outputs_name_what_an_environment_consists_of(dags, app):
    finished = run(dags, 'GetBackendOperator(task_id="get", app_id=app_id, backend_environment_name="staging")')
    meta = real_meta(app)
    auth, api = meta["auth"]["main"]["output"], meta["api"]["graph"]["output"]
    expected = {
        "user_pool_id": auth["UserPoolId"],
        "web_client_id": auth["AppClientIDWeb"],
        "identity_pool_id": auth["IdentityPoolId"],
        "appsync_api_id": api["GraphQLAPIIdOutput"],
        "appsync_endpoint": api["GraphQLAPIEndpointOutput"],
        "bucket": meta["storage"]["files"]["output"]["BucketName"],
        "region": "us-east-1",
    }
    assert finished.xcom("get")["outputs"] == expected
    assert {name: finished.xcom("get", key=name) for name in OUTPUTS} == expected


def test_outputs_that_an_environment_does_not_have_are_none(dags, app):
    finished = run(
        dags,
        """
GetBackendOperator(task_id="empty", app_id=app_id, backend_environment_name="empty")
GetBackendOperator(task_id="listing", app_id=app_id)
""",
    )
    assert finished.xcom("empty")["outputs"] == dict.fromkeys(OUTPUTS) | {"region": "us-east-1"}
    assert finished.xcom("listing")["outputs"] == dict.fromkeys(OUTPUTS)
    assert finished.xcom("listing")["BackendEnvironmentList"] == ["staging", "empty"]


def test_a_task_that_takes_an_output_which_is_none_says_which(dags, app):
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


def test_outputs_feed_other_tasks_also_from_mapped_ones(dags, app):
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


def test_nothing_is_pushed_where_nothing_may_be(dags, app):
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
        "not JSON",
        "[]",
        "{}",
        {"auth": None, "api": [], "storage": "x", "providers": {"awscloudformation": None}},
        {"auth": {"a": None, "b": {"output": None}, "c": {"output": {}}}, "providers": None},
        {"providers": {"awscloudformation": []}},
    ],
)
def test_documents_of_any_form_have_outputs(document):
    text = document if document is None or isinstance(document, str) else json.dumps(document)
    assert outputs(text) == dict.fromkeys(OUTPUTS)


def test_outputs_are_those_of_the_pool_the_graphql_api_and_the_bucket_whatever_else_there_is():
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


# Paging

JOBS = 60


@pytest.fixture
def many_jobs(app):
    app.control.seed_app(
        "dbusy", "main", jobs=[{"environment": "main", "job_id": f"job{n:03}", "age_seconds": n} for n in range(JOBS)]
    )
    app.control.clear_journal()
    return app


def listing(dags, **parameters: Any) -> dict[str, Any]:
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
def test_a_listing_has_all_pages_and_ends_exactly_at_its_limit(dags, many_jobs, parameters, sizes):
    result = listing(dags, **parameters)
    asked = [entry["parameters"] for entry in many_jobs.control.journal("ListBackendJobs")]
    assert [request["MaxResults"] for request in asked] == sizes
    wanted = {"{{ params.most }}": 30, "{{ none }}": JOBS}.get(parameters.get("max_items"), parameters.get("max_items"))
    ids = [job["JobId"] for job in result["Jobs"]]
    assert len(ids) == len(set(ids)) == min(wanted or JOBS, JOBS)
    assert ("NextToken" in result) is (len(ids) < JOBS)


def test_a_listing_goes_on_where_its_limit_ended_the_last_one(dags, many_jobs):
    first = listing(dags, max_items=35)
    rest = listing(dags, next_token=first["NextToken"])
    ids = [job["JobId"] for job in first["Jobs"] + rest["Jobs"]]
    assert sorted(ids) == [f"job{n:03}" for n in range(JOBS)]
    assert "NextToken" not in rest


def test_the_times_of_jobs_are_readable(dags, many_jobs):
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
def test_buckets_are_listed_over_all_pages_up_to_the_limit(dags, service, page_size, limit):
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


def test_no_result_holds_a_secret(dags, app, everything_is_logged):
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
