// The live view of one run: server-sent events move the graph, the log and the text.
(() => {
  const view = document.getElementById("run");
  if (!view) return;
  const NODE_STATE = { __proto__: null, started: "running", retried: "running" };
  const RUN_STATE = { __proto__: null, started: "running", resumed: "running", resuming: "queued", retried: "queued", reset: "queued" };
  const log = document.getElementById("log");
  const endings = ["run.succeeded", "run.failed", "run.cancelled", "run.terminated", "run.timed-out"];
  const asked = ["run.pausing", "run.cancelling", "run.signalled", "run.reused"];
  const kinds = [
    "run.queued", "run.started", "run.waiting", "run.resumed", ...endings, ...asked,
    "run.paused", "run.parked", "run.resuming", "run.retried", "run.reset", "node.skipping", "node.skipped",
    "node.started", "node.succeeded", "node.failed", "node.retried", "node.waiting", "node.exception",
  ];

  const nodeOf = (id) => view.querySelector(`[data-node="${CSS.escape(id)}"]`);

  function paintEdges() {
    view.querySelectorAll(".edge").forEach((edge) => {
      const source = nodeOf(edge.dataset.source)?.dataset.state;
      const target = nodeOf(edge.dataset.target)?.dataset.state;
      const settled = ["succeeded", "exception"].includes(source);
      edge.classList.toggle("on", settled && ["running", "waiting"].includes(target));
      edge.classList.toggle("done", settled && ["succeeded", "failed", "exception"].includes(target));
    });
  }

  function setNode(event) {
    const node = nodeOf(event.node_id);
    if (!node) return;
    const word = event.kind.replace("node.", "");
    if (word === "skipping") return;
    const inner = event.data.iteration != null;
    if (inner && ["iteration-start", "loop-start"].includes(node.dataset.type) && word === "succeeded") countRound(node);
    const state = word === "failed" && event.data.handled ? "exception" : (NODE_STATE[word] ?? word);
    node.dataset.state = state;
    const { duration_ms: ms, usage } = event.data;
    if (ms != null) {
      const tokens = usage?.total_tokens;
      const note = [`${Math.round(ms)} ms`, tokens ? `${tokens} tok` : ""].filter(Boolean);
      node.querySelector("[data-note]").textContent = note.join(" · ");
    }
    if (node.dataset.state === "running" && !inner) {
      node.scrollIntoView({ block: "nearest", inline: "center", behavior: "smooth" });
    }
    paintEdges();
  }

  // How many rounds of its container have begun; of how many stands there already.
  function countRound(node) {
    const shown = nodeOf(node.dataset.parent ?? "")?.querySelector("[data-rounds]");
    if (!shown) return;
    const [begun, total] = shown.textContent.split("/").map((part) => part.trim());
    shown.textContent = [Number(begun || 0) + 1, total].filter(Boolean).join(" / ");
  }

  function setRun(event) {
    document.body.dispatchEvent(new CustomEvent("ui:run"));
    if (asked.includes(event.kind)) return;
    const word = event.kind.replace("run.", "");
    const badge = document.querySelector("#run-state .ui-badge");
    const state = event.data.state ?? RUN_STATE[word] ?? word;
    badge.className = `ui-badge ${state}`;
    badge.dataset.state = state;
    badge.textContent = document.getElementById("run-words").dataset[state.replace(/-(\w)/g, (_, c) => c.toUpperCase())] ?? state;
    if (event.kind !== "run.started") refresh();
  }

  function refresh() {
    htmx.ajax("GET", view.dataset.result, { target: "#result", swap: "innerHTML" });
    document.body.dispatchEvent(new CustomEvent("ui:changed"));
  }

  function addLine(event) {
    const line = document.createElement("div");
    const round = event.data.iteration != null ? ` [${event.data.iteration}]` : "";
    const parts = [event.at.slice(11, 19), `${event.kind} ${event.node_id}${round}`, event.data.duration_ms != null ? `${Math.round(event.data.duration_ms)} ms` : ""];
    for (const part of parts) {
      const span = document.createElement("span");
      span.textContent = part;
      line.append(span);
    }
    if (event.kind.endsWith(".failed")) line.className = "bad";
    log.append(line);
    const option = new Option(`${event.seq} · ${event.kind} ${event.node_id}${round}`, event.seq);
    document.getElementById("reset-to")?.append(option);
    log.scrollTop = log.scrollHeight;
  }

  function take(message) {
    const event = JSON.parse(message.data);
    addLine(event);
    if (event.kind.startsWith("node.")) setNode(event);
    else setRun(event);
    if (!endings.includes(event.kind)) return;
    source.close();
    for (const node of view.querySelectorAll('.ui-node:is([data-state="running"], [data-state="waiting"])')) node.dataset.state = "cancelled";
    paintEdges();
  }

  paintEdges();
  const active = view.querySelector('.ui-node:is([data-state="running"], [data-state="waiting"], [data-state="failed"])');
  active?.scrollIntoView({ block: "center", inline: "center" });
  view.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-node]");
    if (!chosen) return;
    view.querySelectorAll(".ui-node.selected").forEach((node) => node.classList.remove("selected"));
    chosen.classList.add("selected");
    document.getElementById("tab-detail").click();
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-choose]");
    const choice = opener && document.querySelector(`#${opener.dataset.dialog} [data-node-choice]`);
    if (choice) choice.value = opener.dataset.choose;
  });
  if (view.dataset.live !== "1") return;
  const source = new EventSource(`${view.dataset.stream}?after=${view.dataset.seq}`);
  kinds.forEach((kind) => source.addEventListener(kind, take));
  source.addEventListener("delta", (message) => {
    const target = document.getElementById("live-text");
    const { text, offset = 0 } = JSON.parse(message.data);
    if (target) target.textContent = [...target.textContent].slice(0, offset).join("") + text;
  });
})();
