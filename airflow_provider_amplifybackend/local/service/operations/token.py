"""Challenge tokens, which expire on the service's clock."""

from __future__ import annotations

from airflow_provider_amplifybackend.local.service.clock import format_moment
from airflow_provider_amplifybackend.local.service.errors import not_found
from airflow_provider_amplifybackend.local.service.invocation import Answer, Call, Handler
from airflow_provider_amplifybackend.local.service.store import Token


def create_token(call: Call) -> Answer:
    app, clock = call.app(), call.service.clock
    lifetime = call.settings.token_seconds
    token = Token(
        session_id=call.service.new_job_id(),
        challenge_code=f"{call.service.random.getrandbits(160):040x}",
        expires=clock.now() + lifetime,
        expires_wall=clock.wall() + lifetime,
    )
    app.tokens[token.session_id] = token
    return _answer(call, token)


def get_token(call: Call) -> Answer:
    return _answer(call, _valid(call))


def delete_token(call: Call) -> Answer:
    del call.app().tokens[_valid(call).session_id]
    return {"IsSuccess": True}


def _valid(call: Call) -> Token:
    token = call.app().tokens.get(call.parameters["SessionId"])
    if token is None or token.expires <= call.service.clock.now():
        raise not_found("Token", f"Session {call.parameters['SessionId']}")
    return token


def _answer(call: Call, token: Token) -> Answer:
    return {
        "AppId": call.app_id,
        "ChallengeCode": token.challenge_code,
        "SessionId": token.session_id,
        "Ttl": format_moment(token.expires_wall, call.settings.ttl_format),
    }


HANDLERS: dict[str, Handler] = {
    "CreateToken": create_token,
    "GetToken": get_token,
    "DeleteToken": delete_token,
}
