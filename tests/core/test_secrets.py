"""Secrets are taken out of what is shown, stored or returned."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml
from botocore.model import StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.addresses import without_userinfo
from airflow_provider_amplifybackend.core.secret_names import WORDS
from airflow_provider_amplifybackend.core.secrets import (
    MASKED_MEMBERS,
    SECRET_MEMBERS,
    is_masked_name,
    is_secret_name,
    named_secrets,
    redact_resources,
    redact_secrets,
    redact_text,
    redact_words,
    secret_values,
)
from airflow_provider_amplifybackend.parameters.service_model import service_model
from tests.botocore_model import all_members_of

HUSH = "hush-hush"
META = {"api": {"notes": {"output": {"GraphQLAPIKeyOutput": HUSH, "GraphQLAPIIdOutput": "id"}}}}
NESTED: list[Any] = [
    {"ClientSecret": HUSH},
    {"ResourceConfig": {"Google": {"ClientId": "c", "ClientSecret": HUSH}}},
    {"list": [{"PrivateKey": HUSH}, ({"ChallengeCode": HUSH},)]},
    {"AmplifyMetaConfig": json.dumps(META)},
    {"AmplifyMetaConfig": META},
    {"AmplifyMetaConfig": json.dumps(META)[:-2]},
    {"ClientSecret": {"any": [HUSH]}},
]


@pytest.mark.parametrize("value", NESTED, ids=str)
def test_no_secret_is_left_wherever_it_is(value: Any) -> None:
    before = repr(value)
    assert HUSH not in repr(redact_secrets(value))
    assert repr(value) == before


@pytest.mark.parametrize("value", NESTED[:5], ids=str)
def test_every_secret_is_found_for_the_masker(value: Any) -> None:
    assert HUSH in set(secret_values(value))
    assert HUSH in set(secret_values(json.dumps(value)))


def test_all_else_stays_as_it_is() -> None:
    value = {"ClientId": "c", "list": [1, None, True], "AmplifyMetaConfig": "", "SessionId": "s", "ClientSecret": ""}
    assert redact_secrets(value) == value
    assert json.loads(redact_secrets({"AmplifyMetaConfig": json.dumps(META)})["AmplifyMetaConfig"]) == {
        "api": {"notes": {"output": {"GraphQLAPIKeyOutput": "***", "GraphQLAPIIdOutput": "id"}}}
    }


PAIRS: list[dict[str, Any]] = [
    {"name": "DATABASE_PASSWORD", "value": HUSH},
    {"Name": "ApiKey", "Value": HUSH},
    {"OutputKey": "AppClientSecret", "OutputValue": HUSH, "Description": "the pool's"},
    {"value": {"inside": [HUSH]}, "key": "refresh-token"},
    {"ParameterKey": "googleAppSecretUserPool", "ParameterValue": HUSH},
]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_secret_is_known_by_a_name_that_stands_beside_it(pair: dict[str, Any]) -> None:
    """As environment variables, and parameters and outputs of stacks, are listed."""
    for value in ([pair], {"variables": [pair]}, {"config": json.dumps([pair])}, {"AmplifyMetaConfig": {"a": [pair]}}):
        assert HUSH not in repr(redact_secrets(value))
        assert HUSH in set(secret_values(value))
        assert HUSH in set(secret_values(json.dumps(value)))
    assert redact_secrets({**pair, "ClientId": "c"})["ClientId"] == "c"


@pytest.mark.parametrize(
    "value",
    [
        {"name": "people", "value": HUSH},
        {"name": "NextToken", "value": HUSH},
        {"name": "TokenName", "value": HUSH},
        {"name": "a password", "values": HUSH},
        [{"name": "password"}, {"value": HUSH}],
        {"name": ["password"], "value": HUSH},
    ],
    ids=str,
)
def test_a_value_whose_name_is_no_secrets_is_left_alone(value: Any) -> None:
    assert redact_secrets(value) == value


@pytest.mark.parametrize("scheme", ["Bearer ", "Basic ", "token ", ""])
def test_of_a_header_the_credential_is_hidden_and_not_its_kind_alone(scheme: str) -> None:
    text = f"refused: Authorization: {scheme}{HUSH} was sent, try again"
    assert redact_secrets({"Error": text})["Error"] == "refused: Authorization: *** was sent, try again"
    assert HUSH not in redact_secrets(f"curl -H 'Authorization: {scheme}{HUSH}' https://example.com")


def test_a_session_is_masked_in_logs_but_returned() -> None:
    assert redact_secrets({"SessionId": "s"}) == {"SessionId": "s"}
    assert list(secret_values({"SessionId": "s"})) == ["s"]


def test_every_member_of_the_api_that_sounds_secret_is_one() -> None:
    """A newer botocore may bring more of them."""
    model = service_model()
    shapes = (model.shape_for(name) for name in model.shape_names)
    members = {name for shape in shapes if isinstance(shape, StructureShape) for name in shape.members}
    sounding = {
        name for name in members if any(word in name for word in ("Secret", "Private", "Challenge", "Password"))
    }
    assert sounding - SECRET_MEMBERS == {"ForgotPassword", "PasswordPolicy"}
    # These are in a document of Amplify's that the service passes on as text.
    assert members >= MASKED_MEMBERS - {"GraphQLAPIKeyOutput", "AppClientSecret"}


SPELLINGS = {
    "camel case": {
        "OAuth": {"Google": {"ClientId": "shop", "clientSecret": "hush-1"}, "apple": {"privateKey": "hush-2"}}
    },
    "the Amplify CLI's": {
        "cognitoConfig": {
            "googleAppSecretUserPool": "hush-1",
            "hostedUIProviderCreds": '[{"ProviderName": "Google", "client_id": "shop", "client_secret": "hush-2"}]',
        }
    },
    "upper case": {"CLIENT_SECRET": "hush-1", "Private-Key": "hush-2"},
}


@pytest.mark.parametrize("how", SPELLINGS)
@pytest.mark.parametrize("form", [lambda value: value, json.dumps, str], ids=["dictionary", "JSON", "Python's text"])
def test_a_secret_is_masked_however_its_member_is_spelled(how: str, form: Callable[[Any], Any]) -> None:
    assert sorted(secret_values(form(SPELLINGS[how]))) == ["hush-1", "hush-2"]


def test_only_the_secret_members_of_the_model_are_taken_for_secrets() -> None:
    def names(shape: Any, inside: tuple[str, ...] = ()) -> Iterator[str]:
        if shape is None or shape.name in inside:
            return
        for name, member in getattr(shape, "members", {}).items():
            yield name
            yield from names(member, (*inside, shape.name))
        if shape.type_name == "list":
            yield from names(shape.member, (*inside, shape.name))

    model = service_model()
    operations = [model.operation_model(name) for name in model.operation_names]
    members = {
        name for entry in operations for shape in (entry.input_shape, entry.output_shape) for name in names(shape)
    }
    assert {name for name in members if is_secret_name(name)} == members & SECRET_MEMBERS
    assert {name for name in members if is_masked_name(name)} == members & MASKED_MEMBERS


def test_a_value_that_contains_itself_is_looked_at_once() -> None:
    value: dict[str, Any] = {"ClientSecret": "hush"}
    value["again"] = [value]
    assert list(secret_values(value)) == ["hush"]


def test_no_secret_is_missed_for_another_value_that_was_forgotten() -> None:
    texts = [json.dumps({"ClientSecret": f"hush{number}"}) for number in range(1000)]
    assert set(secret_values(texts)) == {f"hush{number}" for number in range(1000)}


# ---------------------------------------------------------------------------------------------------------------- names

SECRET_NAMES = (
    "ClientSecret", "clientSecret", "client_secret", "CLIENT_SECRET", "Client-Secret", "client secret",
    "PrivateKey", "private_key", "signinwithapplePrivateKeyUserPool", "googleAppSecretUserPool", "AppClientSecret",
    "apiKey", "GraphQLAPIKeyOutput", "x-api-key", "ChallengeCode", "challenge_code", "password", "DB_PASSWD",
    "accessToken", "credentials", "passphrase", "Authorization", "aws_secret_access_key", "storageAccessKey",
    "JWT_SIGNING_KEY", "encryption-key", "passcode", "DB_PWD", "FACEBOOK_CLIENT_TOKEN", "oauthRequestToken",
)  # fmt: skip
HARMLESS_NAMES = (
    "ClientId", "KeyId", "TeamId", "ForgotPassword", "PasswordPolicy", "NextToken", "next_token",
    "passwordPolicyMinLength", "passwordPolicyCharacters", "passwordProtectionSettings", "userpoolClientGenerateSecret",
    "apiKeyExpirationDate",
    "apiKeyExpirationDays", "apiKeyConfig", "userpoolClientRefreshTokenValidity", "AuthTokenValidity", "secretArn",
    "secretName", "secretNames", "tokenEndpoint", "clientRequestToken", "HasCredential", "SessionId", "AppClientID", "",
    "authorizationType", "authorizationModes", "aws_access_key_id", "encryptionKeyArn", "signingKeyId",
)  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_that_sounds_secret_is_one_in_every_spelling(name: str) -> None:
    assert is_secret_name(name)
    assert redact_secrets({name: HUSH}) == {name: "***"}
    assert list(secret_values({name: HUSH})) == [HUSH]


@pytest.mark.parametrize("name", ["Ｃｌｉｅｎｔ＿Ｓｅｃｒｅｔ", "client\u200bSec\u00adret", "ＤＢ＿ＰＡＳＳＷＯＲＤ"])
def test_a_name_is_read_as_a_person_reads_it(name: str) -> None:
    assert redact_secrets({name: HUSH}) == {name: "***"}
    for text in (json.dumps({name: HUSH}), json.dumps({name: HUSH}, ensure_ascii=False), f"name: x\n{name}: {HUSH}\n"):
        assert HUSH not in redact_secrets({"config": text})["config"]
        assert HUSH in {*secret_values({"config": text})}


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_a_harmless_name_is_left_alone(name: str) -> None:
    assert not is_secret_name(name)
    assert redact_secrets({name: HUSH}) == {name: HUSH}


@pytest.mark.parametrize("name", [name for name in HARMLESS_NAMES if name != "SessionId"])
def test_what_stands_below_a_harmless_name_is_looked_into(name: str) -> None:
    value = {name: [{"on": True, "Google": {"ClientSecret": HUSH}}]}
    assert redact_secrets(value) == {name: [{"on": True, "Google": {"ClientSecret": "***"}}]}
    assert list(secret_values(value)) == [HUSH]


# Every member of the API. Whoever adds one of a newer botocore looks whether it is a secret, a document or words.
CLASSIFIED = {
    "secret": "ChallengeCode ClientSecret PrivateKey",
    "masked": "SessionId",
    "sounds secret": "ForgotPassword NextToken PasswordPolicy",
    "document": "AmplifyFeatureFlags AmplifyMetaConfig",
    "words": "EmailMessage EmailSubject ModelIntrospectionSchema Models SmsMessage TransformSchema",
    "plain": """
        AdditionalAuthTypes AdditionalConstraints ApiName AppId AppName Authenticated AuthResources
        AwsCognitoIdentityPoolId AwsCognitoRegion AwsUserPoolsId AwsUserPoolsWebClientId
        BackendEnvironmentList BackendEnvironmentName BackendManagerAppId BucketName Buckets CleanAmplifyApp
        ClientId CognitoUserPoolId ConflictResolution CreateTime CreationDate DefaultAuthType DeliveryMethod
        Description DomainPrefix EmailSettings Error ExpirationTime Facebook Google IdentityPoolConfigs
        IdentityPoolId IdentityPoolName Imported IsSuccess JobId Jobs KeyId LoginAuthConfig LoginWithAmazon
        MaxResults Mfa MFAMode MfaTypes MinimumLength Mode Name NativeClientId OAuth OAuthGrantType
        OAuthScopes OpenIDAuthTTL OpenIDClientId OpenIDIatTTL OpenIDIssueURL OpenIDProviderName Operation
        Permissions RedirectSignInURIs RedirectSignOutURIs RequiredSignUpAttributes ResolutionStrategy
        ResourceConfig ResourceName Service ServiceName Settings SignInMethod SignInWithApple SmsSettings
        SocialProviderSettings Status TargetEnvironmentName TeamId Ttl UnAuthenticated UnauthenticatedLogin
        UpdateTime UserPoolConfigs UserPoolId UserPoolName VerificationMessage WebClientId
    """,
}


SHAPES = [
    shape
    for model in [service_model()]
    for operation in map(model.operation_model, model.operation_names)
    for shape in (operation.input_shape, operation.output_shape)
    if shape is not None
]
KNOWN = {name: kind for kind, names in CLASSIFIED.items() for name in names.split()}


def test_somebody_has_looked_at_every_member_of_the_api() -> None:
    assert {name for shape in SHAPES for name in all_members_of(shape)} - set(KNOWN) == set()
    for name, kind in KNOWN.items():
        assert is_secret_name(name) is (kind == "secret"), name
        assert is_masked_name(name) is (kind in ("secret", "masked")), name


# ------------------------------------------------------------------------------------------------------------- property


class Planted:
    """The random document that a test works with, and which of its texts are secrets."""

    def __init__(self) -> None:
        self.number = 0

    def text(self, data: st.DataObject, *, is_secret: bool) -> str:
        self.number += 1
        tail = data.draw(st.text(max_size=6))
        return f"{'hush' if is_secret else 'open'}{self.number:04}{tail}"


def planted(shape: Any, data: st.DataObject, planter: Planted, name: str = "", depth: int = 8) -> Any:
    """A random value of a shape, with texts that say whether they are secrets."""
    if shape.type_name == "structure" and depth:
        if not shape.members:
            return {}
        names = data.draw(st.lists(st.sampled_from(sorted(shape.members)), unique=True, max_size=5))
        return {name: planted(shape.members[name], data, planter, name, depth - 1) for name in names}
    if shape.type_name == "list" and depth:
        count = data.draw(st.integers(0, 2))
        return [planted(shape.member, data, planter, name, depth - 1) for _ in range(count)]
    if KNOWN[name] == "document":
        nested = planted(data.draw(st.sampled_from(SHAPES)), data, planter, "", 3) if depth > 3 else {}
        resource = "tokens" if name == "AmplifyMetaConfig" else "people"
        return json.dumps({"auth": {resource: {"service": "Cognito", "output": nested}}}, separators=(",", ":"))
    if shape.type_name == "string":
        return planter.text(data, is_secret=KNOWN[name] == "secret")
    return data.draw(st.booleans() | st.integers(0, 99))


def expected(value: Any, name: str = "") -> Any:
    """What a planted value becomes: found by another rule than the code's, the planted texts themselves."""
    if isinstance(value, dict):
        return {key: expected(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [expected(item, name) for item in value]
    if isinstance(value, str) and value.startswith("{"):
        document = json.loads(value)
        return value if expected(document) == document else json.dumps(expected(document), separators=(",", ":"))
    return "***" if isinstance(value, str) and value.startswith("hush") else value


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_secret_of_a_random_document_survives_and_nothing_else_is_touched(data: st.DataObject) -> None:
    value = planted(data.draw(st.sampled_from(SHAPES)), data, Planted())
    before = json.dumps(value)
    redacted = redact_secrets(value)
    assert "hush" not in repr(redacted)
    assert redacted == expected(value)
    assert json.dumps(value) == before
    assert redact_secrets(redacted) == redacted
    secrets = {secret for secret in secret_values(value) if secret.startswith("hush")}
    assert len(secrets) == len({number for number in _planted_numbers(before) if number})


def _planted_numbers(text: str) -> set[str]:
    return {part[:4] for part in text.split("hush")[1:]}


WRITTEN: dict[str, Callable[[Any], str]] = {
    "JSON": json.dumps,
    "JSON with line ends": lambda value: json.dumps(value, indent=2),
    "JSON in JSON": lambda value: json.dumps(json.dumps(value)),
    "JSON in a member": lambda value: json.dumps({"config": json.dumps(value)}),
    "YAML": lambda value: str(yaml.safe_dump(value)),
    "YAML in one line": lambda value: str(yaml.safe_dump(value, default_flow_style=True, width=10**6)),
    "YAML in JSON": lambda value: json.dumps({"config": yaml.safe_dump(value)}),
    "JSON in YAML": lambda value: str(yaml.safe_dump({"config": json.dumps(value)})),
    "Python": repr,
    "a cut JSON": lambda value: json.dumps(value)[:-1],
    "JSON with a comma too many": lambda value: json.dumps(value)[:-1] + ",}",
    "a sentence": lambda value: f"got {json.dumps(value)}, which is refused",
    "JSON in a sentence in JSON": lambda value: json.dumps({"message": f"got {json.dumps(value)}"}),
}
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8).map("hush-{}-hush".format)
named = st.dictionaries(st.sampled_from(SECRET_NAMES), words, min_size=1, max_size=3)
nested = st.recursive(
    named, lambda inner: st.fixed_dictionaries({"a": inner, "b": st.lists(inner, max_size=2)}), max_leaves=3
)


@settings(deadline=None, max_examples=100)
@pytest.mark.parametrize("way", WRITTEN)
@given(value=nested)
def test_no_secret_survives_in_any_kind_of_text(way: str, value: Any) -> None:
    text = WRITTEN[way](value)
    assert "hush" not in json.dumps(redact_secrets({"config": text})), text
    assert "hush" not in json.dumps(redact_secrets([text])), text
    assert "hush" not in redact_text(text, secret_values({"config": text})), text


OTHERWISE: dict[str, str] = {
    "a name beside it in YAML": "- name: DATABASE_PASSWORD\n  value: hush-1\n- value: {a: hush-2}\n  name: API_TOKEN\n",
    "a name beside it in YAML in one line": "[{name: DATABASE_PASSWORD, value: hush-1}]",
    "a name beside it with a longer name": json.dumps([{"OptionName": "DBPassword", "OptionValue": "hush-1"}]),
    "a key of YAML": "{ClientSecret:hush-1 Other:1}",
    "a key of JSON": json.dumps({"client_secret=hush-1": True, json.dumps({"ClientSecret": "hush-2"}): {"a": 1}}),
    "an object": 'refused: {"ClientSecret": {"value": "hush-1"}, "env": [{"name": "API_TOKEN", "value": "hush-2"}]}',
    "a cut object": 'refused: {"ClientSecret": {"value": "hush-1", "more": ["hush-2',
    "a dictionary of Python": "refused: {'password': {'value': 'hush-1', 'more': ['hush-2']}}",
    "escaped names": 'refused: {"Client\\u0053ecret": "hush-1"}',
    "a block of YAML": "The document:\nclient_secret: |\n  hush-1\n  hush-2\nmore: x",
    "a tag of YAML": "The document:\nclient_secret: !!str hush-1",
    "TOML": 'The document:\nclient_secret = """\nhush-1\n"""',
    "an index": "environ['CLIENT_SECRET'] = 'hush-1'",
    "a form's index": "providers[google][client_secret]=hush-1&x=2",
    "XML": "<a:ClientSecret kind='x'>hush-1</a:ClientSecret><Password>hush-2</Password>",
    "HTML": "<p>{&quot;password&quot;: &quot;hush-1&quot;}</p>",
    "an address": "postgres://shop:hush-1@database/shop",
    "bytes": "",
}


@pytest.mark.parametrize("way", OTHERWISE)
def test_no_secret_survives_where_it_is_written_otherwise(way: str) -> None:
    text: Any = OTHERWISE[way] or json.dumps({"ClientSecret": "hush-1"}).encode()
    assert "hush" not in repr(redact_secrets({"config": text}))
    assert "hush" not in repr(redact_secrets({"config": {text}}))
    assert "hush" not in repr(redact_secrets({text: "x"})) or way == "bytes"
    assert "hush" not in redact_text(str(text), secret_values({"config": text}))
    if isinstance(text, str):
        assert "hush" not in without_userinfo(redact_words(text))


CODES: dict[str, Callable[[str], str]] = {
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded in a form": quote_plus,
    "percent-encoded twice": lambda text: quote(quote(text)),
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("around", ["{}", "aws://@/?__extra__={}&region_name=eu-west-1", '{{"config": "{}"}}'])
def test_a_document_with_a_secret_is_found_in_another_code(code: str, around: str) -> None:
    written = CODES[code](json.dumps({"login": "shop", "ClientSecret": f"{HUSH}???>>>"}))
    text = around.format(written)
    shown = [json.dumps(redact_secrets({"config": text})), redact_words(text)]
    shown.append(redact_text(text, secret_values({"config": text})))
    for one in shown:
        assert written not in one
        assert HUSH not in one
    harmless = around.format(CODES[code](json.dumps({"login": "shop", "ClientId": "x" * 20})))
    assert redact_secrets({"config": harmless}) == {"config": harmless}
    assert redact_words(harmless) == harmless


def test_a_yaml_document_keeps_what_is_no_secret_to_the_byte() -> None:
    document = (
        "# a pool, token: hush-0\nauth:\n  google: &social\n    client_id:  'shop'  # of the shop\n"
        "    client_secret: hush-1\n    tokens: [hush-2, {a: hush-3}]\n  private_key: |\n    hush-4\n    hush-5\n"
        "  next_token: 'it''s'\n  x: &later hush-6\n  password: *later\n  enabled: true\n  api_key: 12345678\n"
    )
    redacted = redact_secrets({"config": document})["config"]
    assert "hush" not in redacted
    assert "12345678" not in redacted
    assert "    client_id:  'shop'  # of the shop\n" in redacted
    assert "  next_token: 'it''s'\n" in redacted
    assert yaml.safe_load(redacted.replace("*later", "x"))["auth"]["enabled"] is True
    assert {"hush-1", "hush-2", "hush-3", "hush-4\nhush-5\n", "hush-6", "12345678"} <= set(secret_values(document))


@pytest.mark.parametrize(
    "text",
    [
        "Your password: {####}. The token: never tell it.",
        "type Login { password: String! apiKey: String token: Token }",
        '{"models": {"Login": {"fields": {"password": {"name": "password", "type": "String"}}}}}',
    ],
)
@pytest.mark.parametrize("name", ["EmailMessage", "TransformSchema", "ModelIntrospectionSchema", "models"])
def test_words_for_people_and_data_models_are_no_secrets(name: str, text: str) -> None:
    assert redact_secrets({name: text}) == {name: text}
    assert list(secret_values({name: text})) == []


@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_resource_may_be_called_like_words_for_people(name: str) -> None:
    settings = {"ResourceConfig": {"Google": {"ClientId": "c", "ClientSecret": HUSH}}}
    kept = {"ResourceConfig": {"Google": {"ClientId": "c", "ClientSecret": "***"}}}
    assert redact_secrets({"auth": {name: settings}}) == {"auth": {name: kept}}
    assert list(secret_values({name: [settings]})) == [HUSH]


@pytest.mark.parametrize("name", ["passwordless", "apitokens", "credentials", "AmplifyMetaConfig", "models"])
def test_what_is_kept_by_the_name_of_a_resource_is_no_secret_for_its_name(name: str) -> None:
    assert redact_resources({name: {"Mode": "x", "ClientSecret": HUSH}}) == {name: {"Mode": "x", "ClientSecret": "***"}}


def test_a_resource_may_be_called_like_a_secret() -> None:
    meta = {"function": {"rotateSecret": {"service": "Lambda", "output": {"Arn": "arn:f", "AppClientSecret": HUSH}}}}
    kept = {"function": {"rotateSecret": {"service": "Lambda", "output": {"Arn": "arn:f", "AppClientSecret": "***"}}}}
    assert redact_secrets({"AmplifyMetaConfig": meta}) == {"AmplifyMetaConfig": kept}
    assert json.loads(redact_secrets({"AmplifyMetaConfig": json.dumps(meta)})["AmplifyMetaConfig"]) == kept
    assert list(secret_values({"AmplifyMetaConfig": json.dumps(meta)})) == [HUSH]


def test_a_number_is_a_secret_and_a_flag_is_none() -> None:
    value = {"ClientSecret": 12345678901234567890, "password": 12.5, "token": True, "apiKey": None}
    assert redact_secrets(value) == {"ClientSecret": "***", "password": "***", "token": True, "apiKey": None}
    assert sorted(secret_values(value)) == ["12.5", "12345678901234567890"]


def test_each_secret_has_the_path_of_its_member() -> None:
    value = {"OAuth": [{"Google": {"ClientSecret": "hush-1"}}], "text": json.dumps({"private_key": "hush-2"})}
    assert sorted(named_secrets(value, name="resource_config")) == [
        ("resource_config.OAuth[0].Google.ClientSecret", "hush-1"),
        ("resource_config.text.private_key", "hush-2"),
    ]


def test_a_value_that_contains_itself_can_be_redacted() -> None:
    value: dict[str, Any] = {"ClientSecret": HUSH}
    value["again"] = [value, value]
    assert HUSH not in repr(redact_secrets(value))


def in_one_another(levels: int) -> Any:
    value: Any = {"ClientSecret": HUSH}
    for _ in range(levels):
        value = {"a": value, "b": [value]}
    return value


def test_a_value_that_is_shared_many_times_is_copied_once() -> None:
    redacted = redact_secrets(in_one_another(60))
    while "a" in redacted:
        redacted = redacted["a"]
    assert redacted == {"ClientSecret": "***"}


def deep_yaml(levels: int) -> str:
    text = f"client_secret: {HUSH}\n"
    for _ in range(levels):
        text = "a: |\n" + "".join(f" {line}\n" for line in text.splitlines())
    return text


LONG = {
    "words": "client_secret=" * 8_000,
    "names": "client_secret" * 10_000 + ":",
    "quotes": '"client_secret": ' + '\\"' * 50_000,
    "brackets": '{"client_secret": ' + "[" * 100_000,
    "flow": "{client_secret: " * 8_000,
    "lines": "client_secret:\n" * 8_000,
    "spaces": "client_secret" + " " * 100_000 + ":",
    "blank lines": "client_secret:" + "\n" * 100_000,
    "backslashes": "client_secret" + "\\" * 100_000 + ":",
    "dashes": "- " * 50_000 + "client_secret: x",
    "comments": "# client_secret: x\n" * 5_000 + "a: b",
    "YAML in YAML": deep_yaml(60),
    "JSON": json.dumps([{"ClientSecret": HUSH}] * 4_000),
    "aliases": "a: &a client_secret\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*a, *a]\n" for n in range(20)),
    "keys": "private_key: -----BEGIN A KEY-----" * 3_000,
    "elements": "<client_secret>x</" * 8_000,
    "open elements": "<client_secret " * 8_000 + ":",
    "codes": "client_secret=" + "%7B%22" * 20_000,
    "code in code": "%" + "25" * 50_000 + "22client_secret",
    "base64": "client_secret: " + "eyJ" * 40_000,
    "addresses": "a@client_secret=" + "//a:" * 20_000,
    "addresses with blanks": "client_secret=x " + "//a:b " * 20_000 + "@",
    "braces": "client_secret: {" * 8_000,
    "closed braces": "client_secret: {} " * 8_000,
    "blocks": "x\nclient_secret: |\n a\n" * 4_000,
    "deep JSON": '{"a":' * 900 + json.dumps({"ClientSecret": HUSH}) + "}" * 900,
}


@pytest.mark.parametrize("kind", LONG)
def test_no_text_is_too_long_too_deep_or_too_odd(kind: str) -> None:
    """A quadratic search would take minutes."""
    assert HUSH not in json.dumps(redact_secrets({"config": LONG[kind]}))
    for _ in secret_values({"config": LONG[kind]}):
        pass


signs = st.sampled_from([*"{}[]:=-#&*|>'\"\\ \n\t%@!?,.~\u0000\ud800é", "client_secret", ": ", "\n  ", "\\n", "- "])


@given(st.lists(signs, max_size=40).map("".join))
def test_any_text_can_be_looked_into(text: str) -> None:
    redact_secrets({"config": text})
    list(secret_values({"config": text}))
