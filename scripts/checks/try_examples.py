"""Runs every runnable example of the guides: curl in a shell, Python and JavaScript, with this host in place of the example host, as
on the pages. Each must succeed, except the conditional update, which another example has made stale, and the erasure, for which no demo
key has the scope.

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

with urllib.request.urlopen(f"{ORIGIN}/docs/all.md") as response:
    guides = response.read().decode()

count = 0
for language, code in re.findall(r"^```(sh|python|js)\n(.*?)^```$", guides, re.MULTILINE | re.DOTALL):
    # scripts/try-clients covers generating clients; `read` would wait for someone to type a key.
    if code.startswith(("npx", "openapi-python-client", "openapi-generator-cli", "read ")):
        continue
    code = code.replace("https://api.example.com", ORIGIN)
    done = subprocess.run(COMMANDS[language] + [code], capture_output=True, text=True, env=os.environ | {"HH_KEY": KEY})
    refused = (
        "If-Match" in code and '"code":"version_conflict"' in done.stdout
        or "-X DELETE" in code and '"code":"insufficient_scope"' in done.stdout
    )
    printed = r'\{"success":true,.*|\d+ jobs\n|job [0-9a-f-]{36}\n|304\n'
    fine = refused or done.returncode == 0 and re.fullmatch(printed, done.stdout, re.DOTALL)
    if not fine:
        raise SystemExit(f"{code}\nprinted {done.stdout}{done.stderr}")
    count += 1
assert count == 32, count
print(f"the guides' {count} examples work")
