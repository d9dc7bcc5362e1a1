"""Parameters: templated, coerced by the API's model, and refused by name before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner
from tests.operators.requests_by_operation import IMPORTS
from tests.samples import APP

ADD_AUTH = """
CreateBackendAuthOperator(
    task_id="add_auth", app_id=APP, backend_environment_name="staging", resource_name="people",
    waiter_delay=0.1, retries=2, resource_config={config},
)
"""


def refused(dags: DagRunner, service: LocalAmplifyBackend, body: str, task_id: str = "task") -> str:
    """The error of a task whose parameters cannot be sent; it is final, and the service has heard nothing."""
    service.control.clear_journal()
    run = dags.run(body)
    assert run.state == "failed"
    assert run.tries == {task_id: 1}
    assert service.control.journal() == []
    error = run.error(task_id)
    assert error.startswith("BackendParameterError: ")
    return error


@pytest.mark.parametrize("value", ["None", "' '", "'{{ params.nothing }}'", "'{{ none }}'"])
def test_a_required_name_that_is_empty_is_refused(dags: DagRunner, service: LocalAmplifyBackend, value: Any) -> None:
    error = refused(
        dags,
        service,
        f"""
        DeleteBackendOperator(
            task_id="task", app_id={value}, backend_environment_name="staging", params={{"nothing": ""}}, retries=2
        )
        """,
    )
    assert "app_id=" in error
    assert "missing a value" in error


def test_every_wrong_parameter_is_named_at_once(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    error = refused(
        dags,
        service,
        """
        CloneBackendOperator(
            task_id="task", app_id=None, backend_environment_name="staging", target_environment_name=["copy"],
            wait_for_completion="perhaps", waiter_delay="soon", waiter_max_attempts=0, on_pending_job="kill",
            if_exists="overwrite", retries=2,
        )
        """,
    )
    assert "app_id=None is missing a value" in error
    assert "target_environment_name, a list, must be a string" in error
    assert "wait_for_completion='perhaps' must be true or false" in error
    assert "waiter_delay='soon' must be a number, 0.1 or more" in error
    assert "waiter_max_attempts=0 must be a number, 1 or more" in error
    assert "on_pending_job='kill' is not accepted; accepted values: wait, fail" in error
    assert "if_exists='overwrite' is not accepted; accepted values: fail, skip" in error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"AuthResources": "USER_POOL"},
            "resource_config.AuthResources='USER_POOL' is not accepted; accepted values: ",
        ),
        ({"Servce": "COGNITO"}, "resource_config.Servce is not a member of CreateBackendAuthResourceConfig; accepted"),
        ({"Service": None}, "resource_config.Service is missing: it is required"),
        ({"UserPoolConfigs": []}, "resource_config.UserPoolConfigs must be a dictionary"),
        (
            {"UserPoolConfigs": {"RequiredSignUpAttributes": "EMAIL", "SignInMethod": "EMAIL", "UserPoolName": "p"}},
            "resource_config.UserPoolConfigs.RequiredSignUpAttributes is not valid JSON",
        ),
        (
            {"UserPoolConfigs": {"RequiredSignUpAttributes": ["MAIL"], "SignInMethod": "EMAIL", "UserPoolName": "p"}},
            "resource_config.UserPoolConfigs.RequiredSignUpAttributes[0]='MAIL' is not accepted; accepted values: "
            "ADDRESS, ",
        ),
        (
            {"IdentityPoolConfigs": {"IdentityPoolName": "p", "UnauthenticatedLogin": "maybe"}},
            "resource_config.IdentityPoolConfigs.UnauthenticatedLogin='maybe' must be true or false",
        ),
    ],
)
def test_a_wrong_member_is_named_with_its_path_value_and_what_is_accepted(
    dags: DagRunner, service: LocalAmplifyBackend, change: str, said: str
) -> None:
    config = f"{{key: value for key, value in (AUTH | {change!r}).items() if value is not None}}"
    error = refused(dags, service, ADD_AUTH.format(config=config), "add_auth")
    assert said in error


def test_text_that_is_not_json_is_refused_without_quoting_it(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    error = refused(dags, service, ADD_AUTH.format(config="""'{"ClientSecret": "hush-hush",}'"""), "add_auth")
    assert "resource_config is not valid JSON" in error
    assert "hush-hush" not in error


def test_a_secret_of_the_wrong_kind_is_not_quoted(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    config = """AUTH | {"UserPoolConfigs": AUTH["UserPoolConfigs"] | {"OAuth": {
        "OAuthGrantType": "CODE", "OAuthScopes": ["EMAIL"], "RedirectSignInURIs": [], "RedirectSignOutURIs": [],
        "SocialProviderSettings": {"Google": {"ClientId": "id", "ClientSecret": ["hush-hush"]}},
    }}}"""
    error = refused(dags, service, ADD_AUTH.format(config=config), "add_auth")
    assert "SocialProviderSettings.Google.ClientSecret=***" in error
    assert "hush-hush" not in error


# Templates


CONFIG_TEXT = """
{
  "AuthResources": "IDENTITY_POOL_AND_USER_POOL",
  "Service": "COGNITO",
  "IdentityPoolConfigs": {"IdentityPoolName": "ids", "UnauthenticatedLogin": "False"},
  "UserPoolConfigs": {
    "RequiredSignUpAttributes": ["EMAIL"],
    "SignInMethod": "EMAIL",
    "UserPoolName": "people",
    "PasswordPolicy": "{\\\\"MinimumLength\\\\": \\\\"8\\\\"}"
  }
}
"""


@pytest.mark.parametrize("native", [False, True], ids=["rendered as text", "rendered natively"])
@pytest.mark.parametrize("form", ["members", "whole", "text"])
def test_what_templates_render_becomes_what_the_api_takes(
    dags: DagRunner, service: LocalAmplifyBackend, native: bool, form: str
) -> None:
    config = {
        "members": """{
            "AuthResources": "{{ params.resources }}",
            "Service": "COGNITO",
            "IdentityPoolConfigs": {"IdentityPoolName": "ids", "UnauthenticatedLogin": "{{ params.login }}"},
            "UserPoolConfigs": {
                "RequiredSignUpAttributes": "{{ params.attributes | tojson }}",
                "SignInMethod": "EMAIL",
                "UserPoolName": "people",
                "PasswordPolicy": {"MinimumLength": "{{ params.length }}"},
            },
        }""",
        "whole": "'{{ params.config | tojson }}'",
        "text": f"'''{CONFIG_TEXT}'''",
    }[form]
    run = dags.run(
        f"""
        CreateBackendAuthOperator(
            task_id="add_auth",
            app_id="{{{{ params.app }}}}",
            backend_environment_name="{{{{ 'sta' }}}}ging",
            resource_name="{{{{ params.name }}}}",
            resource_config={config},
            wait_for_completion="{{{{ params.wait }}}}",
            deferrable="{{{{ params.deferrable }}}}",
            waiter_delay="{{{{ params.delay }}}}",
            waiter_max_attempts="{{{{ 100 * 2 }}}}",
            if_exists="{{{{ 'skip' }}}}",
            on_pending_job="{{{{ 'wait' }}}}",
            aws_conn_id="aws_{{{{ 'default' }}}}",
            region_name="{{{{ params.region }}}}",
            verify="{{{{ params.verify }}}}",
            botocore_config={{"user_agent_extra": "for-{{{{ params.app }}}}"}},
        )
        """,
        options=f"""render_template_as_native_obj={native}, params={{
            "app": APP, "name": "people", "resources": "IDENTITY_POOL_AND_USER_POOL", "login": False, "length": 8,
            "attributes": ["EMAIL"], "wait": True, "deferrable": False, "delay": 0.1, "region": "us-east-1",
            "verify": False, "config": json.loads('''{CONFIG_TEXT}'''),
        }}""",
    )
    assert run.states == {"add_auth": "success"}, run.errors("add_auth")
    assert run.xcom("add_auth")["Status"] == "COMPLETED"
    (start,) = service.control.journal("CreateBackendAuth")
    sent = start["parameters"]
    assert (sent["AppId"], sent["BackendEnvironmentName"], sent["ResourceName"]) == (APP, "staging", "people")
    assert sent["ResourceConfig"]["IdentityPoolConfigs"]["UnauthenticatedLogin"] is False
    assert sent["ResourceConfig"]["UserPoolConfigs"]["PasswordPolicy"]["MinimumLength"] == 8
    assert sent["ResourceConfig"]["UserPoolConfigs"]["RequiredSignUpAttributes"] == ["EMAIL"]


@pytest.mark.parametrize("native", [False, True], ids=["rendered as text", "rendered natively"])
def test_names_that_look_like_numbers_stay_names(dags: DagRunner, service: LocalAmplifyBackend, native: bool) -> None:
    service.control.seed_app("12345", "678")
    run = dags.run(
        """
        GetBackendOperator(
            task_id="get", app_id="{{ params.app }}", backend_environment_name="{{ params.environment }}"
        )
        """,
        options=f"render_template_as_native_obj={native}, params={{'app': '12345', 'environment': '678'}}",
    )
    assert run.xcom("get")["BackendEnvironmentName"] == "678"


@pytest.mark.parametrize("native", [False, True], ids=["rendered as text", "rendered natively"])
def test_an_optional_name_that_comes_out_empty_is_refused(
    dags: DagRunner, service: LocalAmplifyBackend, native: bool
) -> None:
    """The environment that is missing must not become the question about the whole app, nor a job that of all jobs."""
    service.control.clear_journal()
    run = dags.run(
        IMPORTS
        + """
from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
nothing = task(lambda: None, task_id="nothing", multiple_outputs=False)()
nothings = task(lambda: [None], task_id="nothings")()
GetBackendOperator(
    task_id="template", app_id=APP, if_missing="skip",
    backend_environment_name="{{ dag_run.conf.get('environment') }}",
)
GetBackendOperator(task_id="empty", app_id=APP, backend_environment_name="{{ '' }}")
GetBackendOperator(task_id="xcom", app_id=APP, backend_environment_name=nothing, if_missing="skip")
GetBackendOperator.partial(task_id="mapped", app_id=APP).expand(backend_environment_name=nothings)
ListBackendJobsOperator(
    task_id="job", app_id=APP, backend_environment_name="staging",
    job_id="{{ ti.xcom_pull('start', key='JobId') }}",
)
PlanBackendDeletionOperator.partial(task_id="plan", app_id=APP).expand(backend_environment_name=nothings)
""",
        options=f"render_template_as_native_obj={native}",
    )
    for task_id in ("template", "empty", "xcom", "mapped", "job", "plan"):
        parameter = "job_id" if task_id == "job" else "backend_environment_name"
        error = run.error(task_id)
        assert f"{parameter}=" in error, task_id
        assert "is missing a value; if it comes from an upstream task, that task returned none" in error, task_id
    assert service.control.journal() == []


@pytest.mark.parametrize("native", [False, True], ids=["rendered as text", "rendered natively"])
def test_an_optional_filter_that_renders_empty_and_a_name_that_is_not_given_are_left_out(
    dags: DagRunner, service: LocalAmplifyBackend, native: bool
) -> None:
    run = dags.run(
        IMPORTS
        + """
GetBackendOperator(task_id="get", app_id=APP, backend_environment_name=None)
GetBackendOperator.partial(task_id="mapped", app_id=APP).expand(backend_environment_name=[None])
ListBackendJobsOperator(
    task_id="jobs", app_id=APP, backend_environment_name="staging", job_id=None,
    status="{{ dag_run.conf.get('status') }}", operation="{{ dag_run.conf.get('operation') or '' }}",
)
""",
        options=f"render_template_as_native_obj={native}",
    )
    assert set(run.states.values()) == {"success"}, [run.errors(task_id) for task_id in run.states]
    assert run.xcom("get")["BackendEnvironmentList"] == ["staging"]
    (listed,) = service.control.journal("ListBackendJobs")
    assert listed["parameters"].keys() == {"AppId", "BackendEnvironmentName", "MaxResults"}  # the size of a page


def test_what_is_rendered_is_what_the_run_shows(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    run = dags.run(
        """
        CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging",
            target_environment_name="pr{{ dag_run.conf['number'] }}", waiter_delay=0.1,
        )
        """,
        conf={"number": 17},
    )
    assert run.rendered("clone")["target_environment_name"] == "pr17"
    assert run.xcom("clone")["BackendEnvironmentName"] == "pr17"
