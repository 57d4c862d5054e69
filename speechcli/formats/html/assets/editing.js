'use strict';
// Correcting in place: what the buttons and fields of editing do with the pure functions of edit.js and save.js.

/**
 * @param {{edit: HTMLButtonElement, undo: HTMLButtonElement, save: HTMLDetailsElement, who: HTMLDialogElement,
 *   rename: HTMLInputElement, renameRow: HTMLElement, reassign: HTMLInputElement, reassignDo: HTMLButtonElement,
 *   people: HTMLElement, said: HTMLElement, problem: HTMLElement, main: HTMLElement}} parts
 * @param {{doc: object, page: object}} state
 * @param {object} view
 * @param {() => void} changed shows the new document
 */
function makeEditing(parts, state, view, changed) {
  const past = edit.history(state.doc);
  let saved = state.doc; // what was last downloaded with everything in it
  let asked = { row: -1, segment: null, speaker: null }; // the row whose speaker is asked for; a turn is no segment

  const active = () => document.body.classList.contains('editing');

  function toggle() {
    finish();
    document.body.classList.toggle('editing');
    parts.edit.setAttribute('aria-pressed', String(active()));
    parts.said.textContent = active() ? 'Editing' : 'No longer editing';
    view.renderAll();
    changed();
  }

  /** Takes a corrected document. */
  function apply(make) {
    let next;
    try {
      next = make(state.doc);
    } catch (problem) {
      tell(problem.message);
      return;
    }
    tell('');
    if (past.push(next)) take(next);
  }

  function tell(message) {
    parts.problem.textContent = message;
    parts.problem.hidden = message === '';
    parts.said.textContent = message;
  }

  function undo() {
    if (!past.canUndo()) return;
    tell('');
    take(past.undo());
    parts.said.textContent = 'Undone';
  }

  function redo() {
    if (!past.canRedo()) return;
    take(past.redo());
    parts.said.textContent = 'Done again';
  }

  function take(doc) {
    state.doc = doc;
    if (!past.canUndo() && document.activeElement === parts.undo) parts.edit.focus();
    parts.undo.hidden = !past.canUndo();
    changed();
  }

  /** Opens the text of a segment as a field. */
  function open(i) {
    if (!active() || i < 0) return;
    if (!view.node(i).querySelector('textarea')) finish();
    const node = view.node(i);
    const said = node.querySelector('.said');
    if (node.querySelector('textarea')) return;
    const field = document.createElement('textarea');
    field.value = state.doc.segments[i].text;
    field.dir = 'auto';
    field.rows = 1 + Math.ceil(field.value.length / 60); // where a browser does not size it by what is in it
    field.setAttribute('aria-label', `Text at ${clock(state.doc.segments[i].start)}`);
    const keys = document.createElement('p');
    keys.className = 'keys';
    const buttons = ['Keep', 'Leave as it was'].map((name, n) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = name;
      button.title = ['Ctrl+Enter', 'Escape'][n];
      button.addEventListener('pointerdown', (event) => event.preventDefault()); // the field is not left by this
      button.addEventListener('click', () => close(n === 0, true));
      return button;
    });
    keys.append(...buttons);
    said.hidden = true;
    node.append(field, keys);
    let over = false;
    const close = (keep, back) => {
      if (over) return;
      over = true;
      const text = field.value;
      field.remove();
      keys.remove();
      said.hidden = false;
      if (keep) apply((doc) => edit.retext(doc, i, text));
      if (back) view.node(i).querySelector('.fix')?.focus();
    };
    field.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' || (event.key === 'Enter' && (event.ctrlKey || event.metaKey))) {
        event.preventDefault();
        event.stopPropagation();
        close(event.key === 'Enter', true);
      }
    });
    field.addEventListener('blur', (event) => {
      if (!keys.contains(event.relatedTarget)) close(true, false);
    });
    keys.addEventListener('focusout', (event) => {
      if (event.relatedTarget !== field && !keys.contains(event.relatedTarget)) close(true, false);
    });
    field.focus();
  }

  /** Keeps what stands in an open field. */
  function finish() {
    if (parts.main.querySelector('textarea')) document.activeElement.blur();
  }

  /** Asks who speaks in a row of the text. */
  function ask(row) {
    if (row < 0) return;
    if (!active()) toggle();
    finish();
    const node = parts.main.children[row];
    const segment = view.numberOf(node);
    const speaker = segment === null ? node.querySelector('.who').textContent : state.doc.segments[segment].speaker;
    asked = { row, segment, speaker };
    parts.renameRow.hidden = speaker == null;
    parts.reassign.closest('p').hidden = segment === null;
    parts.rename.value = speaker ?? '';
    parts.reassign.value = speaker ?? '';
    parts.people.replaceChildren(
      ...edit.speakers(state.doc).map((name) => {
        const option = document.createElement('option');
        option.value = name;
        return option;
      }),
    );
    parts.who.showModal();
    (speaker == null ? parts.reassign : parts.rename).select();
  }

  const form = parts.who.querySelector('form');
  form.addEventListener('submit', (event) => {
    const { segment, speaker } = asked;
    if (event.submitter?.value === 'rename') apply((doc) => edit.renameSpeaker(doc, speaker, parts.rename.value));
    if (event.submitter?.value === 'reassign') apply((doc) => edit.reassign(doc, segment, parts.reassign.value));
  });
  parts.who.addEventListener('close', () => (parts.main.children[asked.row]?.querySelector('.who') ?? parts.main).focus());
  parts.reassign.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return; // it would press the first button of the form
    event.preventDefault();
    form.requestSubmit(parts.reassignDo);
  });

  parts.main.addEventListener('mousedown', (event) => {
    // a field that closes moves what is below it away from under the mouse: its click is what closes it
    if (event.target.closest('.fix, .who') && parts.main.querySelector('textarea')) event.preventDefault();
  });
  parts.main.addEventListener('click', (event) => {
    if (!active()) return;
    if (event.target.closest('.who')) ask(view.rowOf(event.target));
    else if (event.target.closest('.fix')) open(view.numberOf(event.target));
  });
  parts.main.addEventListener('dblclick', (event) => {
    const i = view.numberOf(event.target);
    if (active() && i !== null && event.target.closest('.said')) open(i);
  });
  parts.edit.addEventListener('click', toggle);
  parts.undo.addEventListener('click', undo);
  parts.save.addEventListener('click', (event) => {
    const kind = event.target.dataset.save;
    if (!kind) return;
    finish();
    download(kind);
    parts.save.open = false;
  });
  parts.save.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !parts.save.open) return;
    parts.save.open = false;
    parts.save.querySelector('summary').focus();
  });
  addEventListener('beforeunload', (event) => {
    if (state.doc !== saved || parts.main.querySelector('textarea')) event.preventDefault();
  });

  function download(kind) {
    const { doc, page } = state;
    const [mime, text] = {
      json: () => ['application/json', save.toJson(doc)],
      srt: () => ['application/x-subrip', save.toSrt(doc, page.cues)],
      vtt: () => ['text/vtt', save.toVtt(doc, page.cues)],
    }[kind]();
    save.download(`${page.stem}.${kind}`, mime, text);
    if (kind === 'json') saved = doc;
  }

  return { toggle, undo, redo, open, ask, active };
}
