// The list of runs keeps itself up to date while its first page is shown without filters.
(() => {
  const rows = document.getElementById("rows");
  if (!rows?.dataset.runsStream) return;
  let due = 0;

  // Many changes within a moment are one request; a hidden page asks when it is seen again.
  function refresh() {
    if (due || document.hidden) return;
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
