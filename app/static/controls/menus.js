// Menus that open over the page: one at a time, closed by a click elsewhere or Escape, and those
// that save by what is chosen in them.

export function listenForMenus(root) {
  const opened = () => root.querySelectorAll(".lm-menu[open]");
  document.addEventListener("click", (e) => {
    for (const menu of opened()) {
      const saves = e.target.closest(":is(.lm-take, .lm-save) button");
      if (!menu.contains(e.target) || saves) menu.open = false;
    }
  });
  root.addEventListener("keydown", (e) => {
    const menu = e.target.closest(".lm-menu[open]");
    if (e.key !== "Escape" || !menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
