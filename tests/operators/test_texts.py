"""What a DAG author writes reaches the service as it was written, but for its templates, in every form and mode."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow import DAG
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.parameters.reading import is_template
from tests import samples
from tests.airflow_versions import dag_serialization
from tests.dag_run import DagRunner
from tests.fixture_types import WriteFile
from tests.operators.requests_by_operation import IMPORTS, operator_classes, shared_botocore_data  # noqa: F401

# Secrets are written here as they are, to be compared with what is sent; test_literal_secrets.py tests the warning.
pytestmark = pytest.mark.filterwarnings(
    "ignore::airflow_provider_amplifybackend.tasks.literal_secrets.LiteralSecretWarning"
)

BOTH_RENDERINGS = pytest.mark.parametrize("native", [False, True], ids=["as text", "natively"])
FORMS = ["dictionary", "text", "file", "mapped dictionary", "mapped text", "mapped file"]
IN_EVERY_FORM = pytest.mark.parametrize("form", FORMS)
PARAMS: dict[str, Any] = {
    "kind": "Note",
    "attributes": ["EMAIL"],
    "shop": "Corner",
    "id": "1e3",
    "zeros": "007",
    "mark": "{####}",
    "nothing": None,
}
PARAMS["words"] = "{{ params.shop }} {% x {# no comment #} {####} {##here##}"


class Written:
    """Configurations as a DAG author may write them, and what Airflow and the operators make of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, name: str, content: Any) -> None:
        """Write a file where Airflow looks for template files."""
        (self._folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    def sent(
        self, config: Any, form: str = "dictionary", *, operation: str = "CreateBackendAuth", native: bool = False
    ) -> Any:
        """The configuration that would be sent."""
        text = config if isinstance(config, str) else json.dumps(config)
        self.file("configuration.json", text)
        value = {"dictionary": config, "text": text, "file": "configuration.json"}[form.split()[-1]]
        common: dict[str, Any] = {
            "task_id": "add",
            "app_id": "d1",
            "backend_environment_name": "staging",
            "resource_name": "r",
        }
        with DAG(
            "texts",
            schedule=None,
            params=PARAMS,
            render_template_as_native_obj=native,
            template_searchpath=[str(self._folder)],
        ) as dag:
            operator = operator_classes()[f"{operation}Operator"]
            if form.startswith("mapped"):
                task: Any = operator.partial(**common).expand(resource_config=[value])
            else:
                task = operator(**common, resource_config=value)
        dag.resolve_template_files()  # type: ignore[no-untyped-call]
        context: dict[str, Any] = {"params": PARAMS, "dag": dag, "task": task, "run_id": "run"}  # for Airflow 2
        context |= {"ti": SimpleNamespace(map_index=0, task=task), "dag_run": SimpleNamespace(conf={})}
        task.render_template_fields(context, dag.get_template_env())
        return context["task"].build_request()["ResourceConfig"]

    def refused(self, config: Any, form: str = "dictionary", **options: Any) -> str:
        """The error of a configuration that cannot be sent."""
        with pytest.raises(BackendParameterError) as error:
            self.sent(config, form, **options)
        assert str(error.value).startswith("add: ")
        return str(error.value)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def auth(**user_pool: Any) -> dict[str, Any]:
    return samples.auth(**{"UserPoolName": "guests"} | user_pool)


def api(schema: str) -> dict[str, Any]:
    return {"ApiName": "shop", "TransformSchema": schema}


def message(text: str) -> dict[str, Any]:
    settings = {"EmailMessage": text, "EmailSubject": "{####} is your number"}
    return auth(VerificationMessage={"DeliveryMethod": "EMAIL", "EmailSettings": settings})


def message_of(config: dict[str, Any]) -> str:
    text: str = config["UserPoolConfigs"]["VerificationMessage"]["EmailSettings"]["EmailMessage"]
    return text


# Cognito's place for a code

MESSAGES = auth(
    VerificationMessage={
        "DeliveryMethod": "EMAIL",
        "EmailSettings": {
            "EmailMessage": "Hello! Type {####} to confirm, or {##click here##}.\r\nThe shop\n",
            "EmailSubject": "{####} is your number",
        },
        "SmsSettings": {"SmsMessage": "{####}"},
    },
    ForgotPassword={"DeliveryMethod": "SMS", "SmsSettings": {"SmsMessage": "{####} lets you choose a new word"}},
    Mfa={"MFAMode": "OPTIONAL", "Settings": {"MfaTypes": ["SMS"], "SmsMessage": "Shop: {####}"}},
)


@BOTH_RENDERINGS
@IN_EVERY_FORM
@pytest.mark.parametrize("operation", ["CreateBackendAuth", "UpdateBackendAuth"])
def test_the_place_for_a_code_reaches_the_service(written: Written, operation: str, form: str, native: bool) -> None:
    config = copy.deepcopy(MESSAGES)
    if operation == "UpdateBackendAuth":
        del config["UserPoolConfigs"]["RequiredSignUpAttributes"]
        del config["UserPoolConfigs"]["SignInMethod"]
        del config["UserPoolConfigs"]["UserPoolName"]
    assert written.sent(config, form, operation=operation, native=native) == config


@BOTH_RENDERINGS
@pytest.mark.parametrize("form", ["dictionary", "text", "file", "mapped dictionary", "mapped file"])
@pytest.mark.parametrize(
    ("words", "arrives"),
    [
        ("{# to the translators #}Type {####}", "Type {####}"),
        ("Type {####} at {{ params.shop }}", "Type {####} at Corner"),
        ("{% raw %}Type {####} {{ here }} {# as it is #}{% endraw %}", "Type {####} {{ here }} {# as it is #}"),
        ("{% raw %}{####}{% endraw %}{# c #}{####}{{ params.shop }}", "{####}{####}Corner"),
        ("{# once {####} stood here #}Type {####}", "Type {####}"),
        ("{{ '{####}' }} and {{ 'Type {####}' | upper }}", "{####} and TYPE {####}"),
        ("{{ params.mark }} and {##a link##}", "{####} and {##a link##}"),
        ("{##Click here,\n{{ params.shop }}##}", "{##Click here,\nCorner##}"),
        ("{% if params.shop %}Type {####}{% endif %}", "Type {####}"),
        ('Grüße 🐟 {####}, it\'s \\ "{{ params.shop }}"', 'Grüße 🐟 {####}, it\'s \\ "Corner"'),
        ("{###} {##}", "{###} {##}"),
        ("{##Confirm, {username}##}", "{##Confirm, {username}##}"),
        ("<i>{##<b style='a{b:c}'>{{ params.shop }}</b>\n##}</i>", "<i>{##<b style='a{b:c}'>Corner</b>\n##}</i>"),
        ("['{####}']", "['{####}']"),
        ("{'a': '{##here##}'}", "{'a': '{##here##}'}"),
    ],
)
def test_the_place_for_a_code_beside_templates(
    written: Written, words: str, arrives: str, form: str, native: bool
) -> None:
    assert message_of(written.sent(message(words), form, native=native)) == arrives


@BOTH_RENDERINGS
def test_what_is_rendered_is_not_rendered_again(written: Written, native: bool) -> None:
    config = message("{{ params.words }}")
    assert message_of(written.sent(config, native=native)) == (
        "{{ params.shop }} {% x {# no comment #} {####} {##here##}"
    )


@BOTH_RENDERINGS
def test_a_comment_that_is_not_closed_names_the_way_out(written: Written, native: bool) -> None:
    error = written.refused(message("Type {####}\nor {# {{ params.shop }}"), native=native)
    assert "resource_config.UserPoolConfigs.VerificationMessage.EmailSettings.EmailMessage, line 2: " in error
    assert "{% raw %}" in error


# GraphQL

AFTER_BRACE = "type Visit @model {# one row a visit\n  id: ID!\n  pages: Int #}\n}\n"
UNCLOSED = "type Visit @model {#one row a visit\n  id: ID!\n}\n"
CRLF = "type Visit @model {\r\n  id: ID!\r\n}\r\n"
ORDINARY = """\
# Grüße, 您好, 🐟
input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }
type Visit @model @auth(rules: [{ allow: owner }, { allow: groups, groups: ["staff"] }]) {
  id: ID!
  who: String @function(name: "who-${env}")
  re: String @constraint(pattern: "^\\\\d{2}$")
}
"""
SCHEMAS = {
    "hash after brace": AFTER_BRACE,
    "hash unclosed": UNCLOSED,
    "line ends": CRLF,
    "mixed line ends": "type A\r\n@model\n{ id: ID! }\r\r\n\n\n",
    "ordinary": ORDINARY,
    "byte order mark": "\ufefftype A @model { id: ID! }\n",
    "hashes": "type A @model {## a title ##}\n",
    "a name like a file's": "type A @model { id: ID! } # see a.graphql",
}


def sent_schema(written: Written, schema: str, where: str, **options: Any) -> str:
    """The schema that the service got for one that is written into the DAG or a file."""
    config: Any = api(schema)
    if "schema file" in where:
        written.file("schema.graphql", schema)
        config = api("schema.graphql")
    form = where.removesuffix("of a schema file").strip()
    return str(written.sent(config, form, operation="CreateBackendAPI", **options)["TransformSchema"])


SCHEMA_PLACES = [*FORMS, *(f"{form} of a schema file" for form in FORMS)]
IN_EVERY_PLACE = pytest.mark.parametrize("where", SCHEMA_PLACES)


@BOTH_RENDERINGS
@IN_EVERY_PLACE
@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_arrives_byte_for_byte(written: Written, schema: str, where: str, native: bool) -> None:
    assert sent_schema(written, schema, where, native=native) == schema


@BOTH_RENDERINGS
@pytest.mark.parametrize("where", SCHEMA_PLACES)
def test_the_templates_of_a_schema_are_rendered_and_nothing_else_is_touched(
    written: Written, where: str, native: bool
) -> None:
    schema = "type {{ params.kind }} @model {# {{ params.shop }}\r\n  id: ID! #}\r\n}\n{% if false %}x{% endif %}\r\n"
    arrives = "type Note @model {# Corner\r\n  id: ID! #}\r\n}\n\r\n"
    assert sent_schema(written, schema, where, native=native) == arrives


@BOTH_RENDERINGS
@pytest.mark.parametrize("where", ["dictionary", "dictionary of a schema file", "file of a schema file", "mapped file"])
@pytest.mark.parametrize(
    ("schema", "line"),
    [
        ("# {{guest}} is put in by the mailer\ntype Visit @model { id: ID! }\n", 1),
        ('type Visit @model {\n  "{{guest}} or so"\n  id: ID!\n}\n', 2),
        ('"""\n100{% off %}\n"""\ntype Visit @model { id: ID! }\n', 2),
        ("# {{#each}}{{/each}}\ntype Visit @model { id: ID! }\n", 1),
    ],
)
def test_marks_that_are_no_template_are_refused_with_place_line_and_way_out(
    written: Written, schema: str, line: int, where: str, native: bool
) -> None:
    config = api(schema)
    if "schema file" in where:
        written.file("visits.graphql", schema)
        config = api("visits.graphql")
    form = where.removesuffix("of a schema file").strip()
    error = written.refused(config, form, operation="CreateBackendAPI", native=native)
    assert "resource_config.TransformSchema" in error
    assert "{% raw %}" in error
    assert "{% endraw %}" in error
    if "schema file" in where:
        assert f"resource_config.TransformSchema (visits.graphql), line {line}: " in error
    elif "file" in where:
        assert "(configuration.json), line 1: " in error
    else:
        assert f"resource_config.TransformSchema, line {line}: " in error


def test_a_schema_in_a_json_text_with_templates_of_its_own_keeps_its_comments(written: Written) -> None:
    text = '{"ApiName": {{ params.kind | tojson }}, "TransformSchema": "type A @model {# a\\n id: ID! #}\\n}"}'
    arrives = {"ApiName": "Note", "TransformSchema": "type A @model {# a\n id: ID! #}\n}"}
    assert written.sent(text, "text", operation="CreateBackendAPI") == arrives


@pytest.mark.parametrize("form", ["dictionary", "text", "file", "mapped file"])
def test_a_file_can_be_named_by_a_template(written: Written, form: str) -> None:
    written.file("Note.graphql", "type {{ params.kind }} @model { id: ID! }\n")
    config = api("{{ params.kind }}.graphql")
    assert written.sent(config, form, operation="CreateBackendAPI") == api("type Note @model { id: ID! }\n")


def test_a_file_that_is_no_utf_8_is_named(written: Written) -> None:
    written.file("schema.graphql", "type Gr\u00fc\u00dfe @model { id: ID! }".encode("latin-1"))
    error = written.refused(api("schema.graphql"), operation="CreateBackendAPI")
    assert "resource_config.TransformSchema='schema.graphql' is not a UTF-8 file" in error


@pytest.mark.parametrize("form", ["dictionary", "text", "mapped dictionary"])
def test_a_file_that_cannot_be_found_is_named(written: Written, form: str) -> None:
    error = written.refused(api("nowhere.graphql"), form, operation="CreateBackendAPI")
    assert "resource_config.TransformSchema='nowhere.graphql' cannot be found" in error


def test_a_json_file_with_a_byte_order_mark_is_read(written: Written) -> None:
    written.file("bom.json", b"\xef\xbb\xbf" + json.dumps(auth()).encode())
    assert written.sent("bom.json") == auth()


# What only ends like a file


@pytest.mark.parametrize("ending", [".json", ".graphql"])
@pytest.mark.parametrize("mapped", [False, True])
def test_only_configurations_and_schemas_can_be_files(
    dags: DagRunner, service: LocalAmplifyBackend, ending: str, mapped: bool
) -> None:
    name = f"pictures{ending}"
    config = {"BucketName": name, "Permissions": {"Authenticated": ["READ"]}, "ServiceName": "S3"}
    made = f".partial(task_id='storage', {{}}).expand(resource_name=[{name!r}])"
    if not mapped:
        made = f"(task_id='storage', resource_name={name!r}, {{}})"
    common = f"app_id=APP, backend_environment_name='staging', waiter_delay=0.1, resource_config={config!r}"
    run = dags.run(IMPORTS + "CreateBackendStorageOperator" + made.format(common))
    assert set(run.states.values()) == {"success"}, run.errors("storage")
    (entry,) = service.control.journal("CreateBackendStorage", effective=True)
    assert entry["parameters"]["ResourceName"] == name
    assert entry["parameters"]["ResourceConfig"] == config


def test_addresses_that_end_like_a_file_are_addresses(written: Written) -> None:
    oauth = {
        "OAuthGrantType": "CODE",
        "OAuthScopes": ["EMAIL"],
        "RedirectSignInURIs": ["https://shop.example/in.json"],
        "RedirectSignOutURIs": ["https://shop.example/{{ params.kind }}.graphql"],
    }
    pool = written.sent(auth(OAuth=oauth))["UserPoolConfigs"]
    assert pool["OAuth"]["RedirectSignInURIs"] == ["https://shop.example/in.json"]
    assert pool["OAuth"]["RedirectSignOutURIs"] == ["https://shop.example/Note.graphql"]


def test_a_configuration_file_is_not_stored_with_the_dag(dags: DagRunner, files: WriteFile) -> None:
    files("auth.json", auth(UserPoolName="only-in-the-file"))
    dag = dags.load(
        'CreateBackendAuthOperator(task_id="add", app_id=APP, backend_environment_name="staging", resource_name="r", '
        'resource_config="auth.json")'
    )
    assert "only-in-the-file" not in json.dumps(dag_serialization().to_dict(dag))


# What looks like a number, and other words of Python

LIKE_PYTHON = [
    *("1e3", "1_000", "0x1F", "007", "123456789012", "1234567890123456789012e5", "-0", "1.0", "1j"),
    *("None", "True", "false", "[1]", "{'a': 1}", "()", "...", "'quoted'", 'b"x"', "nan", "Infinity"),
]


def as_secret(word: str) -> str:
    """A text that looks as much like Python, and is long enough for a secret."""
    return word if len(word) >= 5 else f"({word}, {word})"


def settings_of(word: str, secret: str = "") -> dict[str, Any]:
    """A configuration with a word in every kind of text that an author chooses: names, ids, secrets, messages."""
    secret = secret or as_secret(word)
    return auth(
        UserPoolName=word,
        OAuth={
            "DomainPrefix": word,
            "OAuthGrantType": "CODE",
            "OAuthScopes": ["EMAIL"],
            "RedirectSignInURIs": [word],
            "RedirectSignOutURIs": [word],
            "SocialProviderSettings": {"Google": {"ClientId": word, "ClientSecret": secret}},
        },
    )


@BOTH_RENDERINGS
@pytest.mark.parametrize("form", ["dictionary", "text", "file", "mapped dictionary"])
def test_a_word_that_looks_like_python_arrives_as_it_was_written(written: Written, form: str, native: bool) -> None:
    for word in LIKE_PYTHON:
        assert written.sent(settings_of(word), form, native=native) == settings_of(word)


@BOTH_RENDERINGS
@pytest.mark.parametrize("form", ["dictionary", "text", "mapped dictionary"])
@pytest.mark.parametrize(
    ("template", "arrives"),
    [
        ("{{ params.id }}", "1e3"),
        ("{{ params.zeros }}", "007"),
        ("{{ 7.5 }}", "7.5"),
        ("{{ true }}", "True"),
        ("{{ 12 }}{{ 34 }}", "1234"),
        ("0{{ 1 }}_000", "01_000"),
        ("{{ '1234567890123456789012e5' }}", "1234567890123456789012e5"),
    ],
)
def test_a_template_in_a_text_is_rendered_as_text(
    written: Written, template: str, arrives: str, form: str, native: bool
) -> None:
    given = settings_of(template, f"({template}, {template})")
    assert written.sent(given, form, native=native) == settings_of(arrives, f"({arrives}, {arrives})")


@BOTH_RENDERINGS
def test_names_and_connections_that_look_like_numbers(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, aws_default: str, native: bool
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_123456789012", os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    service.control.seed_app("1e3", "0x1F")
    run = dags.run(
        """
        GetBackendOperator(
            task_id="get", app_id="1e3", backend_environment_name="0x1F", aws_conn_id="123456789012"
        ) >> GetBackendOperator.partial(task_id="mapped", app_id="1e3", aws_conn_id="{{ '123456789012' }}").expand(
            backend_environment_name=["0x1F", "{{ '0x1F' }}"]
        ) >> BackendEnvironmentSensor(
            task_id="sensor", app_id="1e3", backend_environment_name="0x1F", aws_conn_id="123456789012"
        )
        """,
        options=f"render_template_as_native_obj={native}",
    )
    assert set(run.states.values()) == {"success"}, [run.errors(task_id) for task_id in run.states]
    assert run.xcom("get")["BackendEnvironmentName"] == "0x1F"


@BOTH_RENDERINGS
@pytest.mark.parametrize("form", ["dictionary", "text", "file", "mapped dictionary"])
def test_a_whole_number_is_taken_as_its_digits(written: Written, form: str, native: bool) -> None:
    config = settings_of("12345678901234567890")
    config["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]["Google"]["ClientSecret"] = 12345678901234567890
    config["UserPoolConfigs"]["OAuth"]["DomainPrefix"] = 12345678901234567890
    assert written.sent(config, form, native=native) == settings_of("12345678901234567890")


@pytest.mark.parametrize("form", ["dictionary", "text", "file", "mapped dictionary"])
@pytest.mark.parametrize("number", [1.5, 1e26, True, False])
def test_a_fraction_or_a_boolean_is_no_text(written: Written, form: str, number: Any) -> None:
    config = settings_of("x")
    config["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]["Google"]["ClientSecret"] = number
    config["UserPoolConfigs"]["UserPoolName"] = number
    error = written.refused(config, form)
    assert "SocialProviderSettings.Google.ClientSecret=*** must be a string" in error
    assert f"resource_config.UserPoolConfigs.UserPoolName={number!r} must be a string" in error


@BOTH_RENDERINGS
@pytest.mark.parametrize("form", ["text", "file", "mapped text", "mapped file"])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize("member", ["MinimumLength", "Unknown"])
def test_what_is_no_finite_number_is_refused_in_a_json_text_too(
    written: Written, form: str, number: Any, member: str, native: bool
) -> None:
    text = json.dumps(auth(PasswordPolicy={member: "NUMBER"})).replace('"NUMBER"', number)
    error = written.refused(text, form, native=native)
    assert f"resource_config.UserPoolConfigs.PasswordPolicy.{member}=" in error
    assert "must be a finite number" in error


NOTHING = ["{{ params.nothing }}", " {{ none }}\n", "{% if params.shop %}{{ params.nothing }}{% endif %}"]


@BOTH_RENDERINGS
@pytest.mark.parametrize("form", ["dictionary", "text", "file", "mapped dictionary", "mapped file"])
def test_a_member_for_which_a_template_gives_none_is_refused_with_its_path(
    written: Written, form: str, native: bool
) -> None:
    for template in NOTHING:
        config = settings_of("pool", "hush-hush-1")
        oauth = config["UserPoolConfigs"]["OAuth"]
        google = "resource_config.UserPoolConfigs.OAuth.SocialProviderSettings.Google"
        oauth["SocialProviderSettings"]["Google"]["ClientId"] = template
        error = written.refused(config, form, native=native)
        assert f"{google}.ClientId='None' is missing a value; if it comes from an upstream task" in error
        oauth["SocialProviderSettings"]["Google"] = {"ClientId": "id", "ClientSecret": template}
        assert f"{google}.ClientSecret='None' is missing" in written.refused(config, form, native=native)
        oauth["SocialProviderSettings"]["Google"] = {"ClientId": "id", "ClientSecret": "hush-hush-1"}
        oauth["RedirectSignInURIs"] = ["https://example.com/", template]
        assert "OAuth.RedirectSignInURIs[1]='None' is missing" in written.refused(config, form, native=native)
        schema = written.refused(api(template), form, operation="CreateBackendAPI", native=native)
        assert "resource_config.TransformSchema='None' is missing" in schema


@BOTH_RENDERINGS
@pytest.mark.parametrize("form", ["dictionary", "text", "file", "mapped dictionary"])
def test_none_within_a_text_and_an_empty_text_stay_as_jinja_makes_them(
    written: Written, form: str, native: bool
) -> None:
    for template, arrives in (("of {{ params.nothing }}", "of None"), ("{{ '' }}", ""), ("None", "None")):
        assert written.sent(message(template), form, native=native) == message(arrives)


def test_a_member_for_which_another_task_gives_none_is_refused(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.clear_journal()
    run = dags.run(
        """
        nothing = task(lambda: None, task_id="nothing", multiple_outputs=False)()
        UpdateBackendAuthOperator(
            task_id="update", app_id=APP, backend_environment_name="staging", resource_name="people",
            resource_config=AUTH | {"IdentityPoolConfigs": {"IdentityPoolName": nothing}},
        )
        """
    )
    assert "resource_config.IdentityPoolConfigs.IdentityPoolName='None' is missing a value" in run.error("update")
    assert service.control.journal() == []


# Dictionaries and lists


@BOTH_RENDERINGS
@pytest.mark.parametrize("form", ["dictionary", "text", "file", "mapped dictionary", "mapped file"])
def test_a_list_without_tojson_is_a_list_natively_and_otherwise_refused(
    written: Written, form: str, native: bool
) -> None:
    config = auth(RequiredSignUpAttributes="{{ params.attributes }}")
    if native:
        assert written.sent(config, form, native=True) == auth()
    else:
        error = written.refused(config, form)
        assert "resource_config.UserPoolConfigs.RequiredSignUpAttributes" in error
        assert "`| tojson`" in error


@BOTH_RENDERINGS
@pytest.mark.parametrize("form", ["dictionary", "text", "file", "mapped dictionary", "mapped file"])
def test_a_list_with_tojson_is_a_list(written: Written, form: str, native: bool) -> None:
    config = auth(RequiredSignUpAttributes="{{ params.attributes | tojson }}")
    assert written.sent(config, form, native=native) == auth()


WHOLE = "{{ params.config }}"


@pytest.mark.parametrize("template", [WHOLE, f"\n  {WHOLE}\n", "{{ ti.xcom_pull('choose') }}"])
def test_a_whole_configuration_without_tojson(dags: DagRunner, service: LocalAmplifyBackend, template: str) -> None:
    chooser = f"@task\ndef choose():\n    return {auth()!r}\n\n"
    options = f"params={{'config': {auth()!r}}}"
    body = f"""
choose() >> CreateBackendAuthOperator(
    task_id="add", app_id=APP, backend_environment_name="staging", resource_name="r", waiter_delay=0.1,
    resource_config={template!r},
)
"""
    as_text = dags.run(chooser + body, options=options)
    assert "`| tojson`" in as_text.error("add")
    natively = dags.run(chooser + body, options=f"{options}, render_template_as_native_obj=True")
    assert natively.states["add"] == "success", natively.errors("add")
    (entry,) = service.control.journal("CreateBackendAuth", effective=True)
    assert entry["parameters"]["ResourceConfig"] == auth()


def test_python_that_a_native_dag_puts_together_is_still_read(written: Written) -> None:
    config = auth(RequiredSignUpAttributes="['{{ params.attributes[0] }}']")
    assert written.sent(config, native=True) == auth()


@BOTH_RENDERINGS
def test_numbers_of_botocore_settings_stay_numbers_where_they_did(
    dags: DagRunner, service: LocalAmplifyBackend, native: bool
) -> None:
    seconds = "{{ 7 }}" if native else 7
    run = dags.run(
        f"GetBackendOperator(task_id='get', app_id=APP, botocore_config={{'read_timeout': {seconds!r}}})",
        options=f"render_template_as_native_obj={native}",
    )
    assert run.state == "success", run.errors("get")
    assert run.rendered("get")["botocore_config"] == {"read_timeout": 7}


def test_an_error_of_a_template_quotes_no_secret(written: Written) -> None:
    config = settings_of("hush{{hidden words}}")
    error = written.refused(config)
    assert "hidden" not in error.split("ClientSecret")[-1].split(";")[0]
    error = written.refused(json.dumps(auth(ClientSecret="hush{{hidden words}}")), "text")
    assert "hidden" not in error
    assert "words" not in error


def test_a_mistake_in_a_template_is_named_with_task_parameter_and_line(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    run = dags.run(
        "GetBackendOperator(task_id='get', app_id='{{ parms.app }}', retries=2)\n"
        "BackendEnvironmentSensor(task_id='sensor', app_id=APP, backend_environment_name='{{ x')\n"
    )
    assert run.error("get").startswith("BackendParameterError: get: app_id, line 1: Jinja cannot render it ('parms' is")
    assert run.error("sensor").startswith("BackendParameterError: sensor: backend_environment_name, line 1: Jinja")
    assert run.tries == {"get": 1, "sensor": 1}


# All the way to the service


EVERY_FORM = """
common = dict(app_id="dforms", resource_name="r", waiter_delay=0.1)
forms = {{"dictionary": {value!r}, "text": {text!r}, "file": "words.json"}}
for number, (name, form) in enumerate(forms.items()):
    {operation}Operator(task_id=name, backend_environment_name=f"a{{number}}", resource_config=form, **common)
    {operation}Operator.partial(task_id=f"mapped_{{name}}", backend_environment_name=f"b{{number}}", **common).expand(
        resource_config=[form]
    )

@task
def choose():
    return [
        {{"resource_config": {value!r}, "backend_environment_name": "c0"}},
        {{"resource_config": "words.json", "backend_environment_name": "c1"}},
    ]

@task
def choose_one():
    return ["words.json"]

{operation}Operator.partial(task_id="results", **common).expand_kwargs(choose())
{operation}Operator.partial(task_id="result", backend_environment_name="c2", **common).expand(
    resource_config=choose_one()
)
"""


@BOTH_RENDERINGS
@pytest.mark.parametrize("operation", ["CreateBackendAuth", "CreateBackendAPI"])
def test_what_reaches_the_service_in_every_form(
    dags: DagRunner, service: LocalAmplifyBackend, files: WriteFile, operation: str, native: bool
) -> None:
    schema = UNCLOSED + AFTER_BRACE + CRLF
    arrives, config = (MESSAGES, MESSAGES) if operation == "CreateBackendAuth" else (api(schema), api("crlf.graphql"))
    files("crlf.graphql", schema)
    files("words.json", config)
    service.control.seed_app("dforms", *(f"{row}{number}" for row in "abc" for number in range(3)))
    body = EVERY_FORM.format(operation=operation, value=config, text=json.dumps(config))
    run = dags.run(IMPORTS + body, options=f"render_template_as_native_obj={native}")
    assert set(run.states.values()) == {"success"}, [run.errors(task_id) for task_id in run.states]
    entries = service.control.journal(operation, effective=True)
    assert [entry["parameters"]["ResourceConfig"] for entry in entries] == [arrives] * 9


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda text: not is_template(text) and text.strip() not in ("", "None")
)


@pytest.mark.parametrize("native", [False, True], ids=["as text", "natively"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(PLAIN | st.sampled_from(LIKE_PYTHON) | st.just("{####}\r\n"), min_size=3, max_size=3))
def test_any_text_without_template_marks_arrives_as_it_was_written(
    service: LocalAmplifyBackend, written: Written, words: list[str], native: bool
) -> None:
    name, secret, schema = words
    secret = secret if len(secret) >= 5 else f"{secret}-long"
    service.control.reset()
    service.control.seed_app("d1", {"name": "staging", "auth": {"r": None}, "api": {"r": None}})
    config = settings_of(name)
    config["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]["Google"]["ClientSecret"] = secret
    client = service.client()
    names = {"AppId": "d1", "BackendEnvironmentName": "staging", "ResourceName": "r"}
    for form in ("dictionary", "file", "mapped text"):
        request = written.sent(
            {"UserPoolConfigs": {"OAuth": config["UserPoolConfigs"]["OAuth"]}}
            | {"AuthResources": "USER_POOL_ONLY", "Service": "COGNITO"},
            form,
            operation="UpdateBackendAuth",
            native=native,
        )
        assert request["UserPoolConfigs"]["OAuth"] == config["UserPoolConfigs"]["OAuth"]
    client.update_backend_auth(**names, ResourceConfig=request)
    (entry,) = service.control.journal("UpdateBackendAuth")
    assert entry["parameters"]["ResourceConfig"]["UserPoolConfigs"]["OAuth"] == config["UserPoolConfigs"]["OAuth"]
    assert sent_schema(written, schema + " {\r\n}", "dictionary of a schema file", native=native) == schema + " {\r\n}"


@BOTH_RENDERINGS
def test_a_number_that_python_does_not_write_down_is_refused(written: Written, native: bool) -> None:
    said = written.refused(message("{{ 10 ** 5000 }}"), native=native)
    assert "EmailSettings.EmailMessage: Jinja cannot render it (Exceeds the limit (4300 digits)" in said
