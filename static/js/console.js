// What scripts add to the console. Every page works without them.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const on = (type, handler, target = document) => target.addEventListener(type, handler);

document.documentElement.classList.add('js');

/* Native widgets, where a browser lacks a part of them */

// Buttons with command and commandfor open and close dialogs.
if (!('commandForElement' in HTMLButtonElement.prototype)) {
  on('click', event => {
    const button = event.target.closest('button[commandfor]');
    const dialog = button && document.getElementById(button.getAttribute('commandfor'));
    if (!dialog) return;
    if (button.getAttribute('command') === 'show-modal') dialog.showModal();
    if (button.getAttribute('command') === 'close') dialog.close();
  });
}

// Menus stand below their button.
if (!CSS.supports('position-area', 'block-end')) {
  document.addEventListener('toggle', event => {
    const menu = event.target;
    if (!menu.matches?.('.menu') || event.newState !== 'open') return;
    const button = $(`[popovertarget="${menu.id}"]`).getBoundingClientRect();
    menu.style.top = Math.min(button.bottom, innerHeight - menu.offsetHeight - 12) + 'px';
    menu.style.left = Math.max(8, Math.min(button.right - menu.offsetWidth, innerWidth - menu.offsetWidth - 8)) + 'px';
  }, true);
}

/* Keyboard and focus */

// Arrow keys walk through a menu, and into it from its button.
on('keydown', event => {
  const menu = event.target.closest?.('.menu') ?? $(`.menu:popover-open[id="${event.target.getAttribute?.('popovertarget')}"]`);
  if (!menu || !/^(Arrow(Up|Down)|Home|End)$/.test(event.key)) return;
  event.preventDefault();
  const items = $$('a,button', menu), at = items.indexOf(document.activeElement), last = items.length - 1;
  const next = { Home: 0, End: last, ArrowDown: at === last ? 0 : at + 1, ArrowUp: at <= 0 ? last : at - 1 }[event.key];
  items[next].focus();
});

// The faults of a form are the first thing to read.
const focusErrors = () => $('.error-summary')?.focus();
focusErrors();

// The current tab is in view on small screens.
const showTab = () => $$('.tabs [aria-current]').forEach(tab => {
  tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.clientWidth / 2 + tab.offsetWidth / 2;
});
showTab();

/* Toasts and copying */

// A toast goes by itself, but not while it is looked at.
function toast(text) {
  const note = $('#toast')?.content.firstElementChild.cloneNode(true);
  if (!note) return;
  $('span', note).textContent = text;
  on('click', () => note.remove(), $('button', note));
  $('.toasts').append(note);
  const leave = () => setTimeout(() => note.matches(':hover,:focus-within') ? leave() : note.remove(), 6000);
  leave();
}

on('click', async event => {
  const button = event.target.closest('[data-copy]');
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast('Copied');
  } catch {
    toast('Copying is not allowed here. Select the text instead.');
  }
});

on('click', event => { if (event.target.closest('[data-print]')) print(); });

/* Palette: Ctrl or Cmd and K, or / outside of fields */

const options = () => $$('#palette [role=option]');
const shown = () => options().filter(option => !option.hidden);
const marked = () => shown().find(option => option.getAttribute('aria-selected') === 'true');

function mark(option) {
  options().forEach(other => other.setAttribute('aria-selected', other === option));
  const input = $('#palette input');
  if (!option) return input.removeAttribute('aria-activedescendant');
  input.setAttribute('aria-activedescendant', option.id);
  option.scrollIntoView({ block: 'nearest' });
}

function search() {
  const words = $('#palette input').value.trim().toLowerCase();
  options().forEach(option => { option.hidden = !option.textContent.toLowerCase().includes(words); });
  $('#palette [role=status]').textContent = shown().length === 1 ? '1 result' : shown().length + ' results';
  mark(shown()[0]);
}

on('keydown', event => {
  const palette = $('#palette');
  if (!palette) return;
  const typing = event.target.matches?.('input,textarea,select,[contenteditable]');
  const called = event.key.toLowerCase() === 'k' && (event.metaKey || event.ctrlKey) || event.key === '/' && !typing;
  if (called) {
    event.preventDefault();
    if (!palette.open) palette.showModal();
    $('input', palette).value = '';
    search();
  } else if (event.target.matches?.('#palette input')) {
    const list = shown(), at = list.indexOf(marked());
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      mark(list.at((at + (event.key === 'ArrowDown' ? 1 : -1)) % list.length));
    }
    if (event.key === 'Enter' && marked()) location.assign(marked().dataset.href);
  }
});
on('input', event => { if (event.target.matches('#palette input')) search(); });
on('click', event => {
  const option = event.target.closest('#palette [role=option]');
  if (option) location.assign(option.dataset.href);
  if (event.target.id === 'palette') event.target.close();
});

/* Partial updates */

// An answer that is a fault, or another page, is shown whole and not put inside this one.
on('htmx:after:request', event => {
  const { raw } = event.detail.ctx.response;
  const elsewhere = raw.redirected && new URL(raw.url).pathname !== location.pathname;
  const known = event.detail.ctx.response.status === 422;
  if (raw.ok && !elsewhere || known) return;
  event.preventDefault();
  location.assign(raw.url);
});
on('htmx:error', event => {
  if (event.detail.error?.name !== 'AbortError') toast('The server does not answer. Try again in a moment.');
});
on('htmx:after:swap', event => {
  if (!event.detail.ctx.request) return; // a live part, not an answer
  if (event.detail.ctx.response.status === 422) focusErrors(); // of a form that was sent, not of a choice on the way
  showTab();
  showOrigin(event.detail.ctx.sourceElement);
  listen();
});

// The row whose origin the panel tells is marked, and the panel is where to read on.
function showOrigin(source) {
  const row = new URLSearchParams(location.search).get('row');
  $$('.grid-data tbody tr:has(th a[hx-target="#panel"])').forEach(tr => {
    const link = $('th a', tr), is = !!row && new URL(link.href).searchParams.get('row') === row;
    tr.toggleAttribute('data-selected', is);
    is ? link.setAttribute('aria-current', 'true') : link.removeAttribute('aria-current');
  });
  if (source?.matches?.('[hx-target="#panel"]')) $('#origin')?.focus();
}

/* Live parts: one event stream per visible tab. A message holds partials for parts of the page. */

let stream = null, address = '', ended = '', retry = 0, pause = 1000;

const say = text => {
  const line = $('#connection');
  if (line && line.textContent !== text) line.textContent = text;
};

function hush() {
  clearTimeout(retry);
  stream?.close();
  stream = null;
}

function listen() {
  const place = $('#live'), url = place?.dataset.url ?? '';
  if (stream && url === address) return;
  hush();
  if (!url || document.hidden || url === ended) return say('');
  address = url;
  const source = stream = new EventSource(url);
  source.onopen = () => { pause = 1000; say(''); };
  source.onmessage = event => htmx.swap({ sourceElement: $('#live'), target: $('#live'), swap: 'none', text: event.data });
  on('end', () => { // all is said: do not ask again
    ended = url;
    hush();
    say('');
    $$('.live').forEach(note => { note.hidden = true; });
  }, source);
  source.onerror = () => {
    say(place.dataset.lost);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    hush();
    retry = setTimeout(listen, pause);
    pause = Math.min(pause * 2, 30_000);
  };
}

on('visibilitychange', () => document.hidden ? hush() : listen());
on('pagehide', hush, window);
on('pageshow', listen, window);

/* Uploads: a file can be dropped, and its way to the server is shown */

const over = (event, is) => {
  const zone = event.target.closest?.('.drop');
  if (!zone) return null;
  event.preventDefault();
  zone.toggleAttribute('data-over', is);
  return zone;
};
on('dragover', event => over(event, true));
on('dragleave', event => over(event, false));
on('drop', event => {
  const zone = over(event, false), input = zone && $('input[type=file]', zone);
  if (!input || !event.dataTransfer.files.length) return;
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event('change', { bubbles: true }));
});

// size writes a number of bytes as the server does.
function size(bytes) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) { bytes /= 1000; at++; }
  return (at && bytes < 100 ? bytes.toFixed(1).replace('.0', '') : Math.round(bytes)) + ' ' + units[at];
}

function upload(form) {
  const state = $('[data-upload-state]', form), send = $('[data-upload-send]', form), said = $('[data-upload-said]', form);
  const bar = $('progress', state), percent = $('[data-upload-percent]', state), bytes = $('[data-upload-bytes]', state);
  const request = new XMLHttpRequest(), body = new FormData(form);
  const stay = event => event.preventDefault();
  const busy = is => {
    state.hidden = !is;
    send.hidden = is;
    $('input[type=file]', form).disabled = is;
    (is ? addEventListener : removeEventListener)('beforeunload', stay);
  };
  const stop = text => {
    busy(false);
    said.textContent = text;
    toast(text);
    $('button', send).focus();
  };
  const show = (done, all) => {
    bar.value = done / all * 100;
    percent.textContent = Math.floor(done / all * 100) + '% uploaded';
    bytes.textContent = done < all ? size(done) + ' of ' + size(all) : size(all) + '. Looking at the file.';
  };
  request.upload.onprogress = event => show(event.loaded, event.total);
  request.onload = () => {
    removeEventListener('beforeunload', stay);
    if (request.status < 400 && request.responseURL !== form.action) return location.assign(request.responseURL);
    const answer = new DOMParser().parseFromString(request.responseText, 'text/html');
    document.title = answer.title;
    document.body.replaceWith(document.adoptNode(answer.body));
    focusErrors();
  };
  request.onerror = () => stop('The upload broke off. Send the file again.');
  request.onabort = () => stop('Upload cancelled');
  request.open('POST', form.action);
  request.setRequestHeader('Accept', 'text/html');
  busy(true);
  show(0, 1);
  bytes.textContent = '';
  said.textContent = 'Upload started';
  $('[data-upload-cancel]', state).onclick = () => request.abort();
  $('[data-upload-cancel]', state).focus();
  request.send(body);
}

on('submit', event => {
  const form = event.target.closest('form[data-upload]');
  if (!form || !$('input[type=file]', form).files.length) return;
  event.preventDefault();
  upload(form);
});
