'use strict';
// What characters are, as Python's timeline/text.py sees them: blanks, widths, where a line may break. No DOM.

const writing = (() => {
  // str.isspace() of Python
  const BLANK = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
  // East Asian Width W and F (Unicode 14, UAX #11), unassigned ones between them taken in
  const WIDE =
    /[\u1100-\u115f\u231a\u231b\u2329\u232a\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55\u2e80-\u303e\u3041-\u3247\u3250-\u4dbf\u4e00-\ua4c6\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{1b2fb}\u{1f004}\u{1f0cf}\u{1f18e}\u{1f191}-\u{1f19a}\u{1f200}-\u{1f320}\u{1f32d}-\u{1f335}\u{1f337}-\u{1f37c}\u{1f37e}-\u{1f393}\u{1f3a0}-\u{1f3ca}\u{1f3cf}-\u{1f3d3}\u{1f3e0}-\u{1f3f0}\u{1f3f4}\u{1f3f8}-\u{1f43e}\u{1f440}\u{1f442}-\u{1f4fc}\u{1f4ff}-\u{1f53d}\u{1f54b}-\u{1f54e}\u{1f550}-\u{1f567}\u{1f57a}\u{1f595}\u{1f596}\u{1f5a4}\u{1f5fb}-\u{1f64f}\u{1f680}-\u{1f6c5}\u{1f6cc}\u{1f6d0}-\u{1f6d2}\u{1f6d5}-\u{1f6df}\u{1f6eb}\u{1f6ec}\u{1f6f4}-\u{1f6fc}\u{1f7e0}-\u{1f7f0}\u{1f90c}-\u{1f93a}\u{1f93c}-\u{1f945}\u{1f947}-\u{1f9ff}\u{1fa70}-\u{1faff}\u{20000}-\u{3fffd}]/u;
  // no column of their own; the last ones are spacing marks with a combining class
  const NO_COLUMN =
    /[\p{Mn}\p{Me}\p{Cf}\u1715\u1734\u1b44\u1baa\u1bf2\u1bf3\u302e\u302f\ua953\ua9c0\u{111c0}\u{11235}\u{1134d}\u{116b6}\u{1193d}\u{16ff0}\u{16ff1}\u{1d165}\u{1d166}\u{1d16d}-\u{1d172}]/u;
  const HANGUL = /[\u1100-\u11ff\u302e\u302f\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb]/;
  // Kinsoku: what a line may not begin or end with
  const NOT_FIRST = new Set(
    '、。，．・：；？！゛゜ヽヾゝゞ々ー）］｝〕〉》」』】’”…‥％‰ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ｡､･,.!?:;)]}%\u3000\u00a0\u2007\u202f',
  );
  const NOT_LAST = new Set('（［｛〔〈《「『【‘“([{￥＄\u00a0\u2007\u202f');
  const RUN_OF_BLANKS = new RegExp(`(?:(?![\\u00a0\\u2007\\u202f\\u3000])[${BLANK}])+`, 'g');
  const HARMFUL = /[\x00-\x1f\x7f-\x9f\ufeff\p{Cs}]/gu;
  const STRIP = new RegExp(`^[${BLANK}]+|[${BLANK}]+$`, 'g');
  const ASCII = /^[\x00-\x7f]*$/;

  /** Python's str.strip(). */
  function strip(text) {
    return text.replace(STRIP, '');
  }

  /** One line of text that can do no harm: text.clean. */
  function clean(text) {
    const kept = text.replace(RUN_OF_BLANKS, ' ').replace(HARMFUL, '');
    return strip(kept.split(' ').filter(strip).join(' '));
  }

  function columns(character) {
    if (NO_COLUMN.test(character)) return 0;
    return WIDE.test(character) ? 2 : 1;
  }

  /** Columns of a terminal that the text takes: wide characters two, combining ones none. */
  function width(text) {
    if (ASCII.test(text)) return text.length;
    let total = 0;
    for (const character of text) total += columns(character);
    return total;
  }

  function ideographic(character) {
    return WIDE.test(character) && !HANGUL.test(character);
  }

  /** Whether a line may end between these two characters without a blank between them. */
  function breakable(before, after) {
    if (!(ideographic(before) || ideographic(after)) || NOT_FIRST.has(after) || NOT_LAST.has(before)) return false;
    return columns(after) > 0 && before !== '\u200d';
  }

  /** A token without blanks, cut wherever a line may end inside it: Chinese and Japanese, not English. */
  function pieces(token) {
    if (ASCII.test(token)) return [token];
    const out = [];
    let before = '';
    for (const character of token) {
      if (before && !breakable(before, character)) out[out.length - 1] += character;
      else out.push(character);
      before = character;
    }
    return out;
  }

  /**
   * What a line is made of: words, and in writing without blanks its characters.
   * @param {string} text
   * @returns {{text: string, at: number}[]} at: index in the text
   */
  function units(text) {
    const out = [];
    for (const match of text.matchAll(new RegExp(`[^${BLANK}]+`, 'g'))) {
      let at = match.index;
      for (const piece of pieces(match[0])) {
        out.push({ text: piece, at });
        at += piece.length;
      }
    }
    return out;
  }

  /** The first character of a text, whole where it is two halves. */
  function first(text) {
    return String.fromCodePoint(text.codePointAt(0));
  }

  return { BLANK, strip, clean, columns, width, breakable, pieces, units, first };
})();
