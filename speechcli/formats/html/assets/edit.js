'use strict';
// Corrections of a transcript: pure functions from our JSON document to a corrected one. No DOM. Needs writing.js.
//
// A function returns a new document that shares what it did not change with the old one (`===` tells what is to be
// drawn again), the very same document where there is nothing to change, and throws an Error with a sentence for people
// where it refuses. `text` and `word_segments` may be left out of a document, `save` makes them.
// Segments keep their places: one that was emptied stays, with text "" and `emptied`, until it is saved. `edited` marks
// a segment that got a new text.

/**
 * @typedef {{word: string, start: number, end: number, score?: number, speaker?: string, overlapped?: true,
 *   interpolated?: true, placed?: string, text?: string}} Word
 * @typedef {{id: number, start: number, end: number, text: string, speaker?: string, language?: string,
 *   avg_logprob?: number, overlapped?: true, words?: Word[], edited?: true, emptied?: string}} Segment
 * @typedef {{start: number, end: number, speaker: string}} Turn
 * @typedef {{segments: Segment[], turns: Turn[], quality: object, provenance: object, text?: string,
 *   word_segments?: Word[]}} Doc
 */

const edit = (() => {
  const UNSURE = 0.5; // share of a word in which two must talk: timeline/attribution.py
  const SPOKEN = 0.05; // seconds that a character takes when somebody speaks quickly
  const CELLS = 4e6; // of a table of matches, of two texts of 2000 words: longer ones are parted first

  const toMs = (seconds) => Math.floor(seconds * 1000 + 0.5);

  /**
   * The document with a speaker under another name, wherever it stands. Where that name is taken already, the two are
   * one from then on.
   * @param {Doc} doc
   * @param {string} from
   * @param {string} to blanks around it and what cannot be seen are taken off
   * @returns {Doc}
   */
  function renameSpeaker(doc, from, to) {
    const name = named(to);
    if (name === null) throw new Error('A speaker needs a name.');
    if (name === from) return doc;
    const known = new Set(doc.turns.map((turn) => turn.speaker));
    for (const one of spoken(doc)) known.add(one.speaker);
    if (!known.has(from)) return doc;
    const rename = (one) => (one.speaker === from ? { ...one, speaker: name } : one);
    const segments = doc.segments.map((segment) => {
      const words = each(segment.words, rename);
      return rename(words === segment.words ? segment : { ...segment, words });
    });
    const turns = inOrder(doc.turns.map(rename));
    return made(doc, known.has(name) ? crowded(segments, turns) : segments, turns);
  }

  /**
   * The document with a segment given to another speaker, its words and its part of the turns too.
   * @param {Doc} doc
   * @param {number} index
   * @param {string|null} speaker null or "" for nobody known
   * @returns {Doc}
   */
  function reassign(doc, index, speaker) {
    const segment = at(doc, index);
    const name = named(speaker);
    const told = segment.words && (segment.speaker === undefined || segment.words.some((w) => w.speaker !== undefined));
    const words = told ? each(segment.words, (word) => spokenBy(word, name)) : segment.words;
    const next = spokenBy(words === segment.words ? segment : { ...segment, words }, name);
    if (next === segment) return doc;
    const turns = doc.turns.length ? moved(doc, segment, name) : doc.turns;
    return made(doc, crowded(replaced(doc.segments, index, next), turns), turns);
  }

  /**
   * The document with another text for a segment.
   *
   * Words that stay keep their times, confidence and speaker, also where only case or punctuation changed. As many
   * others as were taken out get their times, without confidence; one for several gets the time of them all. Otherwise
   * the time is guessed, and marked so: that of the words taken out, or the gap between the neighbours, shared by
   * length. A segment without words just gets its text. No text takes the segment out, when the document is saved.
   * @param {Doc} doc
   * @param {number} index
   * @param {string} text blanks in a row are one; a line break stays
   * @returns {Doc}
   */
  function retext(doc, index, text) {
    const segment = at(doc, index);
    const next = plain(text);
    if (text === segment.text || next === plain(segment.text)) return doc;
    const { avg_logprob: _, emptied, ...rest } = segment; // what the model thought of its own text
    const changed = { ...rest, text: next, edited: true };
    if (!next) changed.emptied = emptied ?? segment.text;
    if (segment.words) changed.words = next ? rewritten(segment, next) : [];
    if (changed.words) changed.words = crowdedWords(changed.words, overlaps(doc.turns), new Set(segment.words));
    const segments = replaced(doc.segments, index, changed);
    const guessed = doc.quality.guessed_words + guesses(changed) - guesses(segment);
    return made({ ...doc, quality: { ...doc.quality, guessed_words: Math.max(0, guessed) } }, segments, doc.turns);
  }

  /**
   * What was done to a document, to be undone: snapshots, which share what they have in common.
   * @param {Doc} doc
   * @returns {{now: () => Doc, push: (doc: Doc) => boolean, undo: () => Doc, redo: () => Doc, canUndo: () => boolean,
   *   canRedo: () => boolean, edited: () => boolean}} push: takes the next document, true where it is another one;
   *   undo, redo: to the document before and after, which is then the one of now
   */
  function history(doc) {
    const row = [doc];
    let place = 0;
    return {
      now: () => row[place],
      push(next) {
        if (next === row[place]) return false;
        row.splice(++place, row.length, next);
        return true;
      },
      undo: () => row[(place = Math.max(0, place - 1))],
      redo: () => row[(place = Math.min(row.length - 1, place + 1))],
      canUndo: () => place > 0,
      canRedo: () => place < row.length - 1,
      edited: () => row[place] !== doc,
    };
  }

  /** @param {Doc} doc @returns {string[]} speakers in the order of their first appearance, in segments and turns */
  function speakers(doc) {
    const row = [...doc.segments, ...doc.turns].filter((one) => one.speaker !== undefined);
    return [...new Set(row.sort((a, b) => a.start - b.start).map((one) => one.speaker))];
  }

  /**
   * The words of a segment with the blanks that stand before them: what jsondoc.py leaves out and its reader restores.
   * @param {Segment} segment
   * @returns {string[]}
   */
  function texts(segment) {
    const guess = restored(segment.text, (segment.words ?? []).map((word) => word.word));
    return (segment.words ?? []).map((word, i) => word.text ?? (guess ? guess[i] : ` ${word.word}`));
  }

  // ---- documents

  function at(doc, index) {
    const segment = doc.segments[index];
    if (segment === undefined) throw new Error(`There is no segment ${index}.`);
    return segment;
  }

  function named(name) {
    return writing.clean(name ?? '') || null;
  }

  /** The row, mapped; the very same where nothing changed. */
  function each(row, change) {
    if (!row) return row;
    const out = row.map(change);
    return out.some((one, i) => one !== row[i]) ? out : row;
  }

  function replaced(row, index, one) {
    return [...row.slice(0, index), one, ...row.slice(index + 1)];
  }

  function* spoken(doc) {
    for (const segment of doc.segments) {
      yield segment;
      if (segment.words) yield* segment.words;
    }
  }

  function spokenBy(one, name) {
    if ((one.speaker ?? null) === name) return one;
    const { speaker: _, ...rest } = one;
    return name === null ? rest : { ...rest, speaker: name };
  }

  const guesses = (segment) => (segment.words ?? []).filter((word) => word.interpolated).length;

  /** The document with these segments and turns, and all that follows from them. */
  function made(doc, segments, turns) {
    const stage = { stage: 'edit', engine: 'speechcli', model: 'page', revision: '', settings: {} };
    const made_by = doc.provenance.made_by;
    const last = made_by[made_by.length - 1];
    const said = last && last.stage === stage.stage && last.model === stage.model;
    const next = { ...doc, segments, turns };
    if (!said) next.provenance = { ...doc.provenance, made_by: [...made_by, stage] };
    if (doc.text !== undefined) next.text = segments.filter(stays).map((segment) => segment.text).join('\n');
    if (doc.word_segments) next.word_segments = segments.flatMap((segment) => segment.words ?? []);
    return next;
  }

  const stays = (segment) => segment.emptied === undefined;

  // ---- turns

  /** The turns by their starts, none empty; those of one speaker neither overlap nor touch: turns.in_order. */
  function inOrder(turns) {
    const rows = new Map();
    for (const turn of turns) {
      if (turn.end > turn.start) rows.set(turn.speaker, [...(rows.get(turn.speaker) ?? []), turn]);
    }
    const out = [...rows].flatMap(([speaker, row]) => merged(row).map((span) => ({ ...span, speaker })));
    const order = (a, b) => a.start - b.start || a.end - b.end || (a.speaker < b.speaker ? -1 : 1);
    return out.sort(order);
  }

  /** Sorted spans without overlap; those that touch are one. */
  function merged(spans) {
    const out = [];
    for (const { start, end } of [...spans].sort((a, b) => a.start - b.start || a.end - b.end)) {
      const last = out[out.length - 1];
      if (last && start <= last.end) last.end = Math.max(last.end, end);
      else out.push({ start, end });
    }
    return out;
  }

  /** Where at least two talk at the same time. */
  function overlaps(turns) {
    const row = inOrder(turns);
    const out = [];
    let latest = -Infinity; // end of what was said until now
    for (const { start, end } of row) {
      if (start < latest) out.push({ start, end: Math.min(end, latest) });
      latest = Math.max(latest, end);
    }
    return merged(out);
  }

  /**
   * The turns when a segment changes hands. Of a turn of whoever was thought to speak goes what lies in the segment,
   * and what is left of it that nothing else of theirs lies in: a diarizer's turn begins and ends some tenths off.
   */
  function moved(doc, segment, name) {
    const from = segment.speaker;
    const others = doc.segments.filter((s) => s !== segment && s.speaker === from && from !== undefined && stays(s));
    const out = [];
    let given = false;
    for (const turn of doc.turns) {
      if (turn.speaker !== from || turn.start >= segment.end || turn.end <= segment.start) {
        out.push(turn);
        continue;
      }
      const cuts = [turn.start, Math.max(turn.start, segment.start), Math.min(turn.end, segment.end), turn.end];
      for (let i = 0; i < 3; i++) {
        const piece = { start: cuts[i], end: cuts[i + 1], speaker: turn.speaker };
        if (i !== 1 && others.some((s) => s.start < piece.end && s.end > piece.start)) out.push(piece);
        else if (name !== null) out.push({ ...piece, speaker: name });
      }
      given = true;
    }
    if (!given && name !== null) out.push({ start: segment.start, end: segment.end, speaker: name });
    return inOrder(out);
  }

  /** Whether somebody else talks in at least half of the span: attribution.overlapped. */
  function isCrowded(span, both) {
    const end = span.end > span.start ? span.end : span.start + 0.001;
    let low = 0;
    for (let high = both.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (both[middle].start <= span.start) low = middle + 1;
      else high = middle;
    }
    let shared = 0;
    for (let i = Math.max(low - 1, 0); i < both.length && both[i].start < end; i++) {
      shared += Math.max(0, Math.min(end, both[i].end) - Math.max(span.start, both[i].start));
    }
    return shared > 0 && shared >= UNSURE * (end - span.start);
  }

  function mark(one, both) {
    const is = isCrowded(one, both);
    if (is === (one.overlapped === true)) return one;
    const { overlapped: _, ...rest } = one;
    return is ? { ...rest, overlapped: true } : rest;
  }

  /** Words with the mark of those that somebody else talks over. known: words that have been looked at. */
  function crowdedWords(words, both, known) {
    return each(words, (word) => (known.has(word) ? word : mark(word, both)));
  }

  function crowded(segments, turns) {
    const both = overlaps(turns);
    return segments.map((segment) => {
      if (!segment.words) return mark(segment, both);
      const words = crowdedWords(segment.words, both, new Set());
      return words === segment.words ? segment : { ...segment, words };
    });
  }

  // ---- text

  /** Text as it is kept: no half characters, no control characters, one blank in a row, or one line break. */
  function plain(text) {
    const kept = text.replace(/\p{Cs}/gu, '\ufffd').replace(/[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff]/g, '');
    const one = (blanks) => (/[\n\r]/.test(blanks) ? '\n' : /[\t-\r\x1c-\x20\x85]/.test(blanks) ? ' ' : blanks[0]);
    return writing.strip(kept.replace(new RegExp(`[${writing.BLANK}]+`, 'g'), one));
  }

  /** Where each word stands in the text: [begin, end), or null where they are not its words. */
  function located(text, bare) {
    const blanks = new RegExp(`[${writing.BLANK}]*`, 'y');
    const out = [];
    let place = 0;
    for (const word of bare) {
      blanks.lastIndex = place;
      place += blanks.exec(text)[0].length;
      if (!text.startsWith(word, place)) return null;
      out.push([place, (place += word.length)]);
    }
    return writing.strip(text.slice(place)) ? null : out;
  }

  /** The words with the blanks that stand before them in the text: words.restored. */
  function restored(text, bare) {
    const places = located(text, bare);
    return (
      places &&
      places.map(([begin, end], i) => {
        if (i) return text.slice(places[i - 1][1], end);
        return (bare[0] && !writing.breakable('x', writing.first(bare[0])) ? ' ' : '') + text.slice(begin, end);
      })
    );
  }

  /** What of a unit counts when it is looked for again. */
  function core(text) {
    return text.toLowerCase().replace(/[^\p{L}\p{N}\p{M}]/gu, '') || text;
  }

  /** Which unit of `after` each unit of `before` has become, -1 for none. */
  function matched(before, after) {
    const out = new Int32Array(before.length).fill(-1);
    const rows = [[0, before.length, 0, after.length]]; // what is to be matched with what
    while (rows.length) {
      let [i, n, j, m] = rows.pop();
      while (i < n && j < m && before[i].text === after[j].text) out[i++] = j++;
      while (n > i && m > j && before[n - 1].text === after[m - 1].text) out[--n] = --m;
      if (i === n || j === m) continue;
      if ((n - i + 1) * (m - j + 1) <= CELLS) heaviest(before.slice(i, n), after.slice(j, m), i, j, out);
      else rows.push(...around(anchors(before, i, n, after, j, m), i, n, j, m, out));
    }
    return out;
  }

  /** Units that are there once before and once after, in the same order: what a long text is parted at. */
  function anchors(before, i, n, after, j, m) {
    const once = (units, from, to) => {
      const places = new Map();
      for (let k = from; k < to; k++) places.set(units[k].text, places.has(units[k].text) ? -1 : k);
      return places;
    };
    const there = once(after, j, m);
    const pairs = [...once(before, i, n)].map(([text, k]) => [k, there.get(text) ?? -1]);
    return increasing(pairs.filter(([a, b]) => a >= 0 && b >= 0));
  }

  /** The longest row of pairs of which the second numbers increase; the first do. */
  function increasing(pairs) {
    const ends = []; // of the rows of each length, the one with the least end
    for (const pair of pairs) {
      let [low, high] = [0, ends.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (ends[middle].pair[1] < pair[1]) low = middle + 1;
        else high = middle;
      }
      ends[low] = { pair, before: ends[low - 1] };
    }
    const out = [];
    for (let one = ends[ends.length - 1]; one; one = one.before) out.push(one.pair);
    return out.reverse();
  }

  /** What is left to be matched between the anchors. */
  function around(pairs, i, n, j, m, out) {
    const rows = [];
    for (const [a, b] of pairs) {
      out[a] = b;
      rows.push([i, a, j, b]);
      [i, j] = [a + 1, b + 1];
    }
    if (pairs.length) rows.push([i, n, j, m]);
    return rows;
  }

  /** The heaviest common subsequence; the same weighs more than the same but for case and punctuation. */
  function heaviest(before, after, i0, j0, out) {
    const old = before.map((unit) => ({ text: unit.text, core: core(unit.text) }));
    const young = after.map((unit) => ({ text: unit.text, core: core(unit.text) }));
    const weight = (i, j) => (old[i].text === young[j].text ? 3 : old[i].core === young[j].core ? 2 : 0);
    const wide = young.length + 1;
    const best = new Uint32Array((old.length + 1) * wide); // of what follows
    for (let i = old.length - 1; i >= 0; i--) {
      for (let j = young.length - 1; j >= 0; j--) {
        const both = weight(i, j);
        const skip = Math.max(best[(i + 1) * wide + j], best[i * wide + j + 1]);
        best[i * wide + j] = both ? Math.max(skip, both + best[(i + 1) * wide + j + 1]) : skip;
      }
    }
    for (let i = 0, j = 0; i < old.length && j < young.length; ) {
      const both = weight(i, j);
      if (both && best[i * wide + j] === both + best[(i + 1) * wide + j + 1]) out[i0 + i++] = j0 + j++;
      else if (best[i * wide + j] === best[(i + 1) * wide + j]) i++;
      else j++;
    }
  }

  /** Words that are in the new text too: their places in `words` and in the text, in order. */
  function kept(segment, text) {
    const places = located(segment.text, segment.words.map((word) => word.word)) ?? [];
    const [before, after] = [writing.units(segment.text), writing.units(text)];
    const become = matched(before, after);
    const end = (unit) => unit.at + unit.text.length;
    const out = [];
    let first = 0;
    places.forEach(([from, to], word) => {
      while (first < before.length && end(before[first]) <= from) first++;
      let last = first;
      while (last + 1 < before.length && before[last + 1].at < to) last++;
      if (from === to || become[first] < 0 || become[last] < 0) return;
      const whole = before[first].at === from && end(before[last]) === to;
      const begin = after[become[first]].at + from - before[first].at;
      const stop = whole ? end(after[become[last]]) : begin + to - from;
      const bare = text.slice(begin, stop);
      const same = segment.text.slice(from, to);
      if (whole ? core(bare) === core(same) : bare === same) {
        out.push({ word, begin, stop });
      }
    });
    return out;
  }

  /** The words of a segment for a new text. */
  function rewritten(segment, text) {
    const words = segment.words;
    const out = [];
    let [place, index] = [0, 0]; // in the text, in the words
    for (const { word, begin, stop } of [...kept(segment, text), { word: words.length, begin: text.length }]) {
      const next = words[word]; // none at the end
      const gone = words.slice(index, word).filter((one) => one.word);
      const gap = between(segment, out[out.length - 1], next);
      out.push(...written(text.slice(place, begin), gone, gap, out[out.length - 1] ?? gone[0] ?? next));
      if (!next) break;
      const { text: _, ...rest } = next;
      const bare = text.slice(begin, stop);
      out.push(bare === next.word && next.text === undefined ? next : { ...rest, word: bare });
      [place, index] = [stop, word + 1];
    }
    return out;
  }

  /** The time between two words, or from or to the ends of the segment. */
  function between(segment, last, next) {
    const low = last ? last.end : Math.min(segment.start, next ? next.start : segment.start);
    const high = next ? next.start : Math.max(segment.end, low);
    return [Math.min(low, high), high]; // words that stay may overlap
  }

  /**
   * Words for a stretch of text. gone: the words that stood there. gap: the time they may have. near: the word whose
   * speaker they have.
   */
  function written(text, gone, gap, near) {
    const bare = writing.units(text).map((unit) => unit.text);
    if (!bare.length) return [];
    const chunks = writing.strip(text).split(new RegExp(`[${writing.BLANK}]+`));
    const coarse = chunks.length === gone.length && gone.some((word) => writing.units(word.word).length > 1);
    const list = coarse ? chunks : bare;
    if (list.length === gone.length) return list.map((word, i) => instead(word, gone[i], gone[i].start, gone[i].end));
    const start = Math.min(...gone.map((word) => word.start));
    const end = Math.max(...gone.map((word) => word.end));
    if (list.length === 1 && gone.length) return [instead(list[0], gone[0], start, end)];
    const weights = list.map((word) => [...word].length + 1);
    const total = weights.reduce((a, b) => a + b, 0);
    const [from, to] = (gone.length ? stretched(start, end, gap, total * SPOKEN) : gap).map(toMs);
    let done = 0;
    return list.map((word, i) => {
      const a = from + Math.floor(((to - from) * done) / total);
      done += weights[i];
      const b = from + Math.floor(((to - from) * done) / total);
      const made = { word, start: a / 1000, end: b / 1000 };
      if (near && near.speaker !== undefined) made.speaker = near.speaker;
      return { ...made, interpolated: true };
    });
  }

  /** A word in the place of others: their time, their speaker, and no confidence, which was in another word. */
  function instead(word, old, start, end) {
    const { score: _, text: __, ...rest } = old;
    return { ...rest, word, start, end };
  }

  /** A time that may be too short for what is said in it now, made longer as far as nobody else's words are there. */
  function stretched(start, end, [low, high], wanted) {
    const until = Math.max(end, Math.min(high, start + wanted));
    return [Math.min(start, Math.max(low, until - wanted)), until];
  }

  return { renameSpeaker, reassign, retext, history, speakers, texts, stays };
})();
