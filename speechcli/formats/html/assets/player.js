'use strict';
// The recording: where we are in it, and the element that plays it. Without one, there is only a position.

/**
 * @param {HTMLMediaElement|null} media
 * @param {number} duration of the recording, seconds
 * @param {(seconds: number) => void} moved called on every change of the position, and on every frame while it plays
 */
function makePlayer(media, duration, moved) {
  let at = 0; // where we are when nothing can be played
  let wanted = null; // asked for before the recording could be moved in
  let broken = !media;

  const position = () => (broken ? at : (wanted ?? media.currentTime));
  const playing = () => !broken && !media.paused && !media.ended;
  const within = (seconds) => Math.min(Math.max(seconds, 0), Math.max(duration, 0));

  function seek(seconds) {
    at = within(seconds);
    if (!broken) {
      if (media.readyState === HTMLMediaElement.HAVE_NOTHING) wanted = at;
      else media.currentTime = at;
    }
    moved(at);
  }

  function tick() {
    if (!playing()) return;
    moved(position());
    requestAnimationFrame(tick);
  }

  function toggle() {
    if (broken) return;
    if (playing()) media.pause();
    else media.play().catch(() => {}); // what is wrong is told by the element's own error
  }

  function faster(rate) {
    if (media) media.playbackRate = rate;
  }

  /** The recording cannot be played: from now on there is only the position. */
  function fail() {
    at = wanted ?? at;
    broken = true;
  }

  if (media) {
    media.addEventListener('loadedmetadata', () => {
      if (wanted !== null) media.currentTime = wanted;
      wanted = null;
    });
    media.addEventListener('play', () => requestAnimationFrame(tick));
    for (const name of ['pause', 'seeked', 'ended']) media.addEventListener(name, () => moved(position()));
  }
  return { position, playing, seek, toggle, faster, fail, able: () => !broken };
}

/**
 * Gives the element the recording that the page holds.
 * @param {HTMLMediaElement} media
 * @param {string} base64
 * @param {string} mime
 */
function embed(media, base64, mime) {
  let bytes;
  if (Uint8Array.fromBase64) {
    bytes = Uint8Array.fromBase64(base64);
  } else {
    const text = atob(base64);
    bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  }
  media.src = URL.createObjectURL(new Blob([bytes], { type: mime }));
}

/** Seconds as people say them: 0:05, 1:02:03. */
function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const two = (n) => String(n).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
