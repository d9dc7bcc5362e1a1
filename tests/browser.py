"""A real browser: Debian's Chromium, driven by Playwright.

Tests without the one or the other are skipped, unless BROWSER_REQUIRED is set: then they fail, so that CI cannot lose
them in silence.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = "no Chromium is installed" if CHROMIUM is None else ""
if find_spec("playwright") is None:
    MISSING = "Playwright for Python is not installed"
needs_browser = pytest.mark.skipif(bool(MISSING) and not os.environ.get("BROWSER_REQUIRED"), reason=MISSING)


@contextmanager
def running_browser() -> Iterator[Any]:
    """A browser, for tests that `needs_browser` marks."""
    if MISSING:
        pytest.fail(f"{MISSING}, and BROWSER_REQUIRED is set")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()
