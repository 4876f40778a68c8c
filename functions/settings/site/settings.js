
// What makes the settings better where scripts run: presets that keep the name, and a warning before a key is lost.
{
  const boxes = document.querySelectorAll('input[name="scope"]');
  for (const preset of document.querySelectorAll(".presets a")) {
    preset.setAttribute("role", "button");
    preset.addEventListener("click", (event) => {
      event.preventDefault();
      const scopes = preset.dataset.scopes.split(" ");
      for (const box of boxes) box.checked = scopes.includes(box.value);
      status.textContent = `${scopes.length} scopes are ticked`;
    });
    preset.addEventListener("keydown", (event) => {
      if (event.key === " ") {
        event.preventDefault();
        preset.click();
      }
    });
  }

  // Sent twice, a form is answered twice, and the first answer is the one with the key in it.
  for (const form of document.forms) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
  }
  addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });

  const secret = document.querySelector(".secret");
  if (secret) {
    let saved = false;
    const save = () => {
      saved = true;
    };
    secret.addEventListener("copied", save);
    secret.addEventListener("copy", () => {
      if (getSelection().toString().includes(document.getElementById("secret").textContent)) save();
    });
    addEventListener("beforeunload", (event) => {
      if (!saved) event.preventDefault();
    });
    // A browser may keep the page as it stands, to show it again with Back.
    addEventListener("pagehide", () => secret.replaceChildren());
  }
}
