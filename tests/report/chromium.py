"""One real Chromium for all tests of pages; where it or its driver is missing they say so and are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
SIZES = {"phone": (390, 844), "laptop": (1440, 900)}


def executable() -> str:
    """Path of Chromium; skips the test where there is none."""
    named = os.environ.get("BENCHKIT_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip(f"no Chromium on the path ({', '.join(NAMES)}); BENCHKIT_CHROMIUM may name one")
    return found


@dataclass
class Watched:
    """A page, and everything that it said, asked for or threw."""

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Requests are counted by the browser's own network events, not by what the page admits."""
        self.page.on("console", lambda message: self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.page.on("dialog", self._dialog)
        network = self.page.context.new_cdp_session(self.page)
        network.on("Network.requestWillBeSent", lambda sent: self.requests.append(sent["request"]["url"]))
        network.send("Network.enable")

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@dataclass
class Browser:
    """Opens files at a size, in a colour scheme, with or without scripts."""

    chromium: Any

    @contextmanager
    def open(
        self, file: Path, size: str = "laptop", *, scheme: str = "light", scripts: bool = True, **more: Any
    ) -> Iterator[Watched]:
        width, height = SIZES[size]
        context = self.chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=scripts,
            has_touch=size == "phone",
            **more,
        )
        try:
            watched = Watched(context.new_page())
            watched.watch()
            watched.page.goto(file.as_uri())
            yield watched
        finally:
            context.close()


@contextmanager
def started() -> Iterator[Browser]:
    """A browser of its own; skips where the driver is not installed."""
    driver = pytest.importorskip("playwright.sync_api", reason="pip install 'benchkit[browser-test]'")
    path = executable()
    with driver.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path)
        try:
            yield Browser(chromium)
        finally:
            chromium.close()


Opener = Callable[..., Any]
