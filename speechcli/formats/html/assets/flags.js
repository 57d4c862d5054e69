'use strict';
// The places that want an ear, listed, and one key away.

const FLAG_KINDS = {
  gap: 'Gap',
  dropped: 'Taken out',
  guessed: 'Times guessed',
  unsure: 'Unsure words',
  unspoken: 'Not heard',
  unwritten: 'Not written',
  error: 'Error',
  cut: 'Cut short',
};

/**
 * @param {{list: HTMLElement, count: HTMLElement, back: HTMLButtonElement,
 *   next: HTMLButtonElement, keys: HTMLElement, said: HTMLElement}} parts
 * @param {{start: number, end: number, kind: string, text: string, why: string, in: number|null}[]} flags by start;
 *   in: the number of the segment whose text is in doubt
 * @param {() => number} position
 * @param {(seconds: number) => void} go
 */
function makeFlags(parts, flags, position, go) {
  let now = -1;
  let open = flags.map(() => true); // not corrected since
  const rows = flags.map((flag, n) => {
    const row = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.flag = n;
    const at = document.createElement('span');
    at.className = 'at';
    at.textContent = clock(flag.start);
    const what = document.createElement('span');
    const kind = document.createElement('span');
    kind.className = 'kind';
    kind.textContent = FLAG_KINDS[flag.kind];
    what.append(kind);
    if (flag.text) {
      const words = document.createElement('bdi');
      words.className = 'words';
      words.dir = 'auto';
      words.textContent = flag.text.length > 120 ? `${flag.text.slice(0, 120)}…` : flag.text;
      what.append(words);
    }
    if (flag.why) {
      const why = document.createElement('bdi');
      why.className = 'why';
      why.dir = 'auto';
      why.textContent = flag.why;
      what.append(why);
    }
    button.append(at, what);
    row.append(button);
    return row;
  });
  parts.list.replaceChildren(...rows);
  parts.keys.hidden = !flags.length;

  /** Marks the places whose text is another one now; gives those that are left. */
  function show(doc) {
    open = flags.map((flag) => isOpen(flag, doc));
    rows.forEach((row, n) => row.classList.toggle('done', !open[n]));
    const left = open.filter(Boolean).length;
    const done = flags.length - left;
    parts.count.textContent = done ? `${left} left, ${done} corrected` : String(left || 'none');
    return flags.filter((_, n) => open[n]);
  }

  function choose(n) {
    now = n;
    for (const button of parts.list.querySelectorAll('[aria-current]')) button.removeAttribute('aria-current');
    const button = rows[n].firstChild;
    button.setAttribute('aria-current', 'true');
    button.scrollIntoView({ block: 'nearest' });
    const flag = flags[n];
    go(flag.start);
    const which = `Flagged place ${n + 1} of ${flags.length}, ${FLAG_KINDS[flag.kind]} at ${clock(flag.start)}`;
    parts.said.textContent = open[n] ? which : `${which}, corrected`;
  }

  /** The next of some numbers of flags that is open, from the first of them on; the first where none is. */
  function stepTo(first, by) {
    const order = flags.map((_, k) => (((first + k * by) % flags.length) + flags.length) % flags.length);
    choose(order.find((n) => open[n]) ?? order[0]);
  }

  /** The next place after where we are, or the one before; around the end. */
  function step(by) {
    if (!flags.length) return;
    const t = position();
    if (now >= 0 && Math.abs(flags[now].start - t) < 0.01) {
      stepTo(now + by, by); // several may begin at the same moment
      return;
    }
    let n = flags.findIndex((flag) => flag.start > t);
    if (n < 0) n = flags.length;
    stepTo(by > 0 ? n : n - 1, by);
  }

  parts.list.addEventListener('click', (event) => {
    const button = event.target.closest('[data-flag]');
    if (button) choose(Number(button.dataset.flag));
  });
  parts.back.addEventListener('click', () => step(-1));
  parts.next.addEventListener('click', () => step(1));
  return { step, show };
}

/** Whether what was flagged still stands there; what the reference has does not count in a corrected segment. */
function isOpen(flag, doc) {
  const segment = doc.segments[flag.in ?? -1];
  if (!segment?.edited) return true;
  if (flag.kind === 'error') return false;
  const raw = edit.texts(segment);
  const there = raw.filter((_, i) => segment.words[i].start >= flag.start && segment.words[i].start <= flag.end);
  return there.join('').includes(writing.strip(flag.text));
}
