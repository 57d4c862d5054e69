'use strict';
// Search in the text as it stands, whatever the case; hits are painted by the CSS Custom Highlight API where it is.

/**
 * @param {{query: HTMLInputElement, hits: HTMLElement, back: HTMLButtonElement, next: HTMLButtonElement,
 *   finder: HTMLElement, found: HTMLElement, list: HTMLElement}} parts
 * @param {object} view
 * @param {(hit: {segment: number, start: number}) => void} go shows a hit
 */
function makeSearch(parts, view, go) {
  const MOST_LISTED = 200;
  const MOST_PAINTED = 3000;
  const canPaint = typeof Highlight === 'function' && 'highlights' in CSS;
  let doc = null;
  let hits = [];
  let now = -1;
  let asked = '';
  let from = null; // what had the focus before

  function run() {
    const wanted = parts.query.value.trim();
    asked = wanted;
    hits = [];
    now = -1;
    if (wanted) {
      const escaped = wanted.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replace(/\s+/g, '\\s+');
      const pattern = new RegExp(escaped, 'gi');
      doc.segments.forEach((segment, i) => {
        for (const match of segment.text.matchAll(pattern)) {
          hits.push({ segment: i, from: match.index, to: match.index + match[0].length });
        }
      });
    }
    parts.finder.classList.toggle('looking', wanted !== '');
    parts.found.hidden = wanted === '';
    list();
    paint();
    tell();
  }

  function tell() {
    parts.back.disabled = parts.next.disabled = !hits.length;
    if (!asked) parts.hits.textContent = '';
    else if (!hits.length) parts.hits.textContent = 'no hits';
    else if (now < 0) parts.hits.textContent = hits.length === 1 ? '1 hit' : `${hits.length} hits`;
    else parts.hits.textContent = `${now + 1} of ${hits.length}`;
  }

  function list() {
    const rows = hits.slice(0, MOST_LISTED).map((hit, n) => {
      const text = doc.segments[hit.segment].text;
      const row = document.createElement('li');
      const button = document.createElement('button');
      button.type = 'button';
      button.dataset.hit = n;
      const at = document.createElement('span');
      at.className = 'at';
      at.textContent = clock(startOf(hit));
      const words = document.createElement('bdi');
      words.className = 'words';
      words.dir = 'auto';
      const mark = document.createElement('mark');
      mark.textContent = text.slice(hit.from, hit.to);
      const first = Math.max(0, hit.from - 30);
      words.append((first ? '…' : '') + text.slice(first, hit.from), mark, text.slice(hit.to, hit.to + 40));
      button.append(at, words);
      row.append(button);
      return row;
    });
    if (hits.length > MOST_LISTED) {
      const more = document.createElement('li');
      more.className = 'muted';
      more.textContent = `and ${hits.length - MOST_LISTED} more`;
      rows.push(more);
    }
    parts.list.replaceChildren(...rows);
  }

  /** The range of a hit among the text nodes of its paragraph; what the reference says is not of the text. */
  function rangeOf(hit) {
    const said = view.node(hit.segment)?.querySelector('.said');
    if (!said) return null;
    const walker = document.createTreeWalker(said, NodeFilter.SHOW_TEXT, (node) =>
      node.parentElement.closest('.ref') ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
    );
    const range = new Range();
    let seen = 0;
    let begun = false;
    while (walker.nextNode()) {
      const { length } = walker.currentNode;
      if (!begun && hit.from < seen + length) {
        range.setStart(walker.currentNode, hit.from - seen);
        begun = true;
      }
      if (begun && hit.to <= seen + length) {
        range.setEnd(walker.currentNode, hit.to - seen);
        return range;
      }
      seen += length;
    }
    return begun ? range : null;
  }

  function paint() {
    for (const node of document.querySelectorAll('.seg.hit')) node.classList.remove('hit');
    if (!canPaint) {
      if (now >= 0) view.node(hits[now].segment)?.classList.add('hit');
      return;
    }
    CSS.highlights.delete('hits');
    CSS.highlights.delete('hit');
    if (!hits.length) return;
    const ranges = hits.slice(0, MOST_PAINTED).map(rangeOf).filter(Boolean);
    CSS.highlights.set('hits', new Highlight(...ranges));
    const one = now >= 0 ? rangeOf(hits[now]) : null;
    if (!one) return;
    const highlight = new Highlight(one);
    highlight.priority = 1;
    CSS.highlights.set('hit', highlight);
  }

  /** When a hit is spoken. */
  function startOf(hit) {
    const range = rangeOf(hit);
    const word = range && view.timedOf(range.startContainer.parentElement);
    return word ? word.start : doc.segments[hit.segment].start;
  }

  function step(by) {
    if (!hits.length) return;
    choose(now < 0 ? (by > 0 ? 0 : hits.length - 1) : (now + by + hits.length) % hits.length);
  }

  function choose(n) {
    now = n;
    for (const button of parts.list.querySelectorAll('[aria-current]')) button.removeAttribute('aria-current');
    parts.list.querySelector(`[data-hit="${n}"]`)?.setAttribute('aria-current', 'true');
    go({ segment: hits[n].segment, start: startOf(hits[n]) });
    paint();
    tell();
  }

  /** Gives the focus back to what had it before the search. */
  function leave() {
    from?.focus({ preventScroll: true });
    if (document.activeElement === parts.query) parts.query.blur();
  }

  parts.query.addEventListener('focus', (event) => {
    from = event.relatedTarget;
  });
  parts.query.addEventListener('input', run);
  parts.query.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      step(event.shiftKey ? -1 : 1);
    } else if (event.key === 'Escape') {
      event.preventDefault();
      parts.query.value = '';
      run();
      leave();
    }
  });
  parts.back.addEventListener('click', () => step(-1));
  parts.next.addEventListener('click', () => step(1));
  parts.list.addEventListener('click', (event) => {
    const button = event.target.closest('[data-hit]');
    if (button) choose(Number(button.dataset.hit));
  });
  return {
    show(next) {
      doc = next;
      if (!asked) return;
      const kept = now;
      run();
      now = Math.min(kept, hits.length - 1);
      paint();
      tell();
    },
    focus() {
      parts.query.focus();
      parts.query.select();
    },
  };
}
