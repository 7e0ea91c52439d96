// The form of a scheduled task in the console: says in words what the chosen crontab means.
(() => {
  const words = document.getElementById("readable-crontabs");
  const chosen = document.getElementById("id_crontab");
  if (!words || !chosen) return;
  const readable = new Map(Object.entries(JSON.parse(words.textContent)));
  const said = document.createElement("p");
  said.setAttribute("aria-live", "polite");
  chosen.closest(".field-crontab")?.append(said);
  const row = document.querySelector(".field-crontab_translation");
  if (row) row.hidden = true;

  function say() {
    said.textContent = readable.get(chosen.value) ?? "";
  }

  // Django's own widgets announce a change through jQuery, which fires no event of the browser.
  (window.django?.jQuery?.(chosen) ?? { on: (name, act) => chosen.addEventListener(name, act) }).on("change", say);
  say();
})();
