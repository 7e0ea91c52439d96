// Behaviour shared by every page: menus, theme, toasts, confirmations, copying, tabs, charts.
// Pages need no script of their own for these; they are driven by data attributes.
(() => {
  const words = () => document.getElementById("ui-words")?.dataset ?? {};

  // --- menus and the narrow-screen drawer ---------------------------------------------------
  function closeMenus(except) {
    document.querySelectorAll(".ui-menu[open]").forEach((menu) => {
      if (menu !== except) menu.open = false;
    });
  }

  function setDrawer(open) {
    const side = document.querySelector(".ui-side");
    const button = document.querySelector("[data-menu]");
    if (!side || !button) return;
    side.classList.toggle("open", open);
    button.setAttribute("aria-expanded", String(open));
    if (open) side.querySelector("a, summary")?.focus();
  }

  function toggleTheme() {
    const dark = document.documentElement.classList.toggle("dark");
    localStorage.setItem("adminTheme", JSON.stringify(dark ? "dark" : "light"));
    drawCharts();
    dispatchEvent(new CustomEvent("ui:theme"));
  }

  document.addEventListener("click", (event) => {
    const target = event.target;
    closeMenus(target.closest(".ui-menu"));
    if (target.closest("[data-menu]")) {
      setDrawer(!document.querySelector(".ui-side")?.classList.contains("open"));
    } else if (!target.closest(".ui-side")) {
      setDrawer(false);
    }
    if (target.closest("[data-theme-toggle]")) toggleTheme();
    const copy = target.closest("[data-copy]");
    if (copy) copyFrom(copy);
    const shut = target.closest("[data-close]");
    if (shut) shut.closest("dialog")?.close();
    const opener = target.closest("[data-dialog]");
    if (opener) {
      closeMenus();
      document.getElementById(opener.dataset.dialog)?.showModal();
    }
    if (target.matches("dialog.ui-dialog")) target.close();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector(".ui-menu[open]");
    closeMenus();
    open?.querySelector("summary")?.focus();
    if (document.querySelector(".ui-side.open")) {
      setDrawer(false);
      document.querySelector("[data-menu]")?.focus();
    }
  });

  // --- toasts ---------------------------------------------------------------------------------
  // A fragment may carry `<p class="ui-toast">`, a response the header
  // `HX-Trigger: {"ui:toast": {"text": "…", "tone": "error"}}`.
  function show(toast) {
    const lifetime = toast.matches(".error") ? 10000 : 4500;
    document.getElementById("toasts")?.append(toast);
    setTimeout(() => toast.remove(), lifetime);
  }

  function say(text, tone = "") {
    const toast = document.createElement("p");
    toast.className = `ui-toast ${tone}`;
    toast.textContent = text;
    show(toast);
  }

  function gatherToasts(root) {
    root.querySelectorAll(".ui-toast").forEach(show);
  }

  // A passkey that was cancelled or refused: allauth's scripts say so by this event alone.
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    say(words().key, "error");
  });

  document.addEventListener("ui:toast", (event) => say(event.detail.text, event.detail.tone));

  // --- HTMX: failures are said, a lost session leads to sign-in --------------------------------
  function refusalText(xhr) {
    try {
      return JSON.parse(xhr.responseText).message || words().failed;
    } catch {
      return words().failed;
    }
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.responseURL && new URL(xhr.responseURL).pathname.startsWith("/accounts/login")) {
      event.detail.shouldSwap = false;
      location.reload(); // so that sign-in leads back to this page, not to the fragment
    }
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (!event.detail.shouldSwap) say(refusalText(event.detail.xhr), "error");
  });
  document.addEventListener("htmx:sendError", () => say(words().offline, "error"));
  document.addEventListener("htmx:afterSettle", (event) => {
    gatherToasts(event.detail.elt);
    drawCharts(event.detail.elt);
  });

  // --- confirmation: data-confirm on a form's button, hx-confirm on an HTMX element ------------
  function confirmed(text) {
    const dialog = document.getElementById("ui-confirm");
    dialog.querySelector("#ui-confirm-text").textContent = text;
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }

  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    confirmed(event.detail.question).then((yes) => yes && event.detail.issueRequest(true));
  });

  document.addEventListener("submit", (event) => {
    const text = event.submitter?.dataset.confirm;
    if (!text || event.submitter.dataset.agreed) return;
    event.preventDefault();
    confirmed(text).then((yes) => {
      if (!yes) return;
      event.submitter.dataset.agreed = "1";
      event.target.requestSubmit(event.submitter);
      delete event.submitter.dataset.agreed;
    });
  });

  document.addEventListener("change", (event) => {
    event.target.closest("form[data-submit-on-change]")?.requestSubmit();
  });

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    const ours = document.body.matches(".ui") && event.target.method === "post";
    if (event.defaultPrevented || !ours) return;
    const button = event.submitter;
    if (button) setTimeout(() => button.setAttribute("aria-disabled", "true"));
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("button[aria-disabled=true]")) event.preventDefault();
  });
  addEventListener("pageshow", () => {
    document
      .querySelectorAll("button[aria-disabled=true]:not([data-locked])")
      .forEach((button) => button.removeAttribute("aria-disabled"));
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    event.detail.elt
      .querySelectorAll?.("button[aria-disabled=true]:not([data-locked])")
      .forEach((button) => button.removeAttribute("aria-disabled"));
  });

  // --- copying: data-copy names the element whose value or text is taken -----------------------
  async function copyFrom(button) {
    const source = document.querySelector(button.dataset.copy);
    const text = source?.value ?? source?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text.trim());
    } catch {
      getSelection().selectAllChildren(source);
      document.execCommand("copy");
    }
    say(words().copied);
  }

  // --- tabs: role=tablist with data-tabs; arrow keys move --------------------------------------
  function selectTab(tab) {
    const list = tab.closest("[role=tablist]");
    list.querySelectorAll("[role=tab]").forEach((other) => {
      const on = other === tab;
      other.setAttribute("aria-selected", String(on));
      other.tabIndex = on ? 0 : -1;
      const panel = document.getElementById(other.getAttribute("aria-controls"));
      if (panel) panel.hidden = !on;
    });
  }

  document.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-tabs] [role=tab]");
    if (tab) selectTab(tab);
  });
  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest?.("[data-tabs] [role=tab]");
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!tab || !step) return;
    const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")];
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.click(); // a panel may be asked for by the click
    next.focus();
  });

  // --- charts: <canvas data-ui-chart="id of a json_script" data-kind="bar|line"> ---------------
  const charts = new Map();
  const SERIES = ["#6366f1", "#0ea5e9", "#10b981", "#f59e0b", "#ec4899", "#64748b"];
  const TONES = { __proto__: null, ok: "#6366f1", bad: "#f43f5e", warn: "#f59e0b", run: "#0ea5e9", mute: "#94a3b8" };

  // Days come as 2026-11-20 and are written the reader's way.
  function dayLabels(labels) {
    const day = new Intl.DateTimeFormat(document.documentElement.lang, { month: "short", day: "numeric", timeZone: "UTC" });
    return labels.map((label) => (/^\d{4}-\d\d-\d\d$/.test(label) ? day.format(new Date(label)) : label));
  }

  function coloured(data, kind) {
    return {
      labels: dayLabels(data.labels),
      datasets: data.datasets.map((set, index) => {
        const colour = TONES[set.tone] ?? SERIES[index % SERIES.length];
        const line = { borderColor: colour, backgroundColor: `${colour}22`, fill: true, tension: 0.3, pointRadius: 0, borderWidth: 2 };
        const bar = { backgroundColor: colour, borderRadius: 3, maxBarThickness: 36 };
        return { ...(kind === "bar" ? bar : line), ...set };
      }),
    };
  }

  function chartOptions(element) {
    const style = getComputedStyle(document.documentElement);
    const line = style.getPropertyValue("--ui-line");
    const mute = style.getPropertyValue("--ui-mute");
    const font = { family: "Inter", size: 11 };
    const stacked = element.dataset.kind === "bar" || element.dataset.stack === "1";
    const unit = element.dataset.unit ?? "";
    const label = (value) => unit + Number(value).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 6 });
    return {
      responsive: true,
      maintainAspectRatio: false,
      animation: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { align: "end", labels: { boxWidth: 6, boxHeight: 6, usePointStyle: true, pointStyle: "circle", color: mute, font } },
        tooltip: { callbacks: { label: (item) => ` ${item.dataset.label}: ${label(item.parsed.y)}` } },
      },
      scales: {
        x: { stacked, grid: { display: false }, border: { display: false }, ticks: { color: mute, maxTicksLimit: 8, font } },
        y: { stacked, beginAtZero: true, border: { display: false }, grid: { color: line }, ticks: { color: mute, maxTicksLimit: 5, precision: unit ? undefined : 0, font, callback: label } },
      },
    };
  }

  function drawCharts(root = document) {
    if (!window.Chart) return;
    root.querySelectorAll?.("canvas[data-ui-chart]").forEach((element) => {
      charts.get(element)?.destroy();
      const data = JSON.parse(document.getElementById(element.dataset.uiChart).textContent);
      const { kind } = element.dataset;
      charts.set(element, new Chart(element, { type: kind, data: coloured(data, kind), options: chartOptions(element) }));
    });
  }

  addEventListener("DOMContentLoaded", async () => {
    gatherToasts(document);
    await document.fonts.load("11px Inter");
    drawCharts();
  });
  window.ui = { say, confirmed, drawCharts };
})();
