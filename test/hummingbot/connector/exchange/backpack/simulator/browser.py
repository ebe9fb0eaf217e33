"""A real browser for tests: Debian's chromium, driven by the WebDriver protocol (W3C) over plain HTTP.

Not with Selenium: it wants an urllib3 that Hummingbot's pins exclude, and what is used here is a dozen calls.
"""

import asyncio
import base64
import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp

PACKAGES = ("chromium", "chromium-driver")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which WebDriver names an element; a constant of the standard."""


class NoBrowser(Exception):
    """There is no browser and it cannot be installed; says what to do."""


class PageError(Exception):
    """The browser could not do what was asked, for instance because an element is not there (yet)."""


def install_if_missing() -> None:
    """Both programs are there afterwards. Installs Debian's packages if run as root; raises NoBrowser."""
    if shutil.which("chromium") and shutil.which("chromedriver"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NoBrowser(f"no chromium and chromedriver here; on Debian: apt-get install {' '.join(PACKAGES)}")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        )
        if done.returncode:
            raise NoBrowser(f"{' '.join(command)} failed: {done.stderr[-300:]}")


@contextlib.contextmanager
def running_driver() -> Iterator[str]:
    """The address of a chromedriver of one's own."""
    process = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if started := re.search(r"started successfully on port (\d+)", line):
                yield f"http://127.0.0.1:{started[1]}"
                return
        raise NoBrowser("chromedriver does not start")
    finally:
        process.terminate()
        process.communicate()


@contextlib.asynccontextmanager
async def opened(driver_url: str) -> AsyncIterator["Page"]:
    """An empty page in a browser of its own."""
    # No sandbox: tests may run as root in a container. The only pages are our own.
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    options = {
        "browserName": "chrome",
        "goog:chromeOptions": {"args": arguments, "binary": shutil.which("chromium")},
        "goog:loggingPrefs": {"browser": "ALL"},
    }
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        page = Page(http, driver_url)
        session = await page.call("POST", "", {"capabilities": {"alwaysMatch": options}})
        page.address = f"{driver_url}/session/{session['sessionId']}"
        try:
            yield page
        finally:
            await page.call("DELETE", "")


class Page:
    """One page in the browser; elements are named by CSS selectors."""

    def __init__(self, http: aiohttp.ClientSession, driver_url: str) -> None:
        self.address = f"{driver_url}/session"
        self._http = http

    async def open(self, url: str, width: int = 1280, height: int = 800) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": size})
        await self.call("POST", "/url", {"url": url})

    async def text(self, selector: str) -> str:
        """What a person reads there; empty if it is not shown."""
        return str(await self._on(selector, "GET", "text"))

    async def rows(self, selector: str) -> list[list[str]]:
        """The words of each line of a list or table that is selected by its lines."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].map(row => [...row.children].map(c => c.innerText))"
        )
        return [[cell for cell in line if cell] for line in await self.run(script, selector)]

    async def click(self, selector: str) -> None:
        await self._on(selector, "POST", "click", {})

    async def fill_in(self, selector: str, text: str) -> None:
        await self._on(selector, "POST", "clear", {})
        await self._on(selector, "POST", "value", {"text": text})

    async def choose(self, selector: str, option: str) -> None:
        """Take an option of a list, by typing its beginning."""
        await self._on(selector, "POST", "value", {"text": option})

    async def run(self, script: str, *arguments: Any) -> Any:
        return await self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    async def complaints(self) -> list[str]:
        """Errors in the browser's console since the last look."""
        log = await self.call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]

    async def screenshot(self) -> bytes:
        """What it looks like, as PNG."""
        return base64.b64decode(await self.call("GET", "/screenshot"))

    async def until(self, look: Callable[[], Awaitable[Any]], within_s: float = 15.0) -> None:
        """Look again and again until what is awaited is there."""
        last: Any = None
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                if last := await look():
                    return
            except PageError as error:
                last = error
            await asyncio.sleep(0.1)
        raise AssertionError(f"not on the page after {within_s:g} s; last seen: {last}")

    async def shows(self, selector: str, text: str) -> None:
        """Wait until a text is somewhere in an element; spaces and line ends count alike."""
        seen = ""

        async def look() -> bool:
            nonlocal seen
            seen = " ".join((await self.text(selector)).split())
            return text in seen

        try:
            await self.until(look)
        except AssertionError:
            raise AssertionError(f"expected {text!r} in {selector}, was {seen!r}") from None

    async def _on(self, selector: str, method: str, action: str, body: Any = None) -> Any:
        found = await self.call("POST", "/element", {"using": "css selector", "value": selector})
        return await self.call(method, f"/element/{found[ELEMENT]}/{action}", body)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        async with self._http.request(method, self.address + path, json=body) as response:
            value = (await response.json())["value"]
        if response.status != 200:
            raise PageError(f"{value['error']}: {value['message']}")
        return value
