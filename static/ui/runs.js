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
