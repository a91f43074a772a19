// Dark or light.

export function isLight() {
  return document.documentElement.dataset.lmTheme === "light";
}

export function setTheme(light) {
  document.documentElement.dataset.lmTheme = light ? "light" : "dark";
  document.querySelector(".lm-theme").textContent = light ? "Dark" : "Light";
}
