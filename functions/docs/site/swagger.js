// Starts Swagger UI on our own document. The key is kept in the page alone.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// A page that the browser kept for the way back would still have the key.
addEventListener("pageshow", (event) => event.persisted && location.reload());

const root = document.getElementById("swagger-ui");

// Swagger UI leaves some of its controls without a name, and some of its scrolling boxes out of the keyboard's reach.
function name(selector, label) {
  for (const element of root.querySelectorAll(selector)) {
    const text = typeof label === "string" ? label : label(element);
    if (element.getAttribute("aria-label") !== text) element.setAttribute("aria-label", text);
  }
}

function mend() {
  name("tr[data-param-name] :is(select, input, textarea)", (field) => field.closest("tr").dataset.paramName);
  name(".examples-select-element", "Example");
  name(".content-type", "Media type");
  name(".body-param textarea", "Body");
  name(".close-modal", "Close");
  name(".modal-btn.authorize[type=submit]", "Authorize");
  name(".modal-btn.auth:not([type=submit])", (button) => button.textContent);
  name(".auth-container input", "Value of the key");
  name(".copy-to-clipboard button", "Copy");
  for (const box of root.querySelectorAll("pre:not([tabindex])")) box.tabIndex = 0;
}

new MutationObserver(mend).observe(root, { childList: true, subtree: true });

SwaggerUIBundle({
  url: "/api/v1/openapi.json",
  domNode: root,
  persistAuthorization: false,
  validatorUrl: "none",
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: -1,
  syntaxHighlight: false,
  plugins: [
    // The page has its own introduction, and there is one server: this one.
    { components: { InfoContainer: () => null, ServersContainer: () => null } },
    // The entries of `ids` are texts like any other: Swagger UI looks for a field of its own for their format.
    ({ React, getComponent }) => ({
      components: {
        JsonSchema_string_uuid: (properties) => React.createElement(getComponent("JsonSchema_string"), properties),
      },
    }),
  ],
});
