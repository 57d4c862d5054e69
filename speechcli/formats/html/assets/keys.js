'use strict';
// The keyboard: one key each, and none while somebody types.

/** @param {Object<string, () => void>} actions by key */
function listen(actions) {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const { target } = event;
    if (target.closest('input, textarea, select, [contenteditable], dialog')) return;
    if (document.querySelector('dialog[open]')) return;
    const pressed = target.closest('button, a, summary');
    if (pressed && (event.key === ' ' || event.key === 'Enter')) return; // it is pressed
    if (event.key.startsWith('Arrow') && target.closest('#side, #lanes')) return; // they are scrolled
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
