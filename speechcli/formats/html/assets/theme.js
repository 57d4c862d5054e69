'use strict';
// Light and dark: as the system has it, until the button with the id "theme" is pressed.

/** @returns {'light'|'dark'} what is seen now */
function themeSeen() {
  const chosen = document.documentElement.dataset.theme;
  return chosen || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem('speechcli-theme', theme);
  } catch {
    // a browser that keeps nothing: the choice holds for this page
  }
  document.dispatchEvent(new CustomEvent('theme'));
}

function startTheme() {
  let kept = null;
  try {
    kept = localStorage.getItem('speechcli-theme');
  } catch {
    // as above
  }
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
  const button = document.getElementById('theme');
  if (button) button.addEventListener('click', () => setTheme(themeSeen() === 'dark' ? 'light' : 'dark'));
}

startTheme();
