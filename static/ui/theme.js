// Runs before the first paint. The operators' console keeps its choice under "adminTheme" (JSON:
// "light", "dark" or "auto"); member pages share it, so both switch together.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return JSON.parse(localStorage.getItem("adminTheme")) || "auto";
    } catch {
      return "auto";
    }
  }

  function apply() {
    const theme = chosen();
    root.classList.toggle("dark", theme === "dark" || (theme === "auto" && system.matches));
  }

  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", (event) => {
    if (event.key === "adminTheme") apply();
  });
})();
