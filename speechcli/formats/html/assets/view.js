'use strict';
// The transcript as text. A segment is a paragraph, its words are spans; everything is put in as textContent.

/** @typedef {{start: number, end: number, element: HTMLElement, segment: number, row: object|null}} Timed */

/**
 * @param {HTMLElement} main
 * @param {{flags: object[], marks: Array|null, unsure: number}} page
 */
function makeView(main, page) {
  const HOLD = 0.3; // seconds that a word stays lit in a silence
  const LANGUAGE = /^[a-z]{2,3}(?:-[a-z0-9]{2,8})*$/i;
  const NOTICES = { gap: 'Gap', dropped: 'Taken out', unwritten: 'Heard, but not in the text' };
  let doc = null;
  let people = [];
  let nodes = []; // of each segment
  let words = []; // Timed of each segment, in its order
  let turns = []; // Timed of each turn, where there is no text
  let notices = []; // {flag, node} of what stands between the segments
  let timed = []; // all of them, by start
  let starts = new Float64Array(0);
  let reach = new Float64Array(0); // the latest end up to here
  let lit = -1;
  const marksOf = Map.groupBy(page.marks ?? [], (mark) => mark[1]); // those of a text that was not corrected
  const place = new Map(); // node -> segment number

  function show(next) {
    const before = doc;
    const held = focused();
    doc = next;
    const samePeople = edit.speakers(doc);
    const same = before && before.segments.length === doc.segments.length && samePeople.join('\0') === people.join('\0');
    people = samePeople;
    if (same) {
      for (let i = 0; i < doc.segments.length; i++) {
        const changed = doc.segments[i] !== before.segments[i];
        const [above, was] = [doc.segments[i - 1], before.segments[i - 1]];
        const neighbour = i > 0 && (above.speaker !== was.speaker || edit.stays(above) !== edit.stays(was));
        if (changed || neighbour) replace(i);
      }
    } else {
      renderAll();
    }
    index();
    focusAgain(held);
  }

  /** What of the text has the focus: a row, and the class of its button; null where none has. */
  function focused() {
    const { activeElement } = document;
    const row = rowOf(activeElement);
    return row < 0 ? null : { row, name: activeElement.className.split(' ')[0] };
  }

  /** The number of the row that an element stands in, a segment or a turn or what is between them; -1 for none. */
  function rowOf(element) {
    return [...main.children].findIndex((row) => row.contains(element));
  }

  /** Elements that were made anew lost it. */
  function focusAgain(held) {
    if (!held || document.activeElement !== document.body) return;
    const node = main.children[held.row];
    const button = held.name && node?.querySelector(`button.${held.name}`);
    for (const one of [button, node?.querySelector('button'), main]) {
      if (document.activeElement === document.body) one?.focus({ preventScroll: true });
    }
  }

  function renderAll() {
    const scroll = window.scrollY;
    place.clear();
    nodes = doc.segments.map((_, i) => segmentNode(i));
    const rows = [...nodes];
    turns = [];
    notices = [];
    if (!nodes.length) rows.push(...doc.turns.map(turnNode));
    for (const flag of [...page.flags].reverse()) {
      if (!(flag.kind in NOTICES)) continue;
      const next = doc.segments.findIndex((segment) => segment.start >= flag.start);
      const node = noticeNode(flag);
      notices.unshift({ flag, node });
      rows.splice(next < 0 ? rows.length : rows.indexOf(nodes[next]), 0, node);
    }
    if (!rows.length) rows.push(element('p', 'empty', 'Nobody speaks in this recording.'));
    main.replaceChildren(...rows);
    window.scrollTo(0, scroll);
  }

  function replace(i) {
    const old = nodes[i];
    place.delete(old);
    nodes[i] = segmentNode(i);
    old.replaceWith(nodes[i]);
  }

  function element(tag, name, text) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  const colourOf = (speaker) => {
    const i = people.indexOf(speaker);
    return i < 0 ? '' : ` s${i % 8}`;
  };

  function header(start, speaker, shown) {
    const by = element('div', 'by');
    const time = element('button', 'time', clock(start));
    time.type = 'button';
    time.tabIndex = -1;
    by.append(time);
    if (shown && speaker != null) {
      const who = element(document.body.classList.contains('editing') ? 'button' : 'span', `who${colourOf(speaker)}`);
      if (who.localName === 'button') who.type = 'button';
      who.append(element('bdi', '', speaker));
      by.append(who);
    }
    return by;
  }

  function segmentNode(i) {
    const segment = doc.segments[i];
    const editing = document.body.classList.contains('editing');
    let above = i - 1; // the segment that is shown above it
    while (above >= 0 && !editing && !edit.stays(doc.segments[above])) above--;
    const opens = above < 0 || doc.segments[above].speaker !== segment.speaker;
    const node = element('div', opens ? 'seg new' : 'seg');
    node.classList.toggle('out', !edit.stays(segment));
    const by = header(segment.start, segment.speaker, opens || editing);
    if (editing) {
      if (segment.speaker == null) {
        const who = element('button', 'who', 'Speaker?');
        who.type = 'button';
        by.append(who);
      }
      const fix = element('button', 'fix', 'Correct');
      fix.type = 'button';
      fix.setAttribute('aria-label', `Correct the sentence at ${clock(segment.start)}`);
      by.append(fix);
    }
    const said = element('p', 'said');
    said.dir = 'auto';
    if (segment.language !== doc.language && LANGUAGE.test(segment.language ?? '')) said.lang = segment.language;
    words[i] = fill(said, segment, i);
    node.append(by, said);
    place.set(node, i);
    return node;
  }

  /** Puts the words of a segment into its paragraph, with what the reference says. */
  function fill(said, segment, i) {
    const marks = segment.edited ? [] : (marksOf.get(i) ?? []);
    const parts = segment.words?.length ? wordsIn(segment) : tokensIn(segment, marks.length > 0);
    const out = [];
    parts.forEach((part, n) => {
      said.append(part.before);
      for (const mark of marks) if (mark[0] === 'deleted' && mark[2] === n) said.append(reference(mark));
      const span = element('span', 'w', part.text);
      if (part.row && part.row.score !== undefined && part.row.score < page.unsure) span.classList.add('low');
      for (const mark of marks) {
        if (mark[0] === 'deleted' || n < mark[2] || n >= mark[3]) continue;
        span.classList.add(mark[0]);
        span.title = mark[0] === 'inserted' ? 'not in the reference' : `the reference has “${mark[4]}”`;
      }
      said.append(span);
      for (const mark of marks) if (mark[0] === 'substituted' && mark[3] === n + 1) said.append(reference(mark));
      if (!part.row) span.classList.add('whole');
      if (part.row) out.push({ start: part.row.start, end: part.row.end, element: span, segment: i, row: part.row });
      else if (!out.length || parts.length === 1) {
        out.push({ start: segment.start, end: segment.end, element: span, segment: i, row: null });
      }
    });
    for (const mark of marks) {
      if (mark[0] === 'deleted' && mark[2] >= parts.length) said.append(reference(mark));
    }
    return seen(out);
  }

  /**
   * Words that were put in where there was no time for them share, in the page only, the end of the word before, or a
   * moment before the first: so they are lit and can be gone to.
   */
  function seen(row) {
    const timeless = (word) => word && word.row && word.end - word.start < 0.001;
    for (let first = 0; first < row.length; first++) {
      if (!timeless(row[first])) continue;
      let last = first;
      while (timeless(row[last + 1])) last++;
      const to = row[first].start;
      const from = first ? (row[first - 1].start + to) / 2 : Math.max(0, to - HOLD);
      for (let i = first; i <= last; i++) {
        row[i].start = from + ((to - from) * (i - first)) / (last - first + 1);
        row[i].end = from + ((to - from) * (i - first + 1)) / (last - first + 1);
      }
      first = last;
    }
    return row;
  }

  function reference(mark) {
    const made = element('span', mark[0] === 'deleted' ? 'ref missing' : 'ref');
    const hint = element('span', 'unseen', mark[0] === 'deleted' ? 'missing: ' : 'reference: ');
    made.append(hint, element('bdi', '', mark[4]));
    return made;
  }

  /** The words of a segment, each with what stands before it in the text. */
  function wordsIn(segment) {
    return edit.texts(segment).map((text, n) => {
      const bare = text.trimStart();
      return { before: n ? text.slice(0, text.length - bare.length) : '', text: bare, row: segment.words[n] };
    });
  }

  /** A text without words: as one piece, or where it has marks as the pieces between its blanks. */
  function tokensIn(segment, apart) {
    if (!segment.text) return [];
    if (!apart) return [{ before: '', text: segment.text, row: null }];
    const out = [];
    for (const match of segment.text.matchAll(/(\s*)(\S+)/g)) out.push({ before: match[1], text: match[2], row: null });
    return out;
  }

  function turnNode(turn) {
    const node = element('div', 'seg');
    const by = header(turn.start, turn.speaker, true);
    const length = element('span', 'w whole', `${(turn.end - turn.start).toFixed(1)} s`);
    by.append(length);
    by.firstChild.dataset.at = turn.start;
    node.append(by);
    turns.push({ start: turn.start, end: turn.end, element: length, segment: -1, row: null });
    return node;
  }

  function noticeNode(flag) {
    const node = element('p', 'aside-row', `${clock(flag.start)} ${NOTICES[flag.kind]}`);
    node.dir = 'auto';
    if (flag.text) node.append(': ', element('q', '', flag.text));
    if (flag.why) node.append(` (${flag.why})`);
    return node;
  }

  /** What is needed to find the word of a moment. */
  function index() {
    if (lit >= 0 && timed[lit]) timed[lit].element.classList.remove('on');
    lit = -1;
    timed = [...words.slice(0, doc.segments.length).flat(), ...turns];
    timed.sort((a, b) => a.start - b.start || b.end - a.end); // of two that begin together the shorter is lit first
    starts = Float64Array.from(timed, (word) => word.start);
    reach = new Float64Array(timed.length);
    let latest = 0;
    for (let i = 0; i < timed.length; i++) {
      latest = Math.max(latest, timed[i].end);
      reach[i] = latest;
    }
  }

  /** The word that is spoken: the last begun that has not ended, or has only just; -1 for none. */
  function wordAt(seconds) {
    const t = seconds + 0.002; // players round down
    const last = before(t);
    for (let i = last; i >= 0 && reach[i] > t; i--) if (timed[i].end > t) return i;
    return last >= 0 && t - timed[last].end < HOLD ? last : -1;
  }

  /** The last word that begins at or before a moment; -1 for none. */
  function before(t) {
    let [low, high] = [0, starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= t) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Lights the word of a moment, and puts out the one before: two elements change at most. */
  function light(seconds) {
    const now = wordAt(seconds);
    if (now === lit) return false;
    if (lit >= 0) timed[lit].element.classList.remove('on');
    if (now >= 0) timed[now].element.classList.add('on');
    lit = now;
    return now >= 0;
  }

  /** What is to be seen of a moment: the word, the notice, or else what was said last. */
  function elementAt(seconds) {
    if (lit >= 0) return timed[lit].element;
    const t = seconds + 0.002;
    const notice = notices.find(({ flag }) => flag.start <= t && t < flag.end)?.node;
    return notice ?? timed[Math.max(before(t), 0)]?.element;
  }

  /** Scrolls to a moment that is out of sight; `band`: top and bottom of what is in sight. */
  function keepInSight(band, seconds) {
    const box = elementAt(seconds)?.getBoundingClientRect();
    if (!box) return;
    const height = band.bottom - band.top;
    if (box.top >= band.top + 8 && box.bottom <= band.bottom - height * 0.2) return;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const far = Math.abs(box.top - band.top) > 3 * height;
    const top = window.scrollY + box.top - band.top - height * 0.3;
    window.scrollTo({ top, behavior: calm || far ? 'instant' : 'smooth' });
  }

  /** The segment of a moment, or the one before it; -1 before the first. */
  function segmentAt(seconds) {
    const word = before(seconds + 0.002);
    return word < 0 ? -1 : timed[word].segment;
  }

  /** The word an element belongs to. */
  function timedOf(target) {
    const span = target.closest('.w');
    const i = numberOf(target);
    if (i === null) return turns.find((turn) => turn.element === span) ?? null;
    return words[i].find((word) => word.element === span) ?? words[i][0] ?? null;
  }

  function numberOf(target) {
    const node = target.closest('.seg');
    return node && place.has(node) ? place.get(node) : null;
  }

  return {
    show,
    renderAll() {
      const held = focused();
      renderAll();
      index();
      focusAgain(held);
    },
    light,
    keepInSight,
    segmentAt,
    timedOf,
    numberOf,
    node: (i) => nodes[i],
    rowOf,
    /** The row of a moment; -1 where there is none. */
    rowAt: (seconds) => rowOf(nodes[segmentAt(seconds)] ?? nodes[0] ?? elementAt(seconds)),
    step(seconds, by) {
      const t = lit >= 0 ? timed[lit].start : seconds;
      const far = 0.002; // words that begin together are one step
      if (by > 0) return timed[before(t + far) + 1]?.start ?? seconds;
      return timed.findLast((word) => word.start < (lit >= 0 ? t - far : t + far))?.start ?? 0;
    },
    /** The start of the next segment, or of the next turn where there is no text; or of the one before. */
    sentence(seconds, by) {
      const rows = doc.segments.map((segment, i) => (words[i].length ? words[i][0].start : segment.start));
      const order = (rows.length ? rows : turns.map((turn) => turn.start)).sort((a, b) => a - b);
      if (by > 0) return order.find((start) => start > seconds + 0.002) ?? seconds;
      return order.findLast((start) => start < seconds - 0.5) ?? 0; // within half a second: the one before
    },
  };
}
