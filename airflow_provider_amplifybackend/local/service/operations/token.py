"""Challenge tokens, which expire on the service's clock."""

from __future__ import annotations

from airflow_provider_amplifybackend.local.service.clock import format_moment
from airflow_provider_amplifybackend.local.service.errors import not_found
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation
from airflow_provider_amplifybackend.local.service.store import Token


def create_token(invocation: Invocation) -> Answer:
    app, clock = invocation.app(), invocation.clock
    lifetime = invocation.settings.token_seconds
    token = Token(
        session_id=invocation.runtime.new_job_id(),
        challenge_code=f"{invocation.runtime.random.getrandbits(160):040x}",
        expires=clock.now() + lifetime,
        expires_wall=clock.wall() + lifetime,
    )
    app.tokens[token.session_id] = token
    return _answer(invocation, token)


def get_token(invocation: Invocation) -> Answer:
    return _answer(invocation, _valid(invocation))


def delete_token(invocation: Invocation) -> Answer:
    del invocation.app().tokens[_valid(invocation).session_id]
    return {"IsSuccess": True}


def _valid(invocation: Invocation) -> Token:
    token = invocation.app().tokens.get(invocation.parameters["SessionId"])
    if token is None or token.expires <= invocation.clock.now():
        raise not_found("Token", f"Session {invocation.parameters['SessionId']}")
    return token


def _answer(invocation: Invocation, token: Token) -> Answer:
    return {
        "AppId": invocation.app_id,
        "ChallengeCode": token.challenge_code,
        "SessionId": token.session_id,
        "Ttl": format_moment(token.expires_wall, invocation.settings.ttl_format),
    }


HANDLERS: dict[str, Handler] = {
    "CreateToken": create_token,
    "GetToken": get_token,
    "DeleteToken": delete_token,
}
