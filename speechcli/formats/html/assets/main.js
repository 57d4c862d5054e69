'use strict';
// Puts the page together.

function main() {
  const $ = (id) => document.getElementById(id);
  const read = (id) => JSON.parse($(id).textContent);
  const page = read('page');
  const state = { doc: read('document'), page };
  const media = $('media');
  const { duration } = state.doc;
  let follow = true;

  const view = makeView($('transcript'), page);
  const player = makePlayer(media, duration, moved);
  const timeline = makeTimeline(
    { timeline: $('timeline'), seek: $('seek'), wave: $('wave'), lanes: $('lanes'), playhead: $('playhead') },
    duration,
    page.peaks && { rate: page.peaks.rate, values: Uint8Array.from(atob(page.peaks.values), (c) => c.charCodeAt(0)) },
    (seconds) => (follow ? go(seconds) : player.seek(seconds)),
  );

  /** At most three elements change: the word before, the word now, and the slider. */
  function moved(seconds) {
    timeline.move(seconds);
    if (view.light(seconds) && follow && player.playing()) view.keepInSight(band(), seconds);
  }

  /** Top and bottom of the window where the transcript can be seen. */
  function band() {
    const box = $(getComputedStyle($('player')).display === 'contents' ? 'controls' : 'player').getBoundingClientRect();
    const below = box.top > window.innerHeight / 2;
    return { top: below ? 0 : Math.max(0, box.bottom), bottom: below ? box.top : window.innerHeight };
  }

  /** Goes somewhere and shows it. */
  function go(seconds) {
    player.seek(seconds);
    view.keepInSight(band(), seconds);
  }

  function shown() {
    view.show(state.doc);
    timeline.show(lanesOf(state.doc), flags.show(state.doc));
    search.show(state.doc);
    moved(player.position());
  }

  const search = makeSearch(
    {
      query: $('query'),
      hits: $('hits'),
      back: $('hit-back'),
      next: $('hit-next'),
      finder: $('finder'),
      found: $('found'),
      list: $('found-list'),
    },
    view,
    (hit) => go(hit.start),
  );
  const flags = makeFlags(
    {
      list: $('flag-list'),
      count: $('flag-count'),
      back: $('flag-back'),
      next: $('flag-next'),
      keys: $('flag-keys'),
      said: $('said'),
    },
    page.flags,
    player.position,
    go,
  );
  const editing = makeEditing(
    {
      edit: $('edit'),
      undo: $('undo'),
      save: $('save'),
      who: $('who'),
      rename: $('rename'),
      renameRow: $('rename-row'),
      reassign: $('reassign'),
      reassignDo: $('reassign-do'),
      people: $('people'),
      said: $('said'),
      problem: $('problem'),
      main: $('transcript'),
    },
    state,
    view,
    shown,
  );
  shown();

  // --- the player's buttons ---

  function play() {
    if (!player.able()) {
      $('said').textContent = media ? 'The recording cannot be played' : 'There is no recording in this page';
      return;
    }
    player.toggle();
  }

  function setSpeed(by) {
    const choice = $('speed');
    choice.selectedIndex = Math.min(Math.max(choice.selectedIndex + by, 0), choice.options.length - 1);
    player.faster(Number(choice.value));
    $('said').textContent = `Speed ${choice.value}`;
  }

  function setFollow(on) {
    follow = on;
    $('follow').setAttribute('aria-pressed', String(on));
    if (on) view.keepInSight(band(), player.position());
  }

  function setDrawer(open) {
    document.body.classList.toggle('drawer', open);
    $('places').setAttribute('aria-expanded', String(open));
  }

  const jump = (by) => go(player.position() + by);
  $('play').addEventListener('click', play);
  media?.addEventListener('click', play); // the pictures of a video
  $('back').addEventListener('click', () => jump(-5));
  $('forward').addEventListener('click', () => jump(5));
  $('speed').addEventListener('change', () => setSpeed(0));
  $('follow').addEventListener('click', () => setFollow(!follow));
  $('zoom-in').addEventListener('click', () => timeline.zoom(0.5));
  $('zoom-out').addEventListener('click', () => timeline.zoom(2));
  $('places').addEventListener('click', () => setDrawer(!document.body.classList.contains('drawer')));
  $('help-open').addEventListener('click', () => $('help').showModal());
  $('transcript').addEventListener('click', (event) => {
    const { target } = event;
    if (target.closest('textarea, .who, .fix') || String(getSelection()).trim()) return;
    const time = target.closest('.time');
    const i = view.numberOf(target);
    if (time) player.seek(time.dataset.at === undefined ? state.doc.segments[i].start : Number(time.dataset.at));
    else if (target.closest('.w, .ref')) player.seek(view.timedOf(target)?.start ?? state.doc.segments[i]?.start ?? 0);
  });
  $('transcript').addEventListener('pointerover', (event) => {
    const word = event.target.classList.contains('w') && !event.target.title ? view.timedOf(event.target) : null;
    if (word && word.row) event.target.title = told(word.row);
  });
  for (const name of ['wheel', 'touchmove']) {
    $('transcript').addEventListener(name, () => player.playing() && setFollow(false), { passive: true });
  }

  function told(row) {
    const sure = row.score === undefined ? '' : `, confidence ${Math.round(row.score * 100)} %`;
    return `${row.start.toFixed(2)} s${sure}${row.interpolated ? ', its time is guessed' : ''}`;
  }

  // --- the recording ---

  function fail(why) {
    if (!player.able()) return;
    player.fail();
    $('trouble').textContent = `${why} A page that holds a recording that browsers play: ${page.cure}`;
    $('trouble').hidden = false;
    $('play').disabled = true;
  }

  if (media) {
    for (const name of ['play', 'pause', 'ended']) {
      media.addEventListener(name, () => {
        $('play').classList.toggle('playing', player.playing());
        $('play').setAttribute('aria-label', player.playing() ? 'Pause' : 'Play');
      });
    }
    const failed = () => {
      const missing = !$('media-bytes') && media.error?.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
      const reason = page.problem ? ` (${page.problem})` : '';
      fail(
        missing
          ? `The recording is not where it was (${decoded(media.getAttribute('src'))}), or this browser cannot play it${reason}.`
          : `This browser cannot play the recording${reason}.`,
      );
    };
    media.addEventListener('error', failed);
    if ($('media-bytes')) embed(media, read('media-bytes'), page.mime);
    else if (media.error) failed(); // before we listened
  } else {
    $('play').disabled = true;
    $('speed').disabled = true;
  }

  function decoded(link) {
    try {
      return decodeURIComponent(link ?? '');
    } catch {
      return link;
    }
  }

  // --- keys, the address, the size of the player ---

  listen({
    ' ': play,
    k: play,
    ArrowLeft: () => jump(-5),
    ArrowRight: () => jump(5),
    j: () => jump(-10),
    l: () => jump(10),
    ArrowUp: () => go(view.sentence(player.position(), -1)),
    ArrowDown: () => go(view.sentence(player.position(), 1)),
    '[': () => go(view.sentence(player.position(), -1)),
    ']': () => go(view.sentence(player.position(), 1)),
    ',': () => go(view.step(player.position(), -1)),
    '.': () => go(view.step(player.position(), 1)),
    n: () => flags.step(1),
    p: () => flags.step(-1),
    '/': search.focus,
    '<': () => setSpeed(-1),
    '>': () => setSpeed(1),
    '+': () => timeline.zoom(0.5),
    '=': () => timeline.zoom(0.5),
    '-': () => timeline.zoom(2),
    f: () => setFollow(!follow),
    e: editing.toggle,
    u: editing.undo,
    U: editing.redo,
    s: () => editing.ask(view.rowAt(player.position())),
    Enter: () => editing.open(here()),
    Escape: () => setDrawer(false),
    '?': () => $('help').showModal(),
  });

  /** The segment of the position, or the first; -1 where there is none. */
  function here() {
    const i = view.segmentAt(player.position());
    return i < 0 && state.doc.segments.length ? 0 : i;
  }

  function address() {
    const match = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
    if (match) go(Number(match[1]));
  }
  addEventListener('hashchange', address);
  for (const row of document.querySelectorAll('[data-marks]')) row.hidden = page.marks === null;
  new ResizeObserver(() => {
    document.documentElement.style.setProperty('--player', `${$('player').offsetHeight}px`);
  }).observe($('player'));
  address();
}

main();
