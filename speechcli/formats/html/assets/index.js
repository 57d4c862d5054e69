'use strict';
// Search over all transcripts of a folder. Texts are only ever written as textContent.
{
  const SHOWN = 200; // hits that are listed; all are counted
  const AROUND = 160; // characters of a long text on each side of its hit

  /**
   * Text as it is compared: without case, accents and the kinds of blank. at[i]: place in the text of its character i.
   * @param {string} text
   * @returns {{text: string, at: number[]}}
   */
  function folded(text) {
    let out = '';
    const at = [];
    let place = 0;
    for (const character of text) {
      const plain = bare(character);
      for (let i = 0; i < plain.length; i++) at.push(place);
      out += plain;
      place += character.length;
    }
    at.push(place);
    return { text: out, at };
  }

  function bare(text) {
    return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/\s/gu, ' ');
  }

  /** Seconds as h:mm:ss. */
  function clock(seconds) {
    const whole = Math.floor(seconds);
    const two = (n) => String(n).padStart(2, '0');
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60;
    return (hours ? hours + ':' + two(minutes) : String(minutes)) + ':' + two(whole % 60);
  }

  function made(name, text, kind) {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  }

  /** The text with what was looked for marked; of a long one only what is around it. */
  function marked(text, wanted) {
    const line = made('bdi');
    const whole = folded(text);
    const first = whole.text.indexOf(wanted);
    if (first < 0) {
      line.textContent = text;
      return line;
    }
    const start = whole.at[first];
    const end = Math.max(whole.at[first + wanted.length], start + 1);
    const from = start > AROUND ? text.indexOf(' ', start - AROUND) + 1 || start : 0;
    const left = Math.min(from, start);
    const space = text.length - end > AROUND ? text.lastIndexOf(' ', end + AROUND) : text.length;
    const right = Math.max(space, end);
    line.append((left ? '… ' : '') + text.slice(left, start), made('mark', text.slice(start, end)));
    line.append(text.slice(end, right) + (right < text.length ? ' …' : ''));
    return line;
  }

  function hit(address, said, wanted) {
    const [start, who, text] = said;
    const item = made('li');
    const link = made('a');
    link.setAttribute('href', address + '#t=' + start);
    const line = made('span');
    if (who) line.append(made('bdi', who, 'who'), ': ');
    line.append(marked(text, wanted));
    link.append(made('time', clock(start)), line);
    item.append(link);
    return item;
  }

  const recordings = JSON.parse(document.getElementById('recordings').textContent);
  const query = document.getElementById('query');
  const count = document.getElementById('count');
  const found = document.getElementById('found');
  const list = document.getElementById('list');
  let bareTexts = null; // made when the first letter comes, for it takes a moment with hundreds of hours

  function search() {
    const wanted = bare(query.value).trim().replace(/ +/g, ' ');
    history.replaceState({ query: query.value }, '');
    found.replaceChildren();
    found.hidden = list.hidden = false;
    if (!wanted) {
      found.hidden = true;
      count.textContent = '';
      return;
    }
    bareTexts = bareTexts || recordings.map(([, , texts]) => texts.map((said) => bare(said[2])));
    let n = 0;
    let places = 0;
    recordings.forEach(([address, name, texts], number) => {
      const hits = texts.filter((_, i) => bareTexts[number][i].includes(wanted));
      if (!hits.length && !bare(name).includes(wanted)) return;
      places += 1;
      const shown = hits.slice(0, Math.max(0, SHOWN - n));
      n += hits.length;
      if (hits.length && !shown.length) return;
      const heading = made('h2');
      const link = made('a');
      link.setAttribute('href', address);
      link.append(made('bdi', name));
      heading.append(link);
      const items = made('ol');
      items.append(...shown.map((said) => hit(address, said, wanted)));
      found.append(heading, items);
    });
    list.hidden = places > 0;
    const where = ' in ' + places + (places === 1 ? ' recording' : ' recordings');
    count.textContent = !places ? 'Nothing found' : n + (n === 1 ? ' hit' : ' hits') + where +
      (n > SHOWN ? ', the first ' + SHOWN + ' are listed' : '');
  }

  let waiting = 0;
  query.addEventListener('input', () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, 80);
  });
  document.getElementById('finder').addEventListener('submit', (event) => {
    event.preventDefault();
    search();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && document.activeElement !== query && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      query.focus();
    } else if (event.key === 'Escape' && document.activeElement === query && query.value) {
      query.value = '';
      search();
    }
  });
  // what was looked for is there again when somebody comes back from a page
  if (!query.value) query.value = history.state?.query ?? '';
  if (query.value) search();
}
