"""The comparison of two texts by what they say: white space does not count, and comments of a GraphQL schema do not.

In a schema the end of a line ends a comment, so that there white space alone can take a rule out:
``# owners only`` and ``@auth(...)`` in the next line say something else than both in one.
"""

from __future__ import annotations

import re

SCHEMAS = frozenset({"TransformSchema", "transformSchema"})
# Strings in blocks and in lines, in which a `#` begins nothing; comments; any other run of what is not white space.
_TOKENS = re.compile(r'"""(?:\\"""|(?!""").)*"""|"(?:\\.|[^"\\\r\n])*"|#[^\r\n]*|[^\s"#]+|"', re.DOTALL)


def is_same_text(left: str, right: str, member: str) -> bool:
    """Tell whether two texts say the same.

    :param member: The name of the member that they are values of.
    """
    if left == right:
        return True
    words = _words_of_schema if member in SCHEMAS else str.split
    return words(left) == words(right)


def _words_of_schema(text: str) -> list[str]:
    return [token for token in _TOKENS.findall(text) if not token.startswith("#")]
