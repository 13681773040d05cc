"""What several test files need: a browser that must not be surprised."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]


Launch = Callable[..., Any]


@pytest.fixture(scope="module")  # not longer: while it is open, its event loop runs
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Opens Chromium, with more flags if need be."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs chromium")
    opened = []
    with playwright.sync_playwright() as p:

        def go(*flags: str) -> Any:
            profile = str(tmp_path_factory.mktemp("profile"))
            size = {"width": 1000, "height": 700}
            context = p.chromium.launch_persistent_context(profile, executable_path=chromium, headless=True, args=[*FLAGS, *flags], viewport=size)
            context.set_default_timeout(5000)
            opened.append(context)
            return context

        yield go
        for context in opened:
            context.close()


@pytest.fixture(scope="module")
def browser(launch: Launch) -> Any:
    return launch()


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a page from a file; at the end of the test, nothing may have been logged or asked from the network."""
    tab = browser.new_page()
    trouble: list[str] = []
    tab.on("console", lambda message: trouble.append(message.text))
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else trouble.append(request.url))

    def go(text: str, address: str = "", name: str = "page.html", **media: Any) -> Any:
        file = tmp_path / name
        file.write_text(text, "utf-8")
        tab.emulate_media(reduced_motion=media.get("motion", "reduce"), color_scheme=media.get("scheme", "light"))
        tab.goto(f"{file.as_uri()}{address}")
        return tab

    yield go
    tab.close()
    assert trouble == []
