"""The names of secrets, in any spelling: of the API's members, and of those in documents that pass through it.

The API itself has three: ``ClientSecret``, ``PrivateKey`` and ``ChallengeCode``. Amplify's own documents have more, the
Amplify CLI's files spell all of them otherwise (``googleAppSecretUserPool``, ``client_secret``), and nobody knows what
a later version adds. So a name that sounds like a secret is one, unless it is known to be harmless.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from airflow_provider_amplifybackend.core.unseen import without_unseen

IsSecret = Callable[[Any], bool]

# Secret members of the API, and of the documents that it passes on.
SECRET_MEMBERS = frozenset({"ClientSecret", "PrivateKey", "ChallengeCode", "GraphQLAPIKeyOutput", "AppClientSecret"})
# Needed downstream to look a session up or end it, so results carry it; logs and rendered templates do not.
MASKED_MEMBERS = SECRET_MEMBERS | {"SessionId"}

# Words for people and definitions of data models, with fields that are called `password`: nothing in them is a secret.
_WORDS = frozenset(
    {"EmailMessage", "EmailSubject", "SmsMessage", "TransformSchema", "Models", "ModelIntrospectionSchema"}
)
WORDS = _WORDS | {name[0].lower() + name[1:] for name in _WORDS}

_SOUNDS_SECRET = (
    "secret",
    "privatekey",
    "apikey",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "token",
    "credential",
    "challengecode",
    "passcode",
    "accesskey",
    "signingkey",
    "encryptionkey",
    "authorization",  # of a header
)
_SESSION = "sessionid"
# What only sounds like it.
_HARMLESS = (
    "forgotpassword",
    "passwordpolicy",
    "passwordprotection",
    "apikeyconfig",
    "authorizationmode",
    "authorizationscope",
    "accesskeyid",  # ids of keys, which are none
    "signingkeyid",
    "encryptionkeyid",
    "generatesecret",  # a flag of the Amplify CLI
    "hascredential",  # flags of Amazon Pinpoint
    "hastokenkey",
)
# Tokens that page or make a request unique, by their whole names: a FACEBOOK_CLIENT_TOKEN is a secret.
_HARMLESS_AS_A_WHOLE = frozenset(
    {
        "nexttoken",
        "nextpagetoken",
        "pagetoken",
        "continuationtoken",
        "nextcontinuationtoken",
        "paginationtoken",
        "clienttoken",
        "clientrequesttoken",
        "requesttoken",
    }
)
# A name that ends like this is about a secret and does not hold it.
_ABOUT_A_SECRET = (
    "arn",
    "arns",
    "name",
    "names",
    "url",
    "uri",
    "endpoint",
    "type",
    "length",
    "policy",
    "ttl",
    "validity",
    "validityunits",
    "expiration",
    "expirationdate",
    "expirationdays",
    "expirationtime",
    "exception",
    "error",
)
_NOT_COMPARED = str.maketrans("", "", "-_. \t\\")
LONGEST_NAME = 200  # of a member; what is longer is no name


def plain(name: str) -> str:
    """Return a name as names are compared: without case, hyphens, underscores, dots, spaces, width and the unseen."""
    if not name.isascii():
        name = without_unseen(unicodedata.normalize("NFKC", name))
    return name.translate(_NOT_COMPARED).casefold()


def is_secret_name(name: Any) -> bool:
    """Tell whether a member, in any spelling, holds a secret."""
    return _sounds(name, _SOUNDS_SECRET)


def is_masked_name(name: Any) -> bool:
    """Tell whether a member, in any spelling, is to be masked in logs and rendered fields."""
    return _sounds(name, (*_SOUNDS_SECRET, _SESSION))


def mentions_secret(text: str) -> bool:
    """Tell whether a text may hold the name of something that is masked."""
    words = plain(text)
    return any(word in words for word in (*_SOUNDS_SECRET, _SESSION))


def _sounds(name: Any, words: tuple[str, ...]) -> bool:
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        return False
    compared = plain(name)
    if compared in _HARMLESS_AS_A_WHOLE or not any(word in compared for word in words):
        return False
    for harmless in _HARMLESS:
        compared = compared.replace(harmless, " ")
    return any(word in compared for word in words) and not compared.endswith(_ABOUT_A_SECRET)
