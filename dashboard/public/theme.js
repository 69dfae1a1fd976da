// Before the first paint: the theme chosen in Settings, and more contrast where the system asks for it.
(() => {
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem("consortium.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {}
  const contrast = matchMedia("(prefers-contrast: more)");
  const apply = () => {
    if (contrast.matches) root.dataset.contrast = "more";
    else delete root.dataset.contrast;
  };
  contrast.addEventListener("change", apply);
  apply();
})();
