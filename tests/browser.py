"""Pages as people see them: headless Chromium in real time, with mouse and keys, over its own debugging protocol.

`browser` opens tabs for pages that a server feeds; `seen` asks one file one question. Whatever the browser complains of
and whatever a page asks the world for is kept, and `seen` forbids both.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here; `apt-get install chromium`, as .ci/run does"
)

PATIENCE = 240.0  # seconds: longer than the slowest machine needs, so that only what never comes fails

# finds an element by a selector through all shadow roots; a part after >>> is looked for inside the one before
_FIND = """
window.deep = selector => {
  const within = (root, one) => {
    const hit = root.querySelector(one);
    if (hit) return hit;
    for (const each of root.querySelectorAll("*")) {
      const found = each.shadowRoot && within(each.shadowRoot, one);
      if (found) return found;
    }
    return null;
  };
  let at = document;
  for (const part of selector.split(">>>")) {
    at = at && ((at.shadowRoot && within(at.shadowRoot, part.trim())) || within(at, part.trim()));
  }
  return at;
};
window.text = selector => {
  const e = deep(selector);
  return e && [...(e.shadowRoot || e).childNodes].map(n => n.nodeName === "STYLE" ? "" : n.textContent).join("");
};
"""
# where to press an element that stands still and may be pressed, else null; `struck` says whether the press met it
_PLACE = """
(async () => {
  const e = deep(%s);
  const box = () => { const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; };
  if (!e || e.disabled) return null;
  e.scrollIntoView({block: "center", behavior: "instant"});
  const before = box();
  await new Promise(done => setTimeout(done, 60));
  const at = box();
  if (!e.isConnected || e.disabled || at[0] !== before[0] || at[1] !== before[1]) return null;
  window.struck = false;
  const met = event => { window.struck = event.composedPath().includes(e); };
  addEventListener("click", met, {once: true, capture: true});
  return at;
})()
"""
_REFUSED = """
addEventListener("securitypolicyviolation", event => console.error(`refused: ${event.blockedURI}`));
"""


class BetweenPages(Exception):
    """The page that was asked has gone, and the next one is not there."""


_GONE = ("context was destroyed", "cannot find", "navigated or closed")


class Tab:
    """One page. `complaints` are errors and warnings of its console, `asked` the addresses that it has asked for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: Any) -> None:
        self._loop, self._socket, self._number = loop, socket, 0
        self.complaints: list[str] = []
        self.asked: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._send(f"{domain}.enable")
        self._send("Page.addScriptToEvaluateOnNewDocument", source=_FIND + _REFUSED)

    def _send(self, method: str, **terms: Any) -> Any:
        return self._loop.run_until_complete(self._answer(method, terms))

    async def _answer(self, method: str, terms: dict[str, Any]) -> Any:
        self._number += 1
        await self._socket.write_message(json.dumps({"id": self._number, "method": method, "params": terms}))
        while True:
            text = await asyncio.wait_for(self._socket.read_message(), PATIENCE)
            assert text is not None, "the browser has gone"
            said = json.loads(text)
            if said.get("id") == self._number:
                if any(words in said.get("error", {}).get("message", "").lower() for words in _GONE):
                    raise BetweenPages(said["error"]["message"])
                assert "error" not in said, said["error"]
                return said["result"]
            self._hear(said)

    def _hear(self, said: dict[str, Any]) -> None:
        terms = said.get("params", {})
        match said.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(
                    str(terms["exceptionDetails"].get("exception", terms["exceptionDetails"]))
                )
            case "Runtime.consoleAPICalled" if terms["type"] in ("error", "warning", "assert"):
                self.complaints.append(" ".join(str(one.get("value", one)) for one in terms["args"]))
            case "Log.entryAdded" if terms["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{terms['entry']['text']} {terms['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.asked.append(terms["request"]["url"])
            case "Network.webSocketCreated":
                self.asked.append(terms["url"])

    def open(self, address: str) -> None:
        """Go there, and be there: what is asked next is asked of the new page. What it shows comes when it comes."""
        self.run("window.left = true")
        went = self._send("Page.navigate", url=address)
        assert "errorText" not in went, went["errorText"]
        self.wait("!window.left")

    def run(self, script: str) -> Any:
        """What an expression of JavaScript is, promises awaited."""
        found = self._evaluate(script)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def _evaluate(self, script: str) -> Any:
        return self._send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)

    def text(self, selector: str) -> str:
        return str(self.run(f"text({json.dumps(selector)})"))

    def wait(self, condition: str, seconds: float = PATIENCE) -> Any:
        """Wait until an expression is true; its value. What it cannot be asked yet is not true yet."""
        until, why = time.monotonic() + seconds, ""
        while True:
            try:
                found = self._evaluate(condition)
                why = found.get("exceptionDetails", {}).get("exception", {}).get("description", "")
                if not why and found["result"].get("value"):
                    return found["result"]["value"]
            except BetweenPages as gone:
                why = str(gone)
            assert time.monotonic() < until, f"never came: {condition} {why}; {self.complaints[:5]}"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """A click of the mouse into the middle of an element, as soon as that stands still and may be pressed.

        Pressed again where the element has moved away under the mouse.
        """
        for _ in range(20):
            x, y = self.wait(_PLACE % json.dumps(selector))
            for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
                self._send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
            if self.run("window.struck"):
                return
        raise AssertionError(f"the mouse never meets {selector}")

    def type(self, selector: str, words: str) -> None:
        """Write over what stands in a field, and leave it with the enter key."""
        self.click(selector)
        self.run(f"deep({json.dumps(selector)}).select()")
        self._send("Input.insertText", text=words)
        for kind in ("keyDown", "keyUp"):
            self._send(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13
            )
        self.run(f"deep({json.dumps(selector)}).blur()")

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a list by its text, as soon as it is there."""
        self.wait(f"[...deep({json.dumps(selector)}).options].some(o => o.text === {json.dumps(value)})")
        self.run(
            f"(() => {{ const e = deep({json.dumps(selector)});"
            f"e.selectedIndex = [...e.options].findIndex(o => o.text === {json.dumps(value)});"
            "e.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def picture(self, path: Path) -> None:
        """What is seen in the window: a page that is longer would be laid out anew to be seen whole."""
        seen = self._send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(seen["data"]))


class Browser:
    """Headless Chromium with tabs."""

    def __init__(self, profile: Path, wide: int, high: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._process = subprocess.Popen(
            [
                str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                "--remote-debugging-port=0", f"--user-data-dir={profile}", f"--window-size={wide},{high}",
                "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
                "--disable-background-timer-throttling", "--disable-renderer-backgrounding", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        told = profile / "DevToolsActivePort"
        until = time.monotonic() + PATIENCE
        while not (told.is_file() and len(told.read_text().split()) == 2):
            assert time.monotonic() < until and self._process.poll() is None, "chromium did not start"
            time.sleep(0.05)
        self._port = int(told.read_text().split()[0])

    def tab(self) -> Tab:
        return self._loop.run_until_complete(self._new())

    async def _new(self) -> Any:
        from tornado.httpclient import AsyncHTTPClient, HTTPRequest
        from tornado.websocket import websocket_connect

        address = f"http://127.0.0.1:{self._port}/json/new?about:blank"
        made = await AsyncHTTPClient().fetch(HTTPRequest(address, method="PUT", body=""))
        return await websocket_connect(
            json.loads(made.body)["webSocketDebuggerUrl"], max_message_size=1 << 28
        )

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._loop.close()


@contextmanager
def browser(profile: Path, wide: int = 1600, high: int = 1200) -> Iterator[Any]:
    """A function that opens a new tab; all are closed at the end."""
    one = Browser(profile, wide, high)
    try:
        yield lambda: Tab(one._loop, one.tab())
    finally:
        one.close()


def seen(page: Path, script: str, tmp_path: Path, *, ready: str = "true") -> Any:
    """What `script` (the body of an async function) returns in a page that is ready; no complaint, no request."""
    with browser(tmp_path / "profile", 1400, 1500) as new:
        tab = new()
        tab.open(page.as_uri())
        tab.wait(f"document.readyState === 'complete' && ({ready})")
        found = tab.run(
            "(async () => { const wait = ms => new Promise(done => setTimeout(done, ms));\n"
            + script
            + "\n})()"
        )
        assert tab.complaints == []
        assert [
            asked for asked in tab.asked if asked != page.as_uri() and not asked.startswith("data:")
        ] == []
    return found
