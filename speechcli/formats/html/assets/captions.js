'use strict';
// The captions of a document, also of a corrected one: those that Python made, with the lines of what was corrected
// broken anew. The costs of a break are those of timeline/breaks.py. No DOM. Needs writing.js, edit.js.

/**
 * @typedef {{start: number, end: number, lines: string[], speaker: string|null}} Caption times in ms
 * @typedef {{width: number, lines: number, words: number|null, labels: boolean, keep: boolean, srt: Row[],
 *   vtt: Row[]|null}} Cues what formats/html/captions.py makes
 * @typedef {[number, number, string[], number[][]]} Row
 */

const captions = (() => {
  const SENTENCE = /[.!?…。！？｡؟۔।։]["'”’»」』）)\]]*$/;
  const CLAUSE = /(?:[,;:，、；：،؛–—]|(?:^|\s)-)["'”’»」』）)\]]*$/;
  const ABBREVIATION = /(?:^|[\s("“])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|e\.g|i\.e|cf|Nr|bzw|z\.B)\.$/;
  const set = (words) => new Set(words.split(' '));
  const BEGINS = set('and but or nor so because although though while when where which who that if unless than');
  const TIES = set(
    'a an the my your his her its our their this these those of to in on at by for with from into as is are was were ' +
      'be been not no very i you he she it we they and or but mr. mrs. ms. dr. st.',
  );
  const SHORT = 8; // columns of a word that looks lost on a line of its own
  const COST = { sentence: 0, clause: 25, joint: 45, inside: 70, tied: 100, paused: 40, orphan: 90 };
  const SLOPE = 0.04; // of a line, per squared column off the ideal
  const BOTTOM_HEAVY = 1; // columns that upper lines are ideally shorter

  const last = (text) => [...text].at(-1);

  /** The name before what was said; "" when nobody is known: text.label. */
  function label(speaker) {
    const name = writing.clean(speaker ?? '').replaceAll('[', '(').replaceAll(']', ')');
    return name && `[${name}]: `;
  }

  /**
   * @param {object} doc
   * @param {Cues} cues
   * @param {'srt'|'vtt'} format
   * @returns {Caption[]}
   */
  function of(doc, cues, format) {
    const labels = cues.labels && format === 'srt';
    const rows = (format === 'vtt' && cues.vtt) || cues.srt;
    const spoken = shares(doc, rows);
    const out = rows.flatMap(([start, end, lines, parts], i) => {
      const held = parts.map((part, k) => ({ segment: doc.segments[part[0]], part, share: spoken.get(`${i} ${k}`) }));
      const speaker = held[0].segment.speaker ?? null;
      const same = held.every(({ segment, share }) => !share && (segment.speaker ?? null) === speaker);
      if (!same) return anew(start, end, held, cues, labels);
      const words = longer(lines, speaker, cues, labels) ? wordsIn(lines, start, end) : null;
      return words ? broken(words, start, end, speaker, [], cues, labels) : [{ start, end, lines, speaker }];
    });
    for (const segment of unshown(doc, rows)) insert(out, segment, cues, labels);
    return out;
  }

  /** Whether a first line has not the room it had, because the speaker has a longer name. */
  function longer(lines, speaker, cues, labels) {
    return labels && !cues.keep && writing.width(lines[0]) > limitsOf(speaker, cues, labels).first;
  }

  /** Columns of the first line and of the others, lines, words a line. */
  function limitsOf(speaker, cues, labels) {
    const taken = labels ? writing.width(label(speaker)) : 0;
    const first = Math.max(cues.width - taken, Math.floor(cues.width / 2));
    return { first, width: cues.width, lines: cues.lines, words: cues.words ?? cues.width };
  }

  /** The words of lines that are to be broken anew; in writing without blanks none stands between two lines. */
  function wordsIn(lines, start, end) {
    const texts = lines.flatMap((line, k) => {
      const joint = k > 0 && writing.breakable(last(lines[k - 1]), writing.first(line));
      return line
        .split(' ')
        .flatMap((token, i) => writing.pieces(token).map((piece, n) => (n || (joint && !i) ? piece : ` ${piece}`)));
    });
    return shared(texts, start / 1000, end / 1000);
  }

  /** What each part of a row holds of a segment with a new text: words, by "row part". */
  function shares(doc, rows) {
    const places = new Map(); // of a segment: its parts
    rows.forEach(([, , , parts], row) =>
      parts.forEach(([segment, , , at], k) => {
        if (!doc.segments[segment].edited) return;
        if (!places.has(segment)) places.set(segment, []);
        places.get(segment).push({ key: `${row} ${k}`, at });
      }),
    );
    const out = new Map();
    for (const [index, parts] of places) {
      for (const { key } of parts) out.set(key, []);
      parts.sort((a, b) => a.at - b.at);
      for (const word of wordsOf(doc.segments[index])) {
        const middle = (word.start + word.end) * 500;
        const part = parts.findLast(({ at }) => at <= middle) ?? parts[0];
        out.get(part.key).push(word);
      }
    }
    return out;
  }

  /** Segments with a new text that had no caption. */
  function unshown(doc, rows) {
    const seen = new Set(rows.flatMap(([, , , parts]) => parts.map((part) => part[0])));
    return doc.segments.filter((segment, i) => segment.edited && segment.text && !seen.has(i));
  }

  /** The words with their blanks; those of a segment without any share its time by columns. */
  function wordsOf(segment) {
    if (segment.words) {
      const raw = edit.texts(segment);
      return segment.words.map((word, i) => ({ raw: raw[i], start: word.start, end: word.end }));
    }
    const texts = writing
      .clean(segment.text)
      .split(' ')
      .filter(Boolean)
      .flatMap((token) => writing.pieces(token).map((piece, i) => (i ? piece : ` ${piece}`)));
    return shared(texts, segment.start, segment.end);
  }

  function shared(texts, start, end) {
    const widths = texts.map((text) => Math.max(1, writing.width(text)));
    const total = widths.reduce((a, b) => a + b, 0);
    let done = 0;
    return texts.map((raw, i) => {
      const from = Math.min(start + ((end - start) * done) / total, end);
      done += widths[i];
      return { raw, start: from, end: Math.min(start + ((end - start) * done) / total, end) };
    });
  }

  /** The captions of a row whose words or speakers are others now: one for each speaker in it, or more. */
  function anew(start, end, held, cues, labels) {
    const runs = [];
    for (const { segment, part, share } of held) {
      const words = share ?? wordsOf(segment).slice(...(segment.words ? part.slice(1, 3) : []));
      if (!words.length) continue;
      const speaker = segment.speaker ?? null;
      const last = runs[runs.length - 1];
      const own = cues.keep || (!segment.words && held.length === 1) ? ownLines(segment) : [];
      if (last && last.speaker === speaker) last.words.push(...words);
      else runs.push({ speaker, words, own });
    }
    const starts = [start];
    for (const run of runs.slice(1)) starts.push(within(run.words[0].start, starts[starts.length - 1], end));
    return runs.flatMap(({ speaker, words, own }, i) =>
      broken(words, starts[i], starts[i + 1] ?? end, speaker, own, cues, labels),
    );
  }

  /** A moment (s) as ms after `start` and before `end`. */
  function within(seconds, start, end) {
    return Math.max(start + 1, Math.min(Math.floor(seconds * 1000 + 0.5), end - 1));
  }

  /** Captions for some words of one speaker; more than one where one has not enough lines. own: lines they have. */
  function broken(words, start, end, speaker, own, cues, labels) {
    const limits = limitsOf(speaker, cues, labels);
    if (own.length && (cues.keep || fits(own, limits))) return [{ start, end, lines: own, speaker }];
    return cut(atoms(words, limits.first), start, end, limits).map((caption) => ({ ...caption, speaker }));
  }

  function fits(lines, limits) {
    const wide = lines.every((line, i) => writing.width(line) <= (i ? limits.width : limits.first));
    const full = lines.some((line) => line.split(' ').length > limits.words);
    return lines.length <= limits.lines && wide && !full;
  }

  function ownLines(segment) {
    return segment.text.split('\n').map(writing.clean).filter(Boolean);
  }

  function cut(row, start, end, limits) {
    const lines = wrapped(row, limits);
    if (!lines.length) return [];
    if (lines.length <= limits.lines || row.length < 2 || end - start < 2) return [{ start, end, lines }];
    const columns = (part) => part.reduce((sum, atom) => sum + atom.width + atom.blank, 0);
    const half = columns(row) / 2;
    let [place, least] = [1, Infinity];
    for (let i = 1; i < row.length; i++) {
      const cost = breakCost(row[i - 1], row[i]) + Math.abs(columns(row.slice(0, i)) - half) * 4;
      if (cost < least) [place, least] = [i, cost];
    }
    // words that were put in may have no time of their own: each caption has at least half of what its text asks for
    const share = columns(row.slice(0, place)) / columns(row) / 2;
    const [soonest, latest] = [start + (end - start) * share, end - (end - start) * (0.5 - share)];
    const moment = within(Math.min(Math.max(row[place].start, soonest / 1000), latest / 1000), start, end);
    return [...cut(row.slice(0, place), start, moment, limits), ...cut(row.slice(place), moment, end, limits)];
  }

  /** A segment that got its first text, as a caption between the others. */
  function insert(out, segment, cues, labels) {
    const from = Math.floor(segment.start * 1000 + 0.5);
    const place = out.findIndex((caption) => caption.start > from);
    const index = place < 0 ? out.length : place;
    const start = Math.max(from, index ? out[index - 1].end : 0);
    const until = Math.max(start + 1, Math.floor(segment.end * 1000 + 0.5));
    const end = index < out.length ? Math.max(start + 1, Math.min(until, out[index].start)) : until;
    const speaker = segment.speaker ?? null;
    out.splice(index, 0, ...broken(wordsOf(segment), start, end, speaker, ownLines(segment), cues, labels));
  }

  // ---- lines

  /** Words to what is never parted, none wider than `limit`: breaks.atoms. */
  function atoms(words, limit) {
    const out = [];
    const blank = new RegExp(`^[${writing.BLANK}]`);
    let parted = true;
    for (const { raw, start, end } of words) {
      const text = writing.clean(raw);
      const before = out[out.length - 1];
      if (!text) {
        parted = true;
        continue;
      }
      const joint = before && writing.breakable(last(before.text), writing.first(text));
      const after = blank.test(raw) || (parted && !joint);
      parted = blank.test(last(raw));
      const wide = writing.width(text);
      if (before && !after && before.width + wide <= limit && !joint) {
        before.text += text;
        before.width += wide;
        before.end = Math.max(before.end, end);
        before.words++;
      } else if (wide <= limit) {
        out.push({ text, width: wide, blank: after, start, end, words: 1 });
      } else {
        out.push(...chopped(text, limit, after, start, end));
      }
    }
    return out;
  }

  /** The atoms of a word too wide for a line: breaks._chopped, text.chopped. */
  function chopped(text, limit, blank, start, end) {
    const texts = text.split(' ').flatMap((token, k) => {
      const parts = [];
      let room = 0;
      for (const piece of writing.pieces(token)) {
        if (parts.length && writing.width(piece) <= room) {
          parts[parts.length - 1] += piece;
          room -= writing.width(piece);
          continue;
        }
        room = 0;
        for (const character of piece) {
          const columns = writing.columns(character);
          if (parts.length && columns <= room) {
            parts[parts.length - 1] += character;
          } else {
            parts.push(character);
            room = limit;
          }
          room -= columns;
        }
      }
      return parts.map((part, i) => (i === 0 && (blank || k) ? ` ${part}` : part));
    });
    return shared(texts, start, end)
      .map(({ raw, ...span }) => ({ text: writing.clean(raw), blank: raw[0] === ' ', ...span, words: 1 }))
      .filter((atom) => atom.text)
      .map((atom) => ({ ...atom, width: writing.width(atom.text) }));
  }

  function closing(text) {
    if (SENTENCE.test(text) && !(text.endsWith('.') && ABBREVIATION.test(text))) return COST.sentence;
    if (CLAUSE.test(text)) return COST.clause;
    return TIES.has(text.toLowerCase().replace(/^["'“”‘’(]+|["'“”‘’(]+$/g, '')) ? COST.tied : COST.inside;
  }

  function opening(text) {
    if ('(（“「『—–'.includes(text[0])) return COST.clause;
    return BEGINS.has(text.toLowerCase()) ? COST.joint : COST.tied;
  }

  function breakCost(atom, following) {
    const silence = Math.min(Math.max(following.start - atom.end, 0) * 2, 1);
    const price = closing(atom.text);
    return (price === COST.tied ? price : Math.min(price, opening(following.text))) - COST.paused * silence;
  }

  function textOf(row) {
    return writing.strip(row.map((atom, i) => (atom.blank && i ? ' ' : '') + atom.text).join(''));
  }

  /** Lines that filling one after the other takes. */
  function fewest(row, limits) {
    let [lines, used, words, room] = [1, 0, 0, limits.first];
    row.forEach((atom, i) => {
      const blank = atom.blank && i > 0 ? 1 : 0;
      if (i && (used + blank + atom.width > room || words + atom.words > limits.words)) {
        [lines, used, words, room] = [lines + 1, atom.width, atom.words, limits.width];
      } else {
        used += blank + atom.width;
        words += atom.words;
      }
    });
    return lines;
  }

  /** The lines of one caption: as few as can be, cut where it hurts least, rather heavy at the bottom: breaks.wrapped. */
  function wrapped(row, limits) {
    const n = row.length;
    if (!n) return [];
    const sums = (values) => values.reduce((out, value) => [...out, out[out.length - 1] + value], [0]);
    const ends = sums(row.map((atom) => atom.width + (atom.blank ? 1 : 0)));
    const counts = sums(row.map((atom) => atom.words));
    const blank = (i) => (row[i].blank ? 1 : 0);
    const indent = limits.width - limits.first;
    if (ends[n] - blank(0) <= limits.first && counts[n] <= limits.words) return [textOf(row)].filter(Boolean);
    const lines = fewest(row, limits);
    const ideal = (ends[n] + indent) / lines;
    let reached = new Map([[0, { price: 0, cuts: [0] }]]);
    for (let line = 0; line < lines; line++) {
      const further = new Map();
      const final = line === lines - 1;
      const [room, more] = line ? [limits.width, 0] : [limits.first, indent];
      for (const [i, { price, cuts }] of reached) {
        for (let j = final ? n : i + 1; j < (final ? n + 1 : n); j++) {
          const wide = ends[j] - ends[i] - blank(i);
          if (j > i + 1 && (wide > room || counts[j] - counts[i] > limits.words)) break;
          const off = wide + more - ideal + (final ? 0 : BOTTOM_HEAVY);
          let there = price + SLOPE * off * off + (final ? 0 : breakCost(row[j - 1], row[j]));
          if (j === i + 1 && wide < SHORT) there += COST.orphan;
          if (!further.has(j) || there < further.get(j).price) further.set(j, { price: there, cuts: [...cuts, j] });
        }
      }
      reached = further;
    }
    const { cuts } = reached.get(n);
    return cuts.slice(1).map((stop, i) => textOf(row.slice(cuts[i], stop))).filter(Boolean);
  }

  return { of, label };
})();
