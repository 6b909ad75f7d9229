"""The page in a real Chromium: ask, see cards, thumb down, see the list change, reload, go on; stop."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.commands.serve import ROOT, page_command, page_environment
from app.runtime import Runtime
from app.settings import Settings
from eval.server import api_server, free_port

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PATIENCE_MS = 60_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]


@contextmanager
def page_over(api: str, home: Path) -> Iterator[str]:
    """The page, in a process of its own, over an API."""
    settings = Settings(home=home, api_url=api, ui_port=free_port(), _env_file=None)  # type: ignore[call-arg]
    child = subprocess.Popen(
        page_command(settings),
        env=os.environ | page_environment(settings),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
    )
    try:
        _wait_for(f"{settings.page_url}/_stcore/health", child)
        yield settings.page_url
    finally:
        child.terminate()
        child.wait(20)


@contextmanager
def tab(address: str) -> Iterator[Any]:
    """A tab of a real browser at an address."""
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(PATIENCE_MS)
            expect.set_options(timeout=PATIENCE_MS)
            page.goto(address)
            yield page
        finally:
            browser.close()


def say(page: Any, text: str) -> None:
    page.get_by_test_id("stChatInputTextArea").fill(text)
    page.keyboard.press("Enter")


def _wait_for(address: str, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    with httpx.Client(trust_env=False, timeout=2) as client:
        while time.monotonic() < deadline:
            assert child.poll() is None, "the page's process ended"
            try:
                if client.get(address).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.2)
    raise AssertionError(f"{address} did not answer")


def test_ask_thumb_down_change_reload_resume(tiny_home: Path) -> None:
    from playwright.sync_api import expect

    with (
        api_server({"home": str(tiny_home), "llm": "none"}) as api,
        page_over(api, tiny_home) as address,
        tab(address) as page,
    ):
        say(page, "a comedy, please")
        others = page.get_by_role("button", name="Show me others")
        others.wait_for()
        titles = page.locator(".sidra-card .sidra-title")
        expect(titles).to_have_count(5)
        first = titles.all_inner_texts()
        assert len(set(first)) == 5

        page.locator("[class*='st-key-thumb_down'] button:visible").first.click()
        expect(page.locator(".sidra-card.sidra-down")).to_have_count(1)
        disliked = page.locator(".sidra-card.sidra-down .sidra-title").inner_text()
        assert disliked == first[0]
        others.click()
        expect(titles).to_have_count(10)
        others.wait_for()
        second = titles.all_inner_texts()[5:]
        assert disliked not in second
        assert set(second) != set(first)

        assert "thread=" in page.url
        page.reload()
        expect(titles).to_have_count(10)
        assert titles.all_inner_texts() == first + second
        expect(page.locator(".sidra-card.sidra-down")).to_have_count(1)
        say(page, "something newer")
        expect(page.locator(".sidra-mine")).to_have_count(3)


def test_stop_ends_the_turn_here_and_at_the_api(address: str, runtime: Runtime, settings: Settings) -> None:
    from playwright.sync_api import expect

    with page_over(address, settings.home) as url, tab(url) as page:
        say(page, "hang")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Stopped here.")).to_be_visible()
        deadline = time.monotonic() + 10
        while not runtime.conversations.cancelled.is_set() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert runtime.conversations.cancelled.is_set()
        say(page, "a drama")
        expect(page.locator(".sidra-card")).to_have_count(5)
