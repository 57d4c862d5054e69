'use strict';
// A document as a file: the bytes that Python's jsondoc.py, srt.py and vtt.py write. Needs writing.js, edit.js,
// captions.js; only `download` touches the DOM.

const save = (() => {
  const WHOLE = new Set(['id', 'loops', 'guessed_words']); // numbers that are not fractions
  const TAKEN_OUT = 'taken out by hand';

  /**
   * Our JSON. Where nothing was corrected it is what Python wrote, byte for byte; and what Python writes when it has
   * read it, always.
   * @param {object} doc
   * @returns {string}
   */
  function toJson(doc) {
    const rows = doc.segments.filter(edit.stays);
    const words = rows.map((segment) => (segment.words ?? []).map(word));
    const { quality, provenance } = doc;
    const emptied = doc.segments.filter((segment) => !edit.stays(segment));
    const gone = emptied.map(({ start, end, emptied: text }) => ({ start, end, text, reason: TAKEN_OUT }));
    const parts = [
      `"schema": ${quoted(doc.schema ?? 'speechcli/1')}`,
      `"text": ${quoted(rows.map((segment) => segment.text).join('\n'))}`,
      `"language": ${value(doc.language)}`,
      `"duration": ${number(doc.duration)}`,
      list('segments', rows.map((row, i) => segment(row, i, words[i]))),
      list('word_segments', words.flat()),
      list('turns', doc.turns.map((turn) => span(turn, { speaker: turn.speaker }))),
      ...(doc.raw ? [list('raw', doc.raw.map((raw) => span(raw, { text: raw.text })))] : []),
      `"quality": ${value({ ...quality, dropped: [...quality.dropped, ...gone] })}`,
      `"provenance": ${value(provenance)}`,
    ];
    return `{\n${parts.join(',\n')}\n}\n`;
  }

  /**
   * SubRip.
   * @param {object} doc
   * @param {Cues} cues of the page; see captions.js
   * @returns {string}
   */
  function toSrt(doc, cues) {
    return captions
      .of(doc, cues, 'srt')
      .map(({ start, end, lines, speaker }, i) => {
        const name = cues.labels && speaker ? srtHarmless(captions.label(speaker)) : '';
        return `${i + 1}\n${clock(start, ',')} --> ${clock(end, ',')}\n${name}${apart(lines.map(srtHarmless))}\n\n`;
      })
      .join('');
  }

  /**
   * WebVTT.
   * @param {object} doc
   * @param {Cues} cues of the page; see captions.js
   * @returns {string}
   */
  function toVtt(doc, cues) {
    const pieces = captions.of(doc, cues, 'vtt').map(({ start, end, lines, speaker }) => {
      const name = writing.clean(speaker ?? '');
      const body = lines.map(vttEscaped).join('\n');
      const close = name.endsWith('--') ? ' >' : '>'; // no arrow; parsers take the blank off
      const said = name ? `<v ${vttEscaped(name)}${close}${body}</v>` : body;
      return `${clock(start, '.')} --> ${clock(end, '.')}\n${said}\n\n`;
    });
    return `WEBVTT\n\n${pieces.join('')}`;
  }

  /** Gives a file to whoever looks at the page. */
  function download(name, mime, text) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: mime }));
    link.download = name;
    link.hidden = true;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a browser may ask its user first where to put it
  }

  // ---- JSON, as Python's json module writes it

  function quoted(text) {
    return JSON.stringify(text.replace(/\p{Cs}/gu, '\ufffd'));
  }

  /** A float as repr() has it: shortest digits, a fraction always, an exponent below 1e-4 and from 1e16 on. */
  function number(x) {
    if (Object.is(x, -0)) return '-0.0';
    const [digits, power] = x.toExponential().split('e');
    const exponent = Number(power);
    if (exponent >= -4 && exponent < 16) return Number.isInteger(x) ? `${x}.0` : String(x);
    return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }

  function value(what, key = '') {
    if (typeof what === 'string') return quoted(what);
    if (typeof what === 'number') return WHOLE.has(key) ? String(what) : number(what);
    if (Array.isArray(what)) return `[${what.map((one) => value(one)).join(', ')}]`;
    if (what !== null && typeof what === 'object') {
      return `{${Object.entries(what).map(([name, one]) => `${quoted(name)}: ${value(one, name)}`).join(', ')}}`;
    }
    return JSON.stringify(what ?? null);
  }

  function list(key, rows) {
    return rows.length ? `"${key}": [\n${rows.join(',\n')}\n]` : `"${key}": []`;
  }

  /** An object of these fields in this order, without those that are not there. */
  function fields(one, names) {
    const known = names.filter((name) => one[name] !== undefined);
    return known.map((name) => `"${name}": ${value(one[name], name)}`).join(', ');
  }

  function span({ start, end }, more) {
    return value({ start, end, ...more });
  }

  function word(one) {
    const names = ['word', 'start', 'end', 'score', 'speaker', 'overlapped', 'interpolated', 'placed', 'text'];
    return `{${fields(one, names)}}`;
  }

  function segment(one, id, words) {
    const names = ['id', 'start', 'end', 'text', 'speaker', 'language', 'avg_logprob', 'overlapped'];
    const spoken = words.length ? `, "words": [${words.join(', ')}]` : '';
    return `{${fields({ ...one, id }, names)}${spoken}}`;
  }

  // ---- captions

  function clock(ms, point) {
    const padded = (n, digits) => String(n).padStart(digits, '0');
    const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60];
    const rest = `${padded(Math.floor(ms / 1000) % 60, 2)}${point}${padded(ms % 1000, 3)}`;
    return `${padded(hours, 2)}:${padded(minutes, 2)}:${rest}`;
  }

  const STAMP = /(\p{Nd}):(\p{Nd}{1,2}):(?=\p{Nd}{1,2}[.,]\p{Nd})/gu;
  const TAG = new RegExp(`<(?=[${writing.BLANK}]*[A-Za-z/!])`, 'g');
  // str.isdigit() of Python
  const DIGITS =
    /^[\p{Nd}\xb2\xb3\xb9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792\u{10a40}-\u{10a43}\u{10e60}-\u{10e68}\u{11052}-\u{1105a}\u{1f100}-\u{1f10a}]+$/u;

  /** Nothing can be escaped in SubRip: what a parser would take for markup is written so that it does not. */
  function srtHarmless(text) {
    const stamped = text.replace(STAMP, '$1∶$2∶');
    return stamped.replace(/-{2,}>/g, '->').replace(TAG, '‹').replace(/\{\\/g, '{');
  }

  /** Lines, but none of digits alone after the first: parsers take it for the next counter. */
  function apart(lines) {
    return lines.reduce((body, line) => body + (DIGITS.test(writing.strip(line)) ? ' ' : '\n') + line);
  }

  function vttEscaped(text) {
    return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  }

  return { toJson, toSrt, toVtt, download };
})();
