// Loaded before anything is painted, so that a page never shows in the wrong colours first.
try {
  const theme = localStorage.getItem("openrsvp-theme");
  if (/^(latte|frappe|macchiato|mocha)$/.test(theme)) document.documentElement.dataset.theme = theme;
} catch { /* No storage: the system's choice. */ }
