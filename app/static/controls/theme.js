// Dark or light: as the system has it, until the reader chooses. The word is kept in this
// browser.

const KEPT = "lmeran-look";
const SYSTEM = window.matchMedia("(prefers-color-scheme: light)");

// changed(): the page's colours did.
export function listenForLook(select, changed) {
  const show = () => {
    document.documentElement.dataset.lmTheme = select.value || (SYSTEM.matches ? "light" : "dark");
    changed();
  };
  select.value = kept();
  SYSTEM.addEventListener("change", show);
  select.addEventListener("change", () => {
    keep(select.value);
    show();
  });
  show();
}

function kept() {
  try {
    const word = window.localStorage.getItem(KEPT);
    return ["dark", "light"].includes(word) ? word : "";
  } catch {
    return ""; // a browser that keeps nothing for this page
  }
}

function keep(word) {
  try {
    if (word) window.localStorage.setItem(KEPT, word);
    else window.localStorage.removeItem(KEPT);
  } catch {
    // The look lasts as long as the page.
  }
}
