// The inbox by keyboard, and a list that stays where it was when a task is opened.
// J/K or arrows on the list: next, previous task. A, R: first, second action. C: claim or release.
(() => {
  const list = () => document.getElementById("inbox-list");
  let scrolled = 0;
  let focused = false;

  function step(by) {
    const tasks = [...document.querySelectorAll("#inbox-list .ui-task")];
    if (!tasks.length) return;
    const at = tasks.findIndex((task) => task.hasAttribute("aria-current"));
    const next = tasks[at < 0 ? 0 : Math.min(Math.max(at + by, 0), tasks.length - 1)];
    next.focus();
    if (!next.hasAttribute("aria-current")) next.click();
  }

  function press(key) {
    const button = document.querySelector(`#task [data-key="${key}"]`);
    button?.focus();
    button?.click();
  }

  const KEYS = { __proto__: null, j: () => step(1), k: () => step(-1), a: () => press("a"), r: () => press("r"), c: () => press("c") };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    const busy = event.ctrlKey || event.metaKey || event.altKey || event.repeat;
    if (typing || busy || document.querySelector("dialog[open]")) return;
    const onList = event.target.closest("#inbox-list");
    const key = onList ? { ArrowDown: "j", ArrowUp: "k" }[event.key] ?? event.key : event.key;
    const act = KEYS[key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id !== "inbox") return;
    scrolled = list()?.scrollTop ?? 0;
    focused = event.detail.target.contains(document.activeElement);
  });

  // After a swap the reader stands on the opened task again, or on what needs correcting.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "inbox") return;
    if (list()) list().scrollTop = scrolled;
    const current = document.querySelector("#inbox-list [aria-current]");
    if (matchMedia("(max-width: 900px)").matches) {
      document.getElementById("task")?.scrollIntoView(); // the list stands above the task here
    } else {
      current?.scrollIntoView({ block: "nearest" });
    }
    if (!focused) return;
    const wrong = document.querySelector("#task [aria-invalid=true]");
    (wrong ?? current ?? document.getElementById("task-title"))?.focus({ preventScroll: !wrong });
  });
})();
