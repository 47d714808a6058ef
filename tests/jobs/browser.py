"""Looks at a report in headless Chromium, over the DevTools protocol through a pipe (standard library alone).

    browser.py PROGRAM PAGE.html [FOLDER for screenshots]

Prints what is wrong, a line each, and exits with 1; 0: light, dark, phone, print, keyboard and accessibility tree are as
docs/output.md promises. 77: Chromium does not start here.
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
import time

SECONDS = 60  # for an answer; a busy machine is slow
CONTRAST = 4.5  # WCAG 2.2, 1.4.3 (AA)


class Browser:
    def __init__(self, program, profile):
        to_read, self.to = os.pipe()
        self.of, from_write = os.pipe()
        os.set_inheritable(to_read, True)
        os.set_inheritable(from_write, True)
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-extensions", "--disable-background-networking", "--remote-debugging-pipe",
                 f"--user-data-dir={profile}", "about:blank"]
        # The browser reads descriptor 3 and writes 4.
        shell = f'exec "$0" "$@" 3<&{to_read} 4>&{from_write}'
        self.process = subprocess.Popen(["bash", "-c", shell, program, *flags], pass_fds=(to_read, from_write),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.number, self.buffer, self.session, self.events = 0, b"", None, []

    def message(self):
        while b"\0" not in self.buffer:
            piece = os.read(self.of, 1 << 20)
            if not piece:
                raise EOFError("the browser ended")
            self.buffer += piece
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def call(self, method, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        end = time.monotonic() + SECONDS
        while not any(e.get("method") == method for e in self.events):
            if time.monotonic() > end:
                raise TimeoutError(method)
            self.events.append(self.message())

    def js(self, code):
        result = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{result['exceptionDetails']}: {code[:200]}")
        return result["result"].get("value")

    def key(self, name, code, shift=False):
        text = {"text": "\r"} if name == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code,
                      modifiers=8 if shift else 0, **(text if kind == "keyDown" else {}))

    def shot(self, path, whole=True):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.process.kill()
        self.process.wait()


# Texts that are too pale for their ground, whatever lies between.
CONTRASTS = """(() => {
  const rgb = (text) => { const m = text.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255;
    return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
  const bad = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || ["SCRIPT", "STYLE"].includes(e.tagName)) continue;
    const a = light(rgb(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < CONTRAST) bad.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return [...bad];
})()""".replace("CONTRAST", str(CONTRAST))

STRUCTURE = """(() => {
  const bad = [], all = (q) => Array.from(document.querySelectorAll(q));
  if (document.documentElement.lang !== "en") bad.push("no language");
  if (!document.title.trim()) bad.push("no title");
  for (const q of ["header", "nav", "main", "footer", "h1", "a.skip"])
    if (all("body > " + q + ", body > header > " + q).length !== 1) bad.push("not one " + q);
  let level = 0;
  for (const h of all("h1, h2, h3, h4, h5, h6")) {
    const now = Number(h.tagName[1]);
    if (now > level + 1) bad.push("heading jumps to " + h.tagName + ": " + h.textContent);
    if (!h.textContent.trim()) bad.push("empty heading");
    level = now;
  }
  for (const i of all("img")) {
    if (!i.alt.trim()) bad.push("picture without alt");
    if (!i.complete || !i.naturalWidth) bad.push("picture that does not show: " + i.alt);
  }
  const ids = all("[id]").map((e) => e.id);
  if (new Set(ids).size !== ids.length) bad.push("an id stands twice");
  for (const a of all("a[href^='#']"))
    if (!document.getElementById(a.hash.slice(1))) bad.push("link to nowhere: " + a.hash);
  for (const t of all("table")) {
    if (!t.caption || !t.caption.textContent.trim()) bad.push("table without caption");
    for (const th of t.querySelectorAll("th")) if (!th.scope) bad.push("th without scope: " + th.textContent);
    if (!t.closest(".scroll")) bad.push("table outside its box");
    const width = t.tHead.rows[0].cells.length;
    for (const r of t.tBodies[0].rows)
      if (Array.from(r.cells).reduce((n, c) => n + c.colSpan, 0) !== width) bad.push("row of another width: " + t.caption.textContent.slice(0, 60));
  }
  return [...new Set(bad)];
})()"""

OVERFLOW = """(() => { const e = document.scrollingElement, w = innerWidth;
  if (e.scrollWidth <= w) return [];
  return Array.from(document.querySelectorAll("body *")).filter((x) => x.getBoundingClientRect().right > w + 1 &&
    !x.closest(".scroll, pre")).slice(0, 5).map((x) => x.tagName + "." + x.className + " " + x.textContent.slice(0, 40)); })()"""

FOCUS = "({tag: document.activeElement.tagName, text: document.activeElement.textContent.trim().slice(0, 60), head: !!document.activeElement.closest('thead'), outline: getComputedStyle(document.activeElement).outlineStyle})"

SORTED = """(() => { const th = document.activeElement.closest("th"), i = th.cellIndex;
  const rows = Array.from(th.closest("table").tBodies[0].rows).map((r) => r.cells[i]);
  return {sort: th.getAttribute("aria-sort"), number: th.classList.contains("n"),
    keys: rows.map((c) => th.classList.contains("n") ? (c.dataset.v ?? c.textContent) : c.textContent)}; })()"""


def in_order(found, down):
    keys = found["keys"]
    empty = [k for k in keys if k == ""]
    there = [float(k) for k in keys if k != ""] if found["number"] else [k.casefold() for k in keys]
    if found["number"] and keys[len(there):] != empty:
        return False
    return there == sorted(there, reverse=down)


def keyboard(b):
    """Tab to the skip link, then to the first button of a table; Enter sorts up, Enter again down."""
    bad = []
    b.key("Tab", 9)
    first = b.js(FOCUS)
    if first["tag"] != "A" or not first["text"].startswith("Skip"):
        bad.append(f"the first Tab is at {first}")
    seen = 0
    for _ in range(400):
        b.key("Tab", 9)
        now = b.js(FOCUS)
        if now["tag"] == "BODY":  # once around
            break
        if now["outline"] == "none":
            bad.append(f"no visible focus: {now}")
        if not (now["tag"] == "BUTTON" and now["head"]):
            continue
        rows = b.js("document.activeElement.closest('table').tBodies[0].rows.length")
        for down in (False, True):
            b.key("Enter", 13)
            found = b.js(SORTED)
            if found["sort"] != ("descending" if down else "ascending"):
                bad.append(f"aria-sort is {found['sort']} of '{now['text']}'")
            if len(found["keys"]) != rows or not in_order(found, down):
                bad.append(f"'{now['text']}' is not sorted: {found}")
        seen += 1
        if seen == 12:
            return bad
    return bad + ([] if seen else ["no table can be sorted by keyboard"])


def accessibility(b):
    bad, roles = [], set()
    for node in b.call("Accessibility.getFullAXTree")["nodes"]:
        role, name = node.get("role", {}).get("value"), node.get("name", {}).get("value", "")
        roles.add(role)
        if not node.get("ignored") and role in ("image", "img", "table", "link", "button", "heading", "navigation", "region") and not name.strip():
            bad.append(f"a {role} without a name")
    bad += [f"no {r} in the accessibility tree" for r in ("main", "banner", "navigation", "contentinfo", "table", "columnheader", "rowheader") if r not in roles]
    return sorted(set(bad))


def look(b, page, shots):
    problems = []

    def note(what, found):
        problems.extend(f"{what}: {f}" for f in found)

    def shot(name):
        if shots:
            b.shot(os.path.join(shots, name + ".png"))

    target = b.call("Target.createTarget", url="about:blank")["targetId"]
    b.session = b.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
        b.call(domain + ".enable")
    b.call("Emulation.setFocusEmulationEnabled", enabled=True)
    size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    b.call("Emulation.setDeviceMetricsOverride", **size)

    def media(scheme, *more):
        b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}, *more])

    media("light")
    b.events.clear()
    b.call("Page.navigate", url="file://" + os.path.abspath(page))
    b.wait("Page.loadEventFired")
    note("structure", b.js(STRUCTURE))
    ground = b.js("getComputedStyle(document.body).backgroundColor")
    note("contrast, light", b.js(CONTRASTS))
    note("1280 pixels", b.js(OVERFLOW))
    shot("light")
    note("accessibility", accessibility(b))
    note("keyboard", keyboard(b))
    b.js("document.querySelectorAll('details').forEach((d) => d.open = true)")
    media("dark")
    if b.js("getComputedStyle(document.body).backgroundColor") == ground:
        problems.append("dark: the ground is the same")
    note("contrast, dark", b.js(CONTRASTS))
    shot("dark")
    media("light", {"name": "prefers-reduced-motion", "value": "reduce"})
    if b.js("getComputedStyle(document.documentElement).scrollBehavior") != "auto":
        problems.append("reduced motion: the page scrolls smoothly")
    for width in (390, 320):
        b.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=True)
        note(f"{width} pixels", b.js(OVERFLOW))
        if b.js("document.scrollingElement.scrollWidth > innerWidth"):
            problems.append(f"{width} pixels: the page scrolls sideways")
    b.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    b.js("document.querySelectorAll('details').forEach((d) => d.open = false)")
    shot("phone")
    b.call("Emulation.setDeviceMetricsOverride", **size)
    pdf = base64.b64decode(b.call("Page.printToPDF", printBackground=True)["data"])
    if not pdf.startswith(b"%PDF-") or pdf.count(b"/Type /Page") < 2:
        problems.append("print: no PDF of some pages")
    if shots:
        with open(os.path.join(shots, "print.pdf"), "wb") as file:
            file.write(pdf)
    for e in b.events:
        method, p = e.get("method"), e.get("params", {})
        if method == "Runtime.exceptionThrown":
            problems.append(f"script: {p['exceptionDetails'].get('text')}")
        elif method == "Runtime.consoleAPICalled":
            problems.append(f"console: {p['args']}")
        elif method == "Log.entryAdded":
            problems.append(f"log: {p['entry']['level']}: {p['entry']['text']}")
        elif method == "Network.requestWillBeSent" and not p["request"]["url"].startswith(("file:", "data:")):
            problems.append(f"network: {p['request']['url'][:200]}")
    return problems


def main():
    program, page = sys.argv[1:3]
    shots = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        b = Browser(program, profile)
        try:
            try:
                b.call("Browser.getVersion")
            except (EOFError, BrokenPipeError):
                print("Chromium does not start here")
                return 77
            problems = look(b, page, shots)
        finally:
            b.close()
    print("\n".join(problems) if problems else f"{page}: light, dark, phone, print, keyboard, accessibility tree")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
