'use strict';

/** Tables whose columns sort when their heads are pressed; and in that of the recordings one figure shown at a time. */
(() => {
  /** What a row is sorted by in a column: a number, null for none, or text. */
  function keyOf(row, place) {
    const cell = row.cells[place];
    if (cell.dataset.sort === undefined) return cell.textContent;
    return cell.dataset.sort === '' ? null : Number(cell.dataset.sort);
  }

  /** Unknown figures come last whichever way. */
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === 'number' && typeof b === 'number') return sign * (a - b);
    return sign * String(a).localeCompare(String(b), undefined, { numeric: true });
  }

  function sort(table, head) {
    const place = head.cellIndex;
    const sign = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
    const rows = Array.from(table.tBodies[0].rows, (row) => [keyOf(row, place), row]);
    rows.sort((a, b) => compare(a[0], b[0], sign));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', sign === 1 ? 'ascending' : 'descending');
    table.tBodies[0].append(...rows.map((row) => row[1]));
  }

  for (const table of document.querySelectorAll('table.sortable')) {
    table.tHead.addEventListener('click', (event) => {
      const head = event.target.closest('button') && event.target.closest('th');
      if (head) sort(table, head);
    });
  }

  /** Shows the cells of one figure, with bars as long as the figures are large. */
  function show(table, kind) {
    table.dataset.shown = kind;
    let most = 0;
    for (const cell of table.querySelectorAll('[data-kind]')) {
      cell.classList.toggle('off', cell.dataset.kind !== kind);
      if (cell.dataset.kind === kind && cell.dataset.sort) most = Math.max(most, Number(cell.dataset.sort));
    }
    for (const cell of table.querySelectorAll(`td[data-kind="${kind}"]`)) {
      const share = most && cell.dataset.sort ? (100 * Number(cell.dataset.sort)) / most : 0;
      cell.style.setProperty('--share', share.toFixed(1));
    }
  }

  const recordings = document.getElementById('recordings');
  if (recordings) {
    const choice = document.getElementById('kind');
    choice.addEventListener('change', () => show(recordings, choice.value));
    show(recordings, choice.value);
  }
})();
