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
 * @param {{start: number, end: number, kind: string, text: string, why: string}[]} flags by start
 * @param {() => number} position
 * @param {(seconds: number) => void} go
 */
function makeFlags(parts, flags, position, go) {
  let now = -1;
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
  parts.count.textContent = flags.length ? String(flags.length) : 'none';
  parts.keys.hidden = !flags.length;

  function choose(n) {
    now = n;
    for (const button of parts.list.querySelectorAll('[aria-current]')) button.removeAttribute('aria-current');
    const button = rows[n].firstChild;
    button.setAttribute('aria-current', 'true');
    button.scrollIntoView({ block: 'nearest' });
    const flag = flags[n];
    go(flag.start);
    parts.said.textContent = `Flagged place ${n + 1} of ${flags.length}, ${FLAG_KINDS[flag.kind]} at ${clock(flag.start)}`;
  }

  /** The next place after where we are, or the one before; around the end. */
  function step(by) {
    if (!flags.length) return;
    const t = position();
    if (now >= 0 && Math.abs(flags[now].start - t) < 0.01) {
      choose((now + by + flags.length) % flags.length); // several may begin at the same moment
      return;
    }
    let n = flags.findIndex((flag) => flag.start > t);
    if (n < 0) n = flags.length;
    choose((by > 0 ? n : n - 1 + flags.length) % flags.length);
  }

  parts.list.addEventListener('click', (event) => {
    const button = event.target.closest('[data-flag]');
    if (button) choose(Number(button.dataset.flag));
  });
  parts.back.addEventListener('click', () => step(-1));
  parts.next.addEventListener('click', () => step(1));
  return { step };
}
