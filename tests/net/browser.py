#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""browser.py DIRECTORY: Chromium without a window, its files below DIRECTORY, told by lines what to do. Each line is answered
by one of JSON:

    go URL              loads it: true
    password TEXT       the answer to a question for name and password, from now on: true
    view WIDTH HEIGHT SCHEME    a window of that size, scheme light or dark: true
    eval CODE           what that JavaScript gives
    until SECONDS CODE  waits until it gives something true: true, or else what it gave last
    audit               what keeps people from reading the page: a list of complaints
    errors              what the page's console has said that is an error, and what was loaded from elsewhere, since then
    shot FILE           the window as PNG: true
"""
import base64
import json
import os
import subprocess
import sys
import time
from urllib.parse import urlsplit

FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-sync --disable-extensions
    --disable-background-networking --disable-component-update --disable-breakpad --remote-debugging-pipe""".split()

# Text of less contrast than 4.5, lines of less than 3 (WCAG 2.1, 1.4.3 and 1.4.11); what has no name or caption; a page wider
# than its window.
AUDIT = r"""(() => {
    const found = [];
    const light = (c) => c.match(/[\d.]+/g).slice(0, 3).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 :
        ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (e) => {
        for (; e; e = e.parentElement)
            if (!/, 0\)$/.test(getComputedStyle(e).backgroundColor))
                return getComputedStyle(e).backgroundColor;
        return "rgb(255, 255, 255)";
    };
    const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
    const all = (selector) => [...document.querySelectorAll(selector)];
    for (const e of all("body *")) {
        const style = getComputedStyle(e), text = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (!e.getClientRects().length)
            continue;
        if (text && contrast(style.color, ground(e)) < 4.5)
            found.push("contrast of " + e.tagName + ": " + e.textContent.slice(0, 40));
        if (e.tagName === "path" && contrast(style.stroke, ground(e)) < 3)
            found.push("contrast of a line: " + style.stroke);
        if (e.tagName === "rect" && contrast(style.fill, ground(e)) < 3)
            found.push("contrast of a bar: " + style.fill);
    }
    for (const e of all("svg:not([role=img][aria-label]), [role=region]:not([aria-label]), section:not([aria-labelledby]), " +
        "th:not([scope]), a:empty, img:not([alt])"))
        found.push("without a name: " + e.outerHTML.slice(0, 60));
    for (const e of all("table"))
        if (!e.caption?.textContent.trim())
            found.push("table without a caption");
    for (const e of all("[aria-labelledby]"))
        if (!document.getElementById(e.getAttribute("aria-labelledby"))?.textContent.trim())
            found.push("a name that is not there: " + e.getAttribute("aria-labelledby"));
    if (!document.documentElement.lang || !document.title || all("h1").length !== 1)
        found.push("language, title or heading");
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth)
        found.push("wider than the window: " + root.scrollWidth + " > " + root.clientWidth);
    return found;
})()"""


class Browser:
    def __init__(self, directory):
        to_read, self.writes = os.pipe()
        self.reads, to_write = os.pipe()

        def descriptors():
            high = os.dup(to_read), os.dup(to_write)
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
            ["chromium", *FLAGS, f"--user-data-dir={directory}", "about:blank"], stdin=subprocess.DEVNULL,
            stdout=sys.stderr, env={**os.environ, "HOME": directory}, pass_fds=(3, 4), preexec_fn=descriptors)
        os.close(to_read)
        os.close(to_write)
        self.number = 0
        self.rest = b""
        self.session = None
        self.loaded = False
        self.password = None
        self.origin = None
        self.bad = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Log", "Network":
            self.ask(domain + ".enable")

    def receive(self):
        while b"\0" not in self.rest:
            got = os.read(self.reads, 1 << 20)
            if not got:
                sys.exit("Chromium has ended")
            self.rest += got
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def send(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.writes, data):]
        return self.number

    def ask(self, method, **parameters):
        number = self.send(method, **parameters)
        while True:
            message = self.receive()
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self.note(message.get("method"), message.get("params", {}))

    def note(self, event, p):
        if event == "Page.loadEventFired":
            self.loaded = True
        elif event == "Runtime.exceptionThrown":
            self.bad.append(p["exceptionDetails"].get("exception", {}).get("description", p["exceptionDetails"]["text"]))
        elif event == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning"):
            self.bad.append(f"console: {p['args']}")
        elif event == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
            self.bad.append(f"{p['entry']['text']} {p['entry'].get('url', '')}")
        elif event == "Network.requestWillBeSent":
            url = urlsplit(p["request"]["url"])
            if url.scheme != "data" and (url.scheme, url.netloc) != self.origin:
                self.bad.append("loaded from elsewhere: " + p["request"]["url"])
        elif event == "Fetch.requestPaused":
            self.send("Fetch.continueRequest", requestId=p["requestId"])
        elif event == "Fetch.authRequired":
            self.send("Fetch.continueWithAuth", requestId=p["requestId"], authChallengeResponse={
                "response": "ProvideCredentials", "username": "anybody", "password": self.password})

    def go(self, url):
        self.origin = urlsplit(url)[:2]
        self.loaded = False
        self.send("Page.navigate", url=url)
        while not self.loaded:
            message = self.receive()
            self.note(message.get("method"), message.get("params", {}))
        return True

    def evaluate(self, code):
        result = self.ask("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            return "error: " + result["exceptionDetails"].get("exception", {}).get("description", "?")
        return result["result"].get("value")

    def do(self, command, rest):
        if command == "go":
            return self.go(rest)
        if command == "password":
            self.password = rest
            return self.ask("Fetch.enable", handleAuthRequests=True) == {}
        if command == "view":
            width, height, scheme = rest.split()
            self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            return self.ask("Emulation.setDeviceMetricsOverride", width=int(width), height=int(height),
                            deviceScaleFactor=1, mobile=int(width) < 600) == {}
        if command == "eval":
            return self.evaluate(rest)
        if command == "until":
            seconds, code = rest.split(" ", 1)
            end = time.monotonic() + float(seconds) * float(os.environ.get("MPG_SLOW", "1"))
            while not (got := self.evaluate(f"Boolean({code})")) is True and time.monotonic() < end:
                time.sleep(0.1)
            return got
        if command == "audit":
            return self.evaluate(AUDIT)
        if command == "errors":
            bad, self.bad = self.bad, []
            return bad
        if command == "shot":
            with open(rest, "wb") as file:
                file.write(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))
            return True
        return "no such command"


def main():
    browser = Browser(sys.argv[1])
    try:
        for line in sys.stdin:
            command, _, rest = line.rstrip("\n").partition(" ")
            print(json.dumps(browser.do(command, rest), ensure_ascii=False), flush=True)
    finally:
        browser.process.terminate()
        browser.process.wait()


main()
