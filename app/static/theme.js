// Dark or light; alone or in a frame of another page.

export function noteFrame() {
  document.documentElement.toggleAttribute("data-framed", window.self !== window.top);
}

export function isLight() {
  return document.documentElement.dataset.lmTheme === "light";
}

export function setTheme(light) {
  document.documentElement.dataset.lmTheme = light ? "light" : "dark";
  document.querySelector(".lm-theme").textContent = light ? "Dark" : "Light";
}
