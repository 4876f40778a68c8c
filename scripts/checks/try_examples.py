"""Runs every example of the guides that can be run: curl in a shell, Python and JavaScript, with this host put in place of the one
that they name, as the pages do. Each must succeed, but for the one that asks for a version that another has changed.

Usage: try_examples.py ORIGIN KEYS_FILE
"""

import json
import os
import re
import subprocess
import sys
import urllib.request

ORIGIN, KEYS = sys.argv[1], json.load(open(sys.argv[2]))
KEY = next(key["key"] for key in KEYS if key["plan"] == "professional" and key["label"] == "all")
COMMANDS = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"], "js": ["node", "--input-type=module", "-e"]}

with urllib.request.urlopen(f"{ORIGIN}/docs/all.md") as answer:
    guides = answer.read().decode()

count = 0
for language, code in re.findall(r"^```(sh|python|js)\n(.*?)^```$", guides, re.MULTILINE | re.DOTALL):
    # What makes a client is tried by scripts/try-clients; a key is not put into this shell.
    if code.startswith(("npx", "openapi-python-client", "openapi-generator-cli", "read ")):
        continue
    code = code.replace("https://api.example.com", ORIGIN)
    done = subprocess.run(COMMANDS[language] + [code], capture_output=True, text=True, env=os.environ | {"HH_KEY": KEY})
    changed = "If-Match" in code and '"code":"version_conflict"' in done.stdout
    fine = changed or done.returncode == 0 and (done.stdout.startswith('{"success":true,') or re.fullmatch(r"\d+ jobs\n", done.stdout))
    if not fine:
        raise SystemExit(f"{code}\nanswers {done.stdout}{done.stderr}")
    count += 1
assert count == 22, count
print(f"the guides' examples work: {count} of them")
