"""Does everything that an organization's admin does, by keyboard only and at two widths: signs in, creates a key, calls the API with it,
sees the usage, rotates the key, revokes it, signs out. Checks every page on the way with axe-core. Then repeats it without scripts.

Usage: try_settings.py ORIGIN
"""

import re
import urllib.error
import urllib.request

from browser import ORIGIN, SHOTS, Window, launched
from playwright.sync_api import expect

ADMIN = "Northfield Search Group, admin"
MEMBER = "Northfield Search Group, member"


def call(key, path="/api/v1/jobs", body=None):
    """The status of a request with the key."""
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    try:
        return urllib.request.urlopen(urllib.request.Request(ORIGIN + path, body, headers)).status
    except urllib.error.HTTPError as error:
        return error.code


class Way:
    """A person at a keyboard."""

    def __init__(self, browser, width):
        self.window = Window(browser, viewport={"width": width, "height": 800})
        self.window.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=ORIGIN)
        self.page, self.width, self.seen = self.window.page, width, 0

    def look(self, what):
        """Checks the current page, and takes a screenshot."""
        self.seen += 1
        name = re.sub(r"\W+", "-", what.lower())
        self.page.screenshot(path=SHOTS / f"settings-{self.seen:02}-{name}-{self.width}.png", full_page=True)
        self.window.check(f"{what}, at {self.width} pixels")

    def focus(self, wanted):
        """Presses Tab until the element has the focus."""
        expect(wanted).to_be_visible()
        for _ in range(80):
            if wanted.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise SystemExit(f"no Tab leads to {wanted}")

    def press(self, wanted, key="Enter"):
        self.focus(wanted)
        self.page.keyboard.press(key)

    def link(self, name):
        self.press(self.page.get_by_role("link", name=name, exact=True).first)

    def button(self, name):
        self.press(self.page.get_by_role("button", name=name, exact=True).first)

    def title(self, text):
        expect(self.page.get_by_role("heading", level=1)).to_have_text(text)

    def key(self, name):
        return self.page.get_by_role("listitem").filter(has=self.page.get_by_role("heading", name=name, exact=True))

    def sign_in(self, person):
        self.page.goto(f"{ORIGIN}/settings")
        self.title("Who are you?")
        self.window.check(f"the development sign-in, at {self.width} pixels")
        self.link(person)
        self.title("API keys")

    def copied_secret(self):
        """Copies the key, after trying to leave without copying it."""
        dialogs = []
        self.page.once("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.dismiss()))
        self.link("Done")
        self.page.wait_for_timeout(200)
        assert dialogs == ["beforeunload"], dialogs
        self.title("Save this key now")
        self.button("Copy the key")
        expect(self.page.get_by_role("status")).to_have_text("Copied")
        key = self.page.evaluate("navigator.clipboard.readText()")
        assert re.fullmatch(r"hh_live_[0-9A-Za-z]{48}", key), key
        # The commands read the key from a shell variable; it is not in them.
        text = self.page.locator("main").inner_text()
        assert "read -rs HH_KEY" in text and f'curl -H @- "{ORIGIN}/api/v1/jobs"' in text and text.count(key) == 1, text
        return key


def whole_way(browser, width):
    name = f"by keyboard, {width}"
    way = Way(browser, width)
    way.sign_in(ADMIN)
    way.look("Keys")

    way.link("New key")
    way.title("New key")
    way.button("Create key")
    # The browser itself requires the name.
    way.title("New key")
    way.focus(way.page.get_by_label("Name"))
    way.page.keyboard.type(name)
    for scope in ["jobs:read", "candidates:read"]:
        way.press(way.page.get_by_role("checkbox", name=scope), "Space")
    way.look("New key")
    way.button("Create key")
    way.title("Save this key now")
    way.look("The key, once")
    first = way.copied_secret()

    assert call(first) == 200 and call(first, "/api/v1/candidates") == 200
    assert call(first, "/api/v1/jobs", b'{"title": "x"}') == 403 and call(first, "/api/v1/pipeline/stages") == 403
    way.link("Done")
    way.title("API keys")
    expect(way.key(name)).to_contain_text("active")
    expect(way.key(name)).not_to_contain_text("never")
    way.page.go_back()
    assert first not in way.page.content(), "Back shows the key again"

    way.page.goto(f"{ORIGIN}/settings")
    way.link("Usage")
    way.title("Usage")
    used = way.page.get_by_role("region", name=f"{name}")
    # Requests without the scope count for nothing, and are shown apart.
    expect(used).to_contain_text("2 requests in 30 days")
    expect(used).to_contain_text("Last refused:")
    way.look("Usage")

    way.link("API keys")
    way.link(f"Rotate {name}")
    way.title(f"Rotate “{name}”")
    way.focus(way.page.get_by_role("radio", name="24 hours"))
    way.page.keyboard.press("ArrowDown")
    expect(way.page.get_by_role("radio", name="7 days")).to_be_checked()
    way.look("Rotate")
    way.button("Rotate")
    way.title("Save this key now")
    second = way.copied_secret()
    assert second != first and second[:18] == first[:18]
    assert call(first) == 200 and call(second) == 200
    way.link("Done")
    expect(way.key(name)).to_contain_text("rotating until")
    expect(way.key(name)).to_contain_text(f"The old secret, …{first[-4:]}, was used once since.")
    way.look("Keys, one rotating")

    # The errors of `jobs` and `pipeline` were each saved at once, as the first of their minutes.
    way.link("Usage")
    expect(used).to_contain_text("2 × insufficient_scope")
    way.link("API keys")
    way.link(f"Revoke {name}")
    way.title(f"Revoke “{name}”?")
    way.look("Revoke")
    way.button("Revoke this key")
    way.title("API keys")
    expect(way.page.get_by_role("status").first).to_contain_text("is revoked")
    assert call(first) == 401 and call(second) == 401
    way.look("Keys, one revoked")

    way.link("Activity")
    way.title("Activity")
    expect(way.page.get_by_role("row").nth(1)).to_contain_text(f"revoked{name}")
    way.look("Activity")
    way.link("Plan")
    way.title("Plan")
    expect(way.page.get_by_role("row").filter(has_text="(current)")).to_contain_text("10,000")
    way.look("Plan")

    kept = way.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert kept == "[{},{},\"\"]", f"scripts can read {kept}"
    way.button("Sign out")
    # Via the issuer, and back.
    way.title("You are signed out")
    assert way.page.url == f"{ORIGIN}/settings/signed-out", way.page.url
    way.look("Signed out")
    way.page.goto(f"{ORIGIN}/settings/keys")
    way.title("Who are you?")
    way.window.context.close()


def wrong_form(browser):
    way = Way(browser, 360)
    way.sign_in(ADMIN)
    way.window.allowed = ["422 (Unprocessable"]
    way.link("New key")
    way.focus(way.page.get_by_label("Name"))
    way.page.keyboard.type("no scope")
    way.page.keyboard.press("Enter")
    expect(way.page.get_by_role("alert")).to_be_focused()
    expect(way.page).to_have_title(re.compile("^Error: New key"))
    way.look("A wrong form")
    way.window.context.close()


def free_plan(browser):
    way = Way(browser, 1280)
    way.sign_in("Birch Lane Recruiting, admin")
    expect(way.page.locator(".notice")).to_contain_text("The Free plan has no API access")
    way.look("Keys on the Free plan")
    way.window.context.close()


def sent_twice(browser):
    """A second click while the first is in progress is not sent: it would replace the response with the key."""
    way = Way(browser, 1280)
    way.sign_in("Meridian Workforce International, admin")
    way.link("New key")
    way.page.get_by_label("Name").fill("clicked twice")
    way.page.get_by_role("checkbox", name="jobs:read").check()
    sent = []
    way.page.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    slow = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
    way.window.context.new_cdp_session(way.page).send("Network.emulateNetworkConditions", slow)
    twice = "() => { const button = document.querySelector('.actions button'); button.click(); setTimeout(() => button.click(), 100); }"
    way.page.evaluate(twice)
    way.title("Save this key now")
    assert len(sent) == 1, sent
    way.copied_secret()
    way.window.context.close()
    print("ok: a form that is sent twice")


def member_looks(browser):
    way = Way(browser, 360)
    way.sign_in(MEMBER)
    expect(way.page.get_by_role("link", name="New key")).to_have_count(0)
    expect(way.page.get_by_role("link", name="Rotate all")).to_have_count(0)
    way.look("Keys, as a member sees them")
    way.window.allowed = ["403 (Forbidden)"]
    way.page.goto(f"{ORIGIN}/settings/keys/new")
    way.title("Admins only")
    way.look("Admins only")
    way.window.context.close()


def without_scripts(browser):
    plain = Window(browser, java_script_enabled=False)
    page = plain.page
    page.goto(f"{ORIGIN}/settings/keys/new")
    page.get_by_role("link", name=ADMIN).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New key")
    page.get_by_role("link", name="Sync candidates").click()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    page.get_by_label("Name").fill("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Create key").click()
    key = page.locator("#secret").inner_text()
    assert call(key, "/api/v1/candidates") == 200
    # Reloading sends the form again: there is still one key, and it is not shown.
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("This key is created already")
    assert key not in page.content()
    page.get_by_role("link", name="To the API keys").click()
    row = page.get_by_role("listitem").filter(has_text="<img src=x onerror=alert(1)>")
    expect(row).to_have_count(1)
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke this key").click()
    assert call(key, "/api/v1/candidates") == 401
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    plain.context.close()
    print("ok: the settings without scripts")


with launched() as browser:
    for width in [360, 1280]:
        whole_way(browser, width)
    wrong_form(browser)
    free_plan(browser)
    sent_twice(browser)
    member_looks(browser)
    without_scripts(browser)
