'use strict';
// The waveform and a lane for each speaker, on canvases as wide as the window, of the stretch that is shown only.

/**
 * @param {{timeline: HTMLElement, seek: HTMLElement, wave: HTMLCanvasElement, lanes: HTMLElement,
 *   playhead: HTMLCanvasElement}} parts
 * @param {number} duration
 * @param {{values: Uint8Array, rate: number}|null} peaks
 * @param {(seconds: number) => void} go
 */
function makeTimeline(parts, duration, peaks, go) {
  const SHORTEST = 5; // seconds that can fill the width
  const whole = Math.max(duration, 0.001);
  let from = 0;
  let to = whole;
  let at = 0;
  let second = -1;
  let lanes = []; // {canvas, spans, seen, drawn}
  let flags = [];
  let watcher = null;
  const loudest = Math.max(8, peaks ? peaks.values.reduce((a, b) => Math.max(a, b), 0) : 0);

  /** A canvas ready to be drawn on in CSS pixels; null while it has no size. */
  function ready(canvas) {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return null;
    const scale = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w) canvas.width = w;
    if (canvas.height !== h) canvas.height = h;
    const context = canvas.getContext('2d');
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, width, height };
  }

  const x = (seconds, width) => ((seconds - from) / (to - from)) * width;
  // A canvas knows no light-dark(): its colours are those that its element has been given.
  const ink = (element) => getComputedStyle(element).color;
  const sign = (element) => getComputedStyle(element).caretColor;

  function drawWave() {
    const area = ready(parts.wave);
    if (!area) return;
    const { context, width, height } = area;
    const middle = (height - 8) / 2 + 8;
    context.fillStyle = ink(parts.wave);
    if (peaks) {
      for (let px = 0; px < width; px++) {
        const first = Math.floor((from + (px / width) * (to - from)) * peaks.rate);
        const last = Math.max(first + 1, Math.floor((from + ((px + 1) / width) * (to - from)) * peaks.rate));
        let peak = 0;
        for (let i = first; i < last && i < peaks.values.length; i++) peak = Math.max(peak, peaks.values[i]);
        const half = Math.max(0.5, (peak / loudest) ** 0.6 * (height / 2 - 5)); // so that quiet speech is seen, too
        context.fillRect(px, middle - half, 1, 2 * half);
      }
    } else {
      context.fillRect(0, middle - 0.5, width, 1);
    }
    context.fillStyle = sign(parts.wave); // a small triangle for each flagged place
    for (const flag of flags) {
      if (flag.end < from || flag.start > to) continue;
      const left = x(flag.start, width);
      context.beginPath();
      context.moveTo(left - 3.5, 0);
      context.lineTo(left + 3.5, 0);
      context.lineTo(left, 7);
      context.fill();
      context.fillRect(left, 0, Math.max(1, x(flag.end, width) - left), 2);
    }
  }

  function drawLane(lane) {
    if (!lane.seen) return;
    const area = ready(lane.canvas);
    if (!area) return;
    const { context, width, height } = area;
    context.fillStyle = ink(lane.canvas);
    context.globalAlpha = 0.25;
    context.fillRect(0, height / 2 - 0.5, width, 1);
    context.globalAlpha = 1;
    for (const span of lane.spans) {
      if (span.start > to) break;
      if (span.end < from) continue;
      const left = x(span.start, width);
      context.fillRect(left, 3, Math.max(1.5, x(span.end, width) - left), height - 6);
    }
    lane.drawn = true;
  }

  function drawHead() {
    const area = ready(parts.playhead);
    if (!area || at < from || at > to) return;
    const { context, width, height } = area;
    const left = Math.min(Math.max(x(at, width), 1), width - 1);
    context.fillStyle = ink(parts.playhead);
    context.fillRect(left - 1, 0, 2, height);
    context.beginPath();
    context.arc(left, height - 4, 4, 0, 7);
    context.fill();
  }

  function draw() {
    drawWave();
    for (const lane of lanes) {
      lane.drawn = false;
      drawLane(lane);
    }
    drawHead();
  }

  /**
   * @param {{name: string, colour: number, spans: {start: number, end: number}[]}[]} speakers
   * @param {{start: number, end: number}[]} places that are flagged
   */
  function show(speakers, places) {
    flags = places;
    if (watcher) watcher.disconnect();
    watcher = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          const lane = lanes.find((one) => one.canvas === entry.target);
          if (!lane) continue;
          lane.seen = entry.isIntersecting;
          if (!lane.drawn) drawLane(lane);
        }
      },
      { rootMargin: '0px' },
    );
    lanes = speakers.map((speaker) => {
      const canvas = document.createElement('canvas');
      canvas.setAttribute('aria-hidden', 'true');
      return { canvas, spans: speaker.spans, seen: false, drawn: false };
    });
    const rows = speakers.map((speaker, i) => {
      const row = document.createElement('div');
      row.className = speaker.colour === null ? 'lane' : `lane s${speaker.colour % 8}`;
      const name = document.createElement('span');
      name.className = 'name';
      name.dir = 'auto';
      name.textContent = speaker.name;
      row.append(name, lanes[i].canvas);
      return row;
    });
    parts.lanes.replaceChildren(...rows);
    for (const lane of lanes) watcher.observe(lane.canvas);
    reachable();
    draw();
  }

  /** Lanes that have to be scrolled can be reached by keyboard. */
  function reachable() {
    if (parts.lanes.scrollHeight > parts.lanes.clientHeight + 1) parts.lanes.tabIndex = 0;
    else parts.lanes.removeAttribute('tabindex');
  }

  /** The position: an attribute once a second, and a line on a canvas. */
  function move(seconds) {
    at = seconds;
    const now = Math.floor(seconds + 1e-6);
    if (now !== second) {
      second = now;
      parts.seek.setAttribute('aria-valuenow', String(now));
      parts.seek.setAttribute('aria-valuetext', `${clock(seconds)} / ${clock(Math.round(duration))}`);
    }
    if (at < from || at > to) {
      const length = to - from;
      from = Math.max(0, Math.min(at - length * 0.1, whole - length));
      to = from + length;
      draw();
    } else {
      drawHead();
    }
  }

  /** Shows `factor` times the stretch, around a moment that stays where it is. */
  function zoom(factor, around = at) {
    const length = Math.min(whole, Math.max(Math.min(SHORTEST, whole), (to - from) * factor));
    const share = Math.min(Math.max((around - from) / (to - from), 0), 1);
    from = Math.max(0, Math.min(around - share * length, whole - length));
    to = from + length;
    draw();
  }

  function pan(seconds) {
    const length = to - from;
    from = Math.max(0, Math.min(from + seconds, whole - length));
    to = from + length;
    draw();
  }

  function moment(event) {
    const box = parts.wave.getBoundingClientRect();
    return from + Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * (to - from);
  }

  let dragging = false;
  const onPicture = (event) => event.clientX >= parts.wave.getBoundingClientRect().left;
  parts.seek.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || !onPicture(event)) return;
    dragging = true;
    go(moment(event));
  });
  parts.lanes.addEventListener('click', (event) => {
    if (onPicture(event)) go(moment(event)); // no dragging: lanes can be scrolled by touch
  });
  addEventListener('pointermove', (event) => {
    if (dragging) go(moment(event));
  });
  for (const name of ['pointerup', 'pointercancel']) {
    addEventListener(name, () => {
      dragging = false;
    });
  }
  parts.timeline.addEventListener(
    'wheel',
    (event) => {
      if (event.ctrlKey) zoom(event.deltaY > 0 ? 1.25 : 0.8, moment(event));
      else if (event.deltaX && to - from < whole) pan((event.deltaX / parts.wave.clientWidth) * (to - from));
      else return;
      event.preventDefault();
    },
    { passive: false },
  );
  parts.seek.addEventListener('keydown', (event) => {
    const steps = { ArrowUp: 5, ArrowRight: 5, ArrowDown: -5, ArrowLeft: -5, PageUp: 30, PageDown: -30 };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in steps) go(at + steps[event.key]);
    else if (event.key === 'Home') go(0);
    else if (event.key === 'End') go(duration);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  parts.seek.setAttribute('aria-valuemax', String(Math.round(duration)));
  new ResizeObserver(() => {
    reachable();
    draw();
  }).observe(parts.timeline);
  document.addEventListener('theme', draw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  return { show, move, zoom, shown: () => ({ from, to }) };
}

/**
 * Who speaks when: from the turns, else from the text.
 * @param {object} doc
 * @returns {{name: string, colour: number|null, spans: object[]}[]}
 */
function lanesOf(doc) {
  const people = edit.speakers(doc);
  const spans = new Map(people.map((name) => [name, []]));
  if (!people.length) {
    const talk = doc.segments.filter((segment) => segment.text);
    return talk.length ? [{ name: 'Speech', colour: null, spans: byStart(talk) }] : [];
  }
  const told = new Set(doc.turns.map((turn) => turn.speaker));
  for (const turn of doc.turns) spans.get(turn.speaker).push(turn);
  for (const segment of doc.segments) {
    if (segment.speaker != null && !told.has(segment.speaker)) spans.get(segment.speaker).push(segment);
  }
  return people.map((name, i) => ({ name, colour: i, spans: byStart(spans.get(name)) }));
}

const byStart = (spans) => [...spans].sort((a, b) => a.start - b.start);
