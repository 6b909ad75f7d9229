"""The page in a real Chromium: ask, see cards, thumb down, see the list change, reload, go on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.commands.serve import page_command, page_environment
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


@pytest.fixture(scope="module")
def page_address(tiny_home: Path) -> Iterator[str]:
    """A real API over the tiny release and a real page, each in a process of its own."""
    with api_server({"home": str(tiny_home), "llm": "none"}) as api:
        settings = Settings(home=tiny_home, api_url=api, ui_port=free_port(), _env_file=None)  # type: ignore[call-arg]
        child = subprocess.Popen(
            page_command(settings),
            env=os.environ | page_environment(settings),
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr,
        )
        try:
            _wait_for(f"{settings.page_url}/_stcore/health", child)
            yield settings.page_url
        finally:
            child.terminate()
            child.wait(20)


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


def test_ask_thumb_down_change_reload_resume(page_address: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(page_address)
        page.get_by_test_id("stChatInputTextArea").fill("a comedy, please")
        page.keyboard.press("Enter")
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
        page.get_by_test_id("stChatInputTextArea").fill("something newer")
        page.keyboard.press("Enter")
        expect(page.locator(".sidra-mine")).to_have_count(3)
        browser.close()
