"""Looks at the developer pages as people do, in a real browser: every page at two widths, light and dark, with axe-core; the
copy button; Swagger UI with a wrong key and with a right one. Fails on an error in the console, on whatever the
Content-Security-Policy refuses, and on whatever axe-core finds.

Usage: try_docs.py ORIGIN KEYS_FILE AXE_FILE SCREENSHOTS_FOLDER
"""

import json
import pathlib
import shutil
import sys

from playwright.sync_api import expect, sync_playwright

ORIGIN, KEYS, AXE, SHOTS = sys.argv[1], json.load(open(sys.argv[2])), open(sys.argv[3]).read(), pathlib.Path(sys.argv[4])
KEY = next(key["key"] for key in KEYS if key["plan"] == "professional" and key["label"] == "all")
PAGES = ["", "authentication", "pagination", "reference", "examples", "rate-limits", "errors", "changelog", "swagger", "nowhere"]
WIDTHS = [360, 1280]

SHOTS.mkdir(parents=True, exist_ok=True)


class Page:
    """A page that remembers everything that went wrong on it."""

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
            self.wrong.append(f"asks another host: {url}")

    def check(self, what):
        """axe-core's findings, and that nothing went wrong."""
        # Evaluated by the browser's own protocol: the page's policy would not let it in.
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
        print(f"fine: {what}")


def every_page(browser):
    for width in WIDTHS:
        for scheme in ["light", "dark"]:
            seen = Page(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
            for name in PAGES:
                # A page that is not there is told so by the browser too.
                seen.allowed = ["404 (Not Found)"] if name == "nowhere" else []
                answer = seen.page.goto(f"{ORIGIN}/docs/{name}".rstrip("/"), wait_until="networkidle")
                assert answer.status == (404 if name == "nowhere" else 200)
                if name == "swagger":
                    seen.page.wait_for_selector(".opblock")
                seen.page.screenshot(path=SHOTS / f"{name or 'quick-start'}-{width}-{scheme}.png", full_page=name != "reference")
                seen.check(f"/docs/{name} at {width} pixels, {scheme}")
            seen.context.close()


def without_scripts(browser):
    plain = Page(browser, java_script_enabled=False)
    plain.page.goto(ORIGIN)
    expect(plain.page.get_by_role("heading", name="1. Create a key")).to_be_visible()
    plain.page.get_by_role("link", name="Errors").click()
    expect(plain.page.get_by_role("heading", name="email_taken")).to_be_visible()
    plain.context.close()
    print("fine: the pages without scripts")


def copy_button(browser):
    start = Page(browser)
    start.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=ORIGIN)
    start.page.goto(ORIGIN)
    start.page.keyboard.press("Tab")
    expect(start.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    start.page.get_by_role("button", name="Copy").nth(1).click()
    expect(start.page.get_by_role("status")).to_have_text("Copied")
    copied = start.page.evaluate("navigator.clipboard.readText()")
    assert copied == f'curl -s -H "X-API-Key: $HH_KEY" "{ORIGIN}/api/v1/jobs?status=open&limit=10"', copied
    start.check("the copy button")
    start.context.close()


def swagger(browser):
    # From the start page, as somebody who has read nothing.
    for width in WIDTHS:
        ui = Page(browser, viewport={"width": width, "height": 900})
        page = ui.page
        page.goto(ORIGIN)
        page.get_by_role("link", name="Try it", exact=False).first.click()
        page.wait_for_selector(".opblock")

        def authorize(key):
            page.locator(".auth-wrapper .authorize").click()
            logout = page.get_by_role("button", name="Logout")
            if logout.is_visible():
                logout.click()
            page.get_by_label("Value of the key").fill(key)
            ui.page.screenshot(path=SHOTS / f"swagger-authorize-{width}.png")
            ui.check(f"the dialog to authorize, at {width} pixels")
            page.locator(".auth-container").get_by_role("button", name="Authorize").click()
            page.get_by_role("button", name="Close").first.click()

        operation = page.locator("#operations-Jobs-listJobs")
        operation.locator(".opblock-summary-control").click()
        authorize("hh_live_wrong")
        # The browser tells of every answer that is no success.
        ui.allowed = ["401 (Unauthorized)"]
        operation.get_by_role("button", name="Execute").click()
        expect(operation.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("401")
        authorize(KEY)
        ui.allowed = []
        operation.get_by_role("button", name="Execute").click()
        expect(operation.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
        expect(operation.locator(".live-responses-table")).to_contain_text('"title"')
        operation.locator(".live-responses-table").scroll_into_view_if_needed()
        page.screenshot(path=SHOTS / f"swagger-tried-{width}.png")
        ui.check(f"Swagger UI after a request, at {width} pixels")

        kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        assert KEY not in kept, "the key is kept"
        page.reload()
        page.wait_for_selector(".opblock")
        assert page.locator(".auth-wrapper .authorize.unlocked").count() == 1, "the key is still there"
        ui.context.close()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    every_page(browser)
    without_scripts(browser)
    copy_button(browser)
    swagger(browser)
    browser.close()
