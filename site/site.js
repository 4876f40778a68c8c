// What makes the pages better where scripts run: examples with this host, copy buttons, headings to link to.
"use strict";

const placeholder = "https://api.example.com";
const status = document.getElementById("status");

for (const code of document.querySelectorAll("main pre code")) {
  if (code.textContent.includes(placeholder)) {
    code.textContent = code.textContent.replaceAll(placeholder, location.origin);
  }
}

function copyButton(text, what) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  if (what) button.setAttribute("aria-label", `Copy ${what}`);
  button.addEventListener("click", async () => {
    let told = "Copied";
    try {
      await navigator.clipboard.writeText(text());
      button.dispatchEvent(new Event("copied", { bubbles: true }));
    } catch {
      told = "Not copied";
    }
    button.textContent = told;
    status.textContent = told;
    setTimeout(() => {
      button.textContent = "Copy";
      status.textContent = "";
    }, 2000);
  });
  return button;
}

for (const pre of document.querySelectorAll('main pre:has(code[class^="language-"])')) {
  const around = document.createElement("div");
  around.className = "copyable";
  pre.replaceWith(around);
  around.append(pre, copyButton(() => pre.textContent.trimEnd(), pre.dataset.what));
}

// What fits needs no stop for the keyboard.
function mindScrolling() {
  for (const box of document.querySelectorAll("main pre, main .scroll")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
mindScrolling();
addEventListener("resize", mindScrolling);
// What is folded away has no width. The event does not bubble.
document.addEventListener("toggle", mindScrolling, true);

for (const heading of document.querySelectorAll("main h2[id]")) {
  const link = document.createElement("a");
  link.href = `#${heading.id}`;
  link.append(...heading.childNodes);
  heading.append(link);
}
