"""Checks the developer pages in a real browser: every page at two widths, light and dark, with axe-core; the copy button; Swagger UI
with an invalid and with a valid key. Fails on any console error, Content-Security-Policy violation or axe-core finding.

Usage: try_docs.py ORIGIN KEYS_FILE
"""

import json
import sys

from browser import ORIGIN, SHOTS, Window, launched
from playwright.sync_api import expect

KEYS = json.load(open(sys.argv[2]))
KEY = next(key["key"] for key in KEYS if key["plan"] == "professional" and key["label"] == "all")
PAGES = ["", "authentication", "pagination", "reference", "examples", "rate-limits", "retries", "erasing", "errors", "changelog", "swagger", "nowhere"]
WIDTHS = [360, 1280]

def every_page(browser):
    for width in WIDTHS:
        for scheme in ["light", "dark"]:
            seen = Window(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
            for name in PAGES:
                # The browser reports a missing page in the console, too.
                seen.allowed = ["404 (Not Found)"] if name == "nowhere" else []
                response = seen.page.goto(f"{ORIGIN}/docs/{name}".rstrip("/"), wait_until="networkidle")
                assert response.status == (404 if name == "nowhere" else 200)
                if name == "swagger":
                    seen.page.wait_for_selector(".opblock")
                seen.page.screenshot(path=SHOTS / f"{name or 'quick-start'}-{width}-{scheme}.png", full_page=name != "reference")
                seen.check(f"/docs/{name} at {width} pixels, {scheme}")
            seen.context.close()


def without_scripts(browser):
    plain = Window(browser, java_script_enabled=False)
    plain.page.goto(ORIGIN)
    expect(plain.page.get_by_role("heading", name="1. Create a key")).to_be_visible()
    plain.page.get_by_role("link", name="Errors").click()
    expect(plain.page.get_by_role("heading", name="email_taken")).to_be_visible()
    plain.context.close()
    print("ok: the pages without scripts")


def copy_button(browser):
    start = Window(browser)
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
    # From the start page, like someone who has read nothing.
    for width in WIDTHS:
        ui = Window(browser, viewport={"width": width, "height": 900})
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
        # The browser reports every error response in the console.
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


with launched() as browser:
    every_page(browser)
    without_scripts(browser)
    copy_button(browser)
    swagger(browser)
