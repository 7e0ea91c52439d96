// Choosing runs in the list: all that are shown, and how many are chosen.
(() => {
  const form = document.getElementById("bulk");
  if (!form) return;
  const all = form.querySelector("[data-choose-all]");
  const boxes = () => [...form.querySelectorAll('input[name="run"]')];

  function count() {
    const chosen = boxes().filter((box) => box.checked).length;
    form.querySelector("[data-chosen]").textContent = chosen ? `${chosen} ${form.dataset.chosenWord}` : "";
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
  }

  form.addEventListener("change", (event) => {
    if (event.target === all) {
      for (const box of boxes()) box.checked = all.checked;
    }
    count();
  });
  document.addEventListener("htmx:afterSettle", count);
  count();
})();

// The list of runs keeps itself up to date while its first page is shown without filters.
(() => {
  const rows = document.getElementById("rows");
  if (!rows?.dataset.runsStream) return;
  let due = 0;

  // Many changes within a moment are one request; a hidden page asks when it is seen again.
  function refresh() {
    if (due || document.hidden || document.querySelector('#bulk input[name="run"]:checked')) return;
    due = setTimeout(() => {
      due = 0;
      if (!document.querySelector("#run-rows[data-live]")) return;
      htmx.ajax("GET", rows.dataset.runsUrl, { target: "#rows", swap: "innerHTML" });
    }, 700);
  }

  const source = new EventSource(rows.dataset.runsStream);
  for (const kind of ["open", "run", "reset"]) source.addEventListener(kind, refresh);
  document.addEventListener("visibilitychange", refresh);
  addEventListener("pagehide", () => source.close());
})();
