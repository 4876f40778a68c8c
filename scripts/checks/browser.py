"""A real browser for the page checks. The program's first argument is the API's origin."""

import contextlib
import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright

ORIGIN = sys.argv[1]
HERE = pathlib.Path(__file__).parent
AXE = (HERE / "node_modules/axe-core/axe.min.js").read_text()
SHOTS = HERE.parent.parent / "target/screenshots"
SHOTS.mkdir(parents=True, exist_ok=True)


class Window:
    """A page that records every problem on it."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.wrong = []
        self.allowed = []
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.note(message.text))
        self.page.on("pageerror", lambda error: self.note(str(error)))
        self.page.on("request", lambda request: self.check_host(request.url))

    def note(self, text):
        if not any(allowed in text for allowed in self.allowed):
            self.wrong.append(text)

    def check_host(self, url):
        if not url.startswith((ORIGIN, "data:")):
            self.wrong.append(f"requests another host: {url}")

    def check(self, what):
        """Fails on any of axe-core's findings, and on any recorded problem."""
        # Evaluated through the browser's own protocol, since the page's policy would block the script.
        self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        for violation in found:
            nodes = [f"{node['target']} {node['html'][:150]}" for node in violation["nodes"][:6]]
            self.wrong.append(f"{violation['id']} ({len(violation['nodes'])}): {violation['help']}: " + "\n    ".join(nodes))
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            self.wrong.append(f"{wide} pixels wider than the window")
        if self.wrong:
            raise SystemExit(f"{what}:\n  " + "\n  ".join(self.wrong))
        print(f"ok: {what}")


@contextlib.contextmanager
def launched():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()
