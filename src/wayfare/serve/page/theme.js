// Which colours: the system's, unless somebody has chosen. Runs before the page is painted, so that nothing flashes.
"use strict";
(() => {
  const root = document.documentElement;
  const apply = (choice) => {
    if (choice === "light" || choice === "dark") root.dataset.theme = choice;
    else delete root.dataset.theme;
  };
  const kept = () => {
    try {
      return localStorage.getItem("wayfare-theme") ?? "system";
    } catch {
      return "system";
    }
  };
  apply(kept());
  addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    select.value = kept();
    select.addEventListener("change", () => {
      apply(select.value);
      try {
        localStorage.setItem("wayfare-theme", select.value);
      } catch { /* a browser that keeps nothing: it holds until the tab is closed */ }
    });
  });
})();
