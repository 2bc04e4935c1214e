"""A headless Chromium, driven by selenium.

Debian's packages `chromium` and `chromium-driver` are wanted. CI installs them where they are
missing and it may; elsewhere nothing is installed, and the tests are skipped.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver import Chrome

T = TypeVar("T")

BROWSER = Path("/usr/bin/chromium")
DRIVER = Path("/usr/bin/chromedriver")
PACKAGES = ("chromium", "chromium-driver")

#: Seconds after which apt-get is given up.
INSTALLING = 400

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--no-proxy-server",
    "--window-size=900,700",
)


class Page:
    """The browser's page, for tests on an event loop: selenium would block it.

    What a test waits for, it waits for in the browser's time: each look is a round trip.
    """

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver
        self._window = driver.current_window_handle

    async def another(self) -> Page:
        """Open another window beside this one; the test closes it."""

        def open_window() -> Page:
            self._driver.switch_to.new_window("window")
            return Page(self._driver)

        return await asyncio.to_thread(open_window)

    async def close(self) -> None:
        """Close this window, which is not the only one."""
        await self._do(self._driver.close)

    async def open(self, url: str) -> None:
        await self._do(self._driver.get, url)

    async def run(self, script: str) -> Any:
        """Give what a piece of JavaScript returns."""
        return await self._do(self._driver.execute_script, script)

    async def _do(self, command: Callable[..., Any], *arguments: str) -> Any:
        def do() -> Any:
            self._driver.switch_to.window(self._window)
            return command(*arguments)

        return await asyncio.to_thread(do)

    async def text(self, selector: str) -> str:
        """Give the text of an element, as it is there, seen or not."""
        return await self.run(f"return document.querySelector('{selector}').textContent")

    async def until(self, selector: str, shows: Callable[[str], object]) -> str:
        """Wait until an element's text is such; an error where it does not become so."""
        text = ""
        try:
            async with asyncio.timeout(20):
                while not shows(text := await self.text(selector)):
                    pass
        except TimeoutError:
            pytest.fail(f"{selector} shows {text!r}, and the state is {await self.state()}")
        return text

    async def state(self) -> str:
        return await self.run("return document.body.dataset.state")


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Start a browser with an empty profile; when this is left, all its processes are gone."""
    _want_chromium()
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    # The path is given, so that selenium does not go and look for a driver on the network.
    driver = Chrome(options=options, service=ChromeService(str(DRIVER)))
    try:
        yield Page(driver)
    finally:
        driver.quit()
        _wait_until_gone(profile)


def _want_chromium() -> None:
    """Skip the test, or in CI install what is missing."""
    pytest.importorskip("selenium", reason="this test needs a browser: pip install selenium")
    if BROWSER.exists() and DRIVER.exists():
        return
    if os.environ.get("CI") and shutil.which("apt-get") and os.geteuid() == 0:
        install = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
        for command in (["apt-get", "update"], install):
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                timeout=INSTALLING,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )
        if BROWSER.exists() and DRIVER.exists():
            return
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        pytest.skip(f"this test needs Debian's {' and '.join(PACKAGES)}, and apt-get says: {last}")
    pytest.skip(f"this test needs a browser: apt-get install {' '.join(PACKAGES)}")


def _wait_until_gone(profile: Path) -> None:
    """Wait until no process names the profile any more: the browser's own outlive the driver."""
    for number, command in _processes(str(profile)):
        with suppress(ProcessLookupError):  # it has just ended
            handle = os.pidfd_open(number)
            try:
                assert select.select([handle], [], [], 10)[0], f"still running: {command}"
            finally:
                os.close(handle)


def _processes(word: str) -> Iterator[tuple[int, str]]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if word in command:
            yield int(process.name), command
