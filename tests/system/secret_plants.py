"""The secrets of the hunt: each with the task that meets it, and the road on which it gets there.

The DAGs (dags/secrets/secret_dags.py) name each by a template only, so that nothing of it stands in a DAG file, but for
one whose author writes them where Airflow shows them (secret_shown.py). The values are made anew for each run and put
into a secrets backend, a Variable or connection of Airflow's database, or the answers of the local AmplifyBackend. A
task whose name begins with `fails_` must fail, every other must succeed, and what was to be sent must have reached the
service: a hunt through roads that nobody has taken finds nothing.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP, auth, auth_change
from tests.system.secret_forms import core, new_mark

RESOURCE = "people"


class Way(Enum):
    """What becomes of a secret."""

    SENT = "reaches the service"
    ANSWERED = "comes from the service"
    HELD = "is not sent"
    USED = "belongs to the connection"


SENT, ANSWERED, HELD, USED = Way.SENT, Way.ANSWERED, Way.HELD, Way.USED

# By task: the way, and its secrets with their shapes. In templates a secret is called `task_member`.
# In: every form in which a configuration can be given.
_IN: dict[str, tuple[Way, str]] = {
    "dictionary": (SENT, "google:signs facebook amazon apple:pem"),
    "deferred": (SENT, "google facebook:signs amazon apple:pem_crlf"),
    "json_text": (SENT, "google apple:pem_line"),
    "json_file": (SENT, "google:utf8 apple:pem_line"),
    "whole_variable": (SENT, "google:signs apple:pem"),
    "tojson": (SENT, "google:signs apple:pem"),
    "mapped": (SENT, "first:signs second third"),
    "from_connection": (SENT, "google facebook"),
    "from_database": (SENT, "google facebook"),
    "update": (SENT, "google:signs apple:pem"),
    "update_deferred": (SENT, "google apple:pem"),
    "from_xcom": (SENT, "google"),
    "hook": (SENT, "google"),
}
_NATIVE: dict[str, tuple[Way, str]] = {
    "native_member": (SENT, "google:number facebook apple:pem"),
    "native_whole": (SENT, "google:signs apple:pem"),
    "native_tojson": (SENT, "google:signs facebook"),
}
# Refused before anything is sent: other names, broken texts, texts that no masker takes.
_REFUSED: dict[str, tuple[Way, str]] = {
    "fails_camel_case": (HELD, "google facebook amazon apple"),
    "fails_camel_file": (HELD, "google:signs apple:pem_line"),
    "fails_cli_inputs": (HELD, "google apple:pem_line creds"),
    "fails_names": (HELD, "keyed tokened worded credited signed authorized"),
    "fails_yaml": (HELD, "google apple"),
    "fails_python_text": (HELD, "google:signs"),
    "fails_cut": (HELD, "google:signs"),
    "fails_unquoted": (HELD, "google"),
    "fails_twice_encoded": (HELD, "google:signs"),
    "fails_list": (HELD, "first second"),
    "fails_short": (HELD, "google:short"),
}
_SAID: dict[str, tuple[Way, str]] = {
    # Refused by the service, whose text repeats the secret; throttled; the answer lost
    "fails_refused": (SENT, "google:signs apple:pem"),
    "fails_refused_again": (SENT, "google"),
    "throttled": (SENT, "google"),
    "answer_lost": (SENT, "google"),
    "already_there": (HELD, "google apple:pem"),
    # The job fails, and its text repeats the secret
    "fails_job_on_worker": (SENT, "google:signs apple:pem"),
    "fails_job_deferred": (SENT, "google:signs apple:pem"),
    "fails_job_again": (SENT, "google"),
    "fails_import": (ANSWERED, "client"),
    "fails_sensor_job": (ANSWERED, "google"),
    "fails_sensor_deferred": (ANSWERED, "google"),
    "fails_challenge": (SENT, "session"),
    "get_job": (ANSWERED, "google"),
    "list_jobs": (ANSWERED, "google"),
}
# Out: what the service answers.
_OUT: dict[str, tuple[Way, str]] = {
    "get_backend": (ANSWERED, "appclient graphql hosted appapple datastore listed"),
    "get_auth": (ANSWERED, "google:signs facebook amazon apple:pem"),
    "get_api": (ANSWERED, "apikey"),
    "create_challenge": (ANSWERED, "code"),
    "get_challenge": (ANSWERED, "code"),
    # Read by the guard, for a plan, and for the record of a deletion
    "plan": (ANSWERED, "variable"),
    "delete_recorded": (ANSWERED, "google apple:pem"),
    # Written into a snapshot, as digests under a key; the inventory reads all of these environments
    "snapshot": (ANSWERED, "google:signs apple:pem"),
    "compare": (USED, "key"),
    "inventory": (ANSWERED, "variable"),
}
_CONNECTIONS: dict[str, tuple[Way, str]] = {
    "aws_keys": (USED, "key session"),
    "aws_keys_deferred": (USED, "key session"),
    "role": (USED, "external key session"),
    "role_deferred": (USED, "external key session"),
    "proxy": (USED, "userinfo"),
    "proxy_deferred": (USED, "userinfo"),
    "fails_proxy": (USED, "userinfo"),
    "fails_endpoint": (USED, "userinfo"),
    "fails_uri": (HELD, "key"),
    "fails_json_conn": (HELD, "key"),
    "fails_config": (HELD, "userinfo"),
    "fails_config_text": (HELD, "userinfo"),
    "fails_sensor_config": (HELD, "userinfo"),
    "fails_sensor_uri": (HELD, "key"),
}
# Written where Airflow itself shows it.
_SHOWN: dict[str, tuple[Way, str]] = {
    "in_file": (SENT, "google"),
    "in_params": (SENT, "google"),
    "in_conf": (SENT, "google"),
}
_PLANTED = {
    "secrets_in": _IN,
    "secrets_native": _NATIVE,
    "secrets_refused": _REFUSED,
    "secrets_said": _SAID,
    "secrets_out": _OUT,
    "secrets_connections": _CONNECTIONS,
    "secrets_shown": _SHOWN,
}
DAG_IDS = tuple(_PLANTED)
# Session ids: results carry them, because whoever looks a session up or ends it needs them (docs/security.md).
SESSIONS = {"create_challenge_session", "get_challenge_session", "delete_challenge_session"}
CONTROL = "control"

_ROLES = ("role", "role_deferred")
# Tasks that find an auth resource in their environment, and what it is.
_WITH_AUTH = ("update", "update_deferred", "already_there", "hook")
_PROVIDERS = {"google": "Google", "facebook": "Facebook", "amazon": "LoginWithAmazon", "apple": "SignInWithApple"}


@dataclass(frozen=True)
class Plant:
    """One secret: its name in templates, the task that meets it, what becomes of it, and how it looks."""

    name: str
    dag: str
    task: str
    way: Way
    shape: str


PLANTS = [
    Plant(f"{task}_{member}", dag, task, way, shape or "plain")
    for dag, tasks in _PLANTED.items()
    for task, (way, members) in tasks.items()
    for member, _, shape in (word.partition(":") for word in members.split())
]
TASKS = tuple(task for tasks in _PLANTED.values() for task in tasks)


def environment_of(task: str) -> str:
    """Return the environment in which only this task does something."""
    return task.replace("_", "-")


def social(*, change: bool = False, **given: str) -> dict[str, Any]:
    """Return a configuration, or a change of one, with these secrets of social providers: `google=...`, `apple=...`."""
    settings = {_PROVIDERS[provider]: _provider(provider, secret) for provider, secret in given.items()}
    return (auth_change if change else auth)(
        OAuth={
            "OAuthGrantType": "CODE",
            "OAuthScopes": ["EMAIL"],
            "RedirectSignInURIs": ["https://example.com/in"],
            "RedirectSignOutURIs": ["https://example.com/out"],
            "SocialProviderSettings": settings,
        }
    )


def _provider(provider: str, secret: str) -> dict[str, str]:
    if provider == "apple":
        return {"ClientId": "apple-id", "KeyId": "key-id", "TeamId": "team-id", "PrivateKey": secret}
    return {"ClientId": f"{provider}-id", "ClientSecret": secret}


class Planted:
    """The values of one run."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self.mark = new_mark()
        self._cores: dict[str, str] = {}
        self.others: dict[str, str] = {}
        self.values = {plant.name: self._value(number, plant) for number, plant in enumerate(PLANTS)}
        for number, name in enumerate((CONTROL, *more), len(PLANTS)):
            self.values[name] = self._with_core(number, name)

    @property
    def cores(self) -> dict[str, str]:
        """The unmistakable part of each secret that has one."""
        return self._cores

    def _value(self, number: int, plant: Plant) -> str:
        if plant.shape == "number":
            self.others[plant.name] = str(secrets.randbelow(10**17) + 10**17)
        elif plant.shape == "short":
            self.others[plant.name] = "".join(chr(0xA500 + secrets.randbelow(250)) for _ in range(3))
        else:
            return _shaped(plant.shape, self._with_core(number, plant.name))
        return self.others[plant.name]

    def _with_core(self, number: int, name: str) -> str:
        return self._cores.setdefault(name, core(self.mark, number))

    # ----------------------------------------------------------------------------------------- where Airflow gets them

    @cached_property
    def variables(self) -> dict[str, str]:
        """Variables of a secrets backend: each secret under its own name, and whole documents."""
        value = self.values
        names = (plant.name for plant in PLANTS if plant.way in (SENT, HELD))
        whole = {
            "document_whole_variable": social(**self._of("whole_variable")),
            "document_native_whole": social(**self._of("native_whole")),
            "document_from_xcom": social(**self._of("from_xcom")),
        }
        google = json.dumps(social(google=value["fails_cut_google"]))
        broken = {
            "text_fails_cut": google[: google.index('"}', google.index("ClientSecret")) - 2],
            "text_fails_python_text": repr(social(google=value["fails_python_text_google"])),
            "text_fails_twice_encoded": json.dumps(json.dumps(social(google=value["fails_twice_encoded_google"]))),
            "text_fails_cli_inputs": json.dumps(self._cli_inputs()),
        }
        sessions = {name: self.values[name] for name in SESSIONS & self.values.keys()}
        return {name: value[name] for name in (*names, CONTROL)} | _dumped(whole) | broken | sessions

    def _of(self, task: str) -> dict[str, Any]:
        return {plant.name.removeprefix(f"{task}_"): self.values[plant.name] for plant in PLANTS if plant.task == task}

    def _cli_inputs(self) -> dict[str, Any]:
        """Return the Amplify CLI's cli-inputs.json, with the names that it has for secrets."""
        given = self._of("fails_cli_inputs")
        creds = [{"ProviderName": "Google", "client_id": "shop", "client_secret": given["creds"]}]
        return {
            "version": "1",
            "cognitoConfig": {
                "userPoolName": "guests",
                "googleAppSecretUserPool": given["google"],
                "signinwithapplePrivateKeyUserPool": given["apple"],
                "hostedUIProviderCreds": json.dumps(creds),
            },
        }

    def conf(self, dag_id: str) -> dict[str, str]:
        """Return what a DAG run is given."""
        name = "in_conf_google"
        return {name: self.values[name]} if dag_id == "secrets_shown" else {}

    @property
    def roles(self) -> dict[str, tuple[str, str]]:
        """The temporary credentials of roles: key and session token."""
        return {role: (self.values[f"{role}_key"], self.values[f"{role}_session"]) for role in _ROLES}

    def connections(self, endpoint: str, proxy: str, sts: str) -> dict[str, dict[str, Any]]:
        """Return the connections, in the JSON form of Airflow."""
        value, once = self.values, {"retries": {"total_max_attempts": 1}}

        def aws(extra: dict[str, Any], password: str = "none") -> dict[str, Any]:
            extra = {"region_name": "us-east-1", "endpoint_url": endpoint} | extra
            return {"conn_type": "aws", "login": "123456789012", "password": password, "extra": json.dumps(extra)}

        def proxied(plant: str, address: str) -> dict[str, Any]:
            proxies = {"http": address.replace("//", f"//hunter:{value[plant]}@")}
            return aws({"config_kwargs": {"proxies": proxies, **once}})

        def assumed(role: str) -> dict[str, Any]:
            return aws(
                {
                    "role_arn": f"arn:aws:iam::123456789012:role/{role}",
                    "assume_role_kwargs": {"ExternalId": value[f"{role}_external"]},
                    "service_config": {"sts": {"endpoint_url": sts}},
                }
            )

        return {
            "aws_default": aws({}),
            **{f"aws_{role}": assumed(role) for role in _ROLES},
            "aws_keys": aws({"aws_session_token": value["aws_keys_session"]}, value["aws_keys_key"]),
            "aws_keys_deferred": aws(
                {"aws_session_token": value["aws_keys_deferred_session"]}, value["aws_keys_deferred_key"]
            ),
            "aws_proxy": proxied("proxy_userinfo", proxy),
            "aws_proxy_deferred": proxied("proxy_deferred_userinfo", proxy),
            "aws_no_proxy": proxied("fails_proxy_userinfo", "http://127.0.0.1:9"),
            "aws_userinfo": aws(
                {
                    "endpoint_url": f"http://hunter:{value['fails_endpoint_userinfo']}@127.0.0.1:9",
                    "config_kwargs": once,
                }
            ),
            "digests": {"conn_type": "generic", "password": value["compare_key"]},
            "social": {
                "conn_type": "generic",
                "password": value["from_connection_google"],
                "extra": json.dumps({"facebook": value["from_connection_facebook"]}),
            },
        }

    @property
    def in_database(self) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """The Variables and connections that lie in Airflow's own database."""
        google, facebook = self.values["from_database_google"], self.values["from_database_facebook"]
        return {"db_google": google}, {"db_social": {"conn_type": "generic", "password": facebook}}

    # ----------------------------------------------------------------------------------- what the service says of them

    def prepare(self, service: LocalAmplifyBackend) -> None:
        """Let the service have the environments, and answer, refuse and fail as the tasks expect it."""
        environments = [*TASKS, *(f"mapped-{index}" for index in range(3))]
        control = service.control
        control.seed_app(
            APP,
            *({"name": environment_of(task)} | self._resources(task) for task in environments),
            app_name="shop",
            variables={
                "AMPLIFY_GOOGLE_CLIENT_SECRET": self.values["plan_variable"],
                "AMPLIFY_FACEBOOK_CLIENT_SECRET": self.values["inventory_variable"],
            },
            jobs=list(self._jobs()),
        )
        for name in sorted(SESSIONS):
            self.others[name] = self.values[name] = service.client().create_token(AppId=APP)["SessionId"]
        for fault in self._faults():
            control.add_fault(**fault)

    def _resources(self, task: str) -> dict[str, Any]:
        if task == "get_backend":
            return {"meta": self._meta(), "api": {"graph": None}}
        if task == "get_api":
            return {"api": {"graph": None}}
        if task in ("get_auth", "delete_recorded", "snapshot"):
            return {"auth": {RESOURCE: social(**self._of(task))}}
        return {"auth": {RESOURCE: auth()}} if task in _WITH_AUTH else {}

    def _meta(self) -> dict[str, Any]:
        """Return what real files hold: AppClientSecret, an API key, and what the CLI writes beside them."""
        given = self._of("get_backend")
        creds = json.dumps([{"ProviderName": "Google", "client_id": "shop", "client_secret": given["hosted"]}])
        return {
            "providers": {"awscloudformation": {"Region": "us-east-1", "StackName": "amplify-shop"}},
            "auth": {
                RESOURCE: {
                    "service": "Cognito",
                    "output": {
                        "UserPoolId": "us-east-1_AbCdEfGhI",
                        "AppClientID": "native",
                        "AppClientSecret": given["appclient"],
                        "hostedUIProviderCreds": creds,
                        "signinwithapplePrivateKeyUserPool": given["appapple"],
                    },
                }
            },
            "api": {"graph": {"service": "AppSync", "output": {"GraphQLAPIKeyOutput": given["graphql"]}}},
            "function": {
                "seed": {
                    "environment": {"DATABASE_PASSWORD": given["datastore"]},
                    "parameters": [{"name": "SHOP_API_KEY", "value": given["listed"]}],
                }
            },
        }

    def _jobs(self) -> Iterator[dict[str, Any]]:
        for task in ("get_job", "list_jobs", "fails_sensor_job", "fails_sensor_deferred"):
            text = self._said(f"{task}_google")
            yield {
                "environment": environment_of(task),
                "operation": "UpdateBackendAuth",
                "status": "FAILED",
                "error": text,
                "job_id": f"job-of-{environment_of(task)}",
            }

    def _said(self, *names: str, key: str = "ClientSecret") -> str:
        """Return a text of many lines, as the CLI prints it, that repeats secrets: as a member, and bare."""
        lines = ["Resource is not in the state stackUpdateComplete", "CREATE_FAILED HostedUIProvidersCustomResource"]
        for name in names:
            lines += [f"invalid request: {json.dumps({key: self.values[name]})}"]
        return "\n".join(lines)

    def _repeated(self, task: str) -> str:
        """Return a text that repeats all secrets of a request, each in several forms and without a name."""
        texts = [self.values[plant.name] for plant in PLANTS if plant.task == task]
        return " ".join(["invalid:", *texts, *(json.dumps(text) for text in texts), *map(repr, texts)])

    def _faults(self) -> Iterator[dict[str, Any]]:
        refused = {"kind": "error", "status": 400, "code": "BadRequestException", "when": "before"}
        for task in ("fails_refused", "fails_refused_again"):
            yield _fault("CreateBackendAuth", task, **refused, message=self._repeated(task))
        for task in ("fails_job_on_worker", "fails_job_deferred", "fails_job_again"):
            yield _fault("CreateBackendAuth", task, kind="job_fails", error=self._repeated(task))
        yield _fault("CreateBackendAuth", "throttled", kind="throttle", times=1, message=self._repeated("throttled"))
        yield _fault("CreateBackendAuth", "answer_lost", kind="reset_after", times=1)
        said = self._said("fails_import_client", key="AppClientSecret")
        yield _fault("ImportBackendAuth", "fails_import", kind="job_fails", error=said)
        api = {"ResourceConfig": {"ApiName": "graph", "apiKey": self.values["get_api_apikey"], "Service": "AppSync"}}
        yield _fault("GetBackendAPI", "get_api", kind="answer", members=api)
        codes = {
            "create_challenge": {"SessionId": "create_challenge_session", "ChallengeCode": "create_challenge_code"},
            "get_challenge": {"ChallengeCode": "get_challenge_code"},
        }
        for operation, task in (("CreateToken", "create_challenge"), ("GetToken", "get_challenge")):
            members = {member: self.values[name] for member, name in codes[task].items()}
            yield {"operation": operation, "kind": "answer", "times": 1, "members": members}
        message = f"no session {self.values['fails_challenge_session']}"
        yield {"operation": "DeleteToken", **refused, "app_id": "d0refused", "message": message}

    def astray(
        self,
        journal: Sequence[Mapping[str, Any]],
        proxied: Sequence[Mapping[str, str]],
        assumed: Sequence[Mapping[str, str]],
        dag_ids: Sequence[str] = DAG_IDS,
    ) -> list[str]:
        """Return what should have reached the service, the proxy or STS and has not, and what has and should not."""
        sent = json.dumps([entry["parameters"] for entry in journal], ensure_ascii=False)
        wrong = []
        for plant in (plant for plant in PLANTS if plant.dag in dag_ids):
            unmistakable = self._cores.get(plant.name) or self.others[plant.name]
            if (unmistakable in sent) != (plant.way is SENT):
                wrong.append(f"{plant.name} {'has' if unmistakable in sent else 'has not'} reached the service")
        logins = {each.get("proxy-authorization") for each in proxied}
        for name in ("proxy_userinfo", "proxy_deferred_userinfo") if "secrets_connections" in dag_ids else ():
            if f"Basic {base64.b64encode(f'hunter:{self.values[name]}'.encode()).decode()}" not in logins:
                wrong.append(f"{name} has not reached the proxy")
        external_ids = {each.get("ExternalId") for each in assumed}
        for role in _ROLES if "secrets_connections" in dag_ids else ():
            if self.values[f"{role}_external"] not in external_ids:
                wrong.append(f"{role}_external has not reached STS")
        return wrong


def _fault(operation: str, task: str, **options: Any) -> dict[str, Any]:
    return {"operation": operation, "environment": environment_of(task), **options}


def _dumped(documents: dict[str, Any]) -> dict[str, str]:
    return {name: json.dumps(document) for name, document in documents.items()}


def _shaped(shape: str, unmistakable: str) -> str:
    key = [unmistakable + secrets.token_urlsafe(32)[: 64 - len(unmistakable)] for _ in range(3)]
    lines = ["-----BEGIN PRIVATE KEY-----", *key, "-----END PRIVATE KEY-----"]
    return {
        "plain": unmistakable,
        # Everything that JSON, repr, HTML, URLs or `| tojson` write as something else.
        "signs": f"""{unmistakable}'<&>"\\/%+ {{}}{unmistakable}""",
        "utf8": f"ключ-{unmistakable}-é",
        "pem": "\n".join([*lines, ""]),
        "pem_crlf": "\r\n".join([*lines, ""]),
        "pem_line": "\\n".join(lines),
    }[shape]
