'use strict';

/**
 * The errors of a recording, drawn when its block is opened.
 *
 * The data block "mistakes": {systems: [name], rows: [[recording, number of the system, errors left out, snippets]]};
 * a snippet is a row of pieces: words on which both agree, or [said, heard] with "" where one has nothing.
 */
(() => {
  const block = document.getElementById('mistakes');
  if (!block) return;
  const { systems, rows } = JSON.parse(block.textContent);
  const byRecording = new Map();
  for (const row of rows) {
    if (!byRecording.has(row[0])) byRecording.set(row[0], []);
    byRecording.get(row[0]).push(row);
  }

  /** An element with a class and text. */
  function made(tag, name, text) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  /** For ears, and for eyes: one above the other. */
  function pair(said, heard) {
    const kind = said && heard ? 'substituted' : said ? 'deleted' : 'inserted';
    const box = made('span', `pair ${kind}`);
    const spoken = { substituted: `said ${said}, heard ${heard}`, deleted: `left out ${said}`, inserted: `made up ${heard}` };
    box.append(made('span', 'unseen', ` (${spoken[kind]}) `));
    const above = made(said ? 's' : 'i', '', said || '+');
    const below = made(heard ? 'b' : 'i', '', heard || '–');
    for (const part of [above, below]) {
      part.setAttribute('aria-hidden', 'true');
      part.dir = 'auto';
      box.append(part);
    }
    return box;
  }

  function snippet(pieces) {
    const line = made('li');
    line.dir = 'auto';
    for (const piece of pieces) {
      line.append(typeof piece === 'string' ? made('bdi', 'agreed', piece) : pair(piece[0], piece[1]), ' ');
    }
    return line;
  }

  function fill(details) {
    if (details.dataset.filled) return;
    details.dataset.filled = 'yes';
    for (const [, system, leftOut, snippets] of byRecording.get(details.dataset.recording) || []) {
      const head = made('h3');
      head.append(made('bdi', '', systems[system]));
      details.append(head);
      if (!snippets.length && !leftOut) details.append(made('p', 'muted', 'No errors.'));
      const list = made('ul', 'snippets');
      list.append(...snippets.map(snippet));
      if (snippets.length) details.append(list);
      if (leftOut) details.append(made('p', 'muted', `${leftOut} more errors are not in this page.`));
    }
  }

  const blocks = new Map(Array.from(document.querySelectorAll('details[data-recording]'), (d) => [d.dataset.recording, d]));
  for (const details of blocks.values()) {
    details.addEventListener('toggle', () => details.open && fill(details));
  }
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[data-open]');
    const details = link && blocks.get(link.dataset.open);
    if (!details) return;
    event.preventDefault();
    details.open = true;
    fill(details);
    details.scrollIntoView();
    details.querySelector('summary').focus();
  });
})();
