from __future__ import annotations

from tests.hooks.conftest import *  # noqa: F403  # the same hook and service, one layer below
