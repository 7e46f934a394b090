// Draws what the controller said. Nothing is decided here, and nothing that came from a box is ever taken for markup.

export const $ = (id) => document.getElementById(id);

const GLANCE = {
  well: 'Well', trouble: 'Something is wrong', away: 'Away', unheard: 'Never heard', stranger: 'Unknown office',
};
const EVENTS = { call: 'calls', registration: 'registrations', emergency: 'emergency calls', audit: 'changes', loss: 'losses' };
const ORDER = ['trouble', 'away', 'stranger', 'unheard', 'well'];
const cards = new Map();

export function show(element, shown) {
  element.hidden = !shown;
}

export function draw({ now, broker, offices }) {
  $('broker').dataset.state = broker.up && !broker.trouble ? 'registered' : 'waiting';
  $('broker-text').textContent = broker.up
    ? (broker.trouble || `Connected to ${broker.name}`)
    : `No broker since ${ago(broker.since, now)}: ${broker.trouble}`;
  show($('empty'), offices.length === 0);
  $('summary').replaceChildren(...summary(offices));
  const sorted = [...offices].sort((a, b) => ORDER.indexOf(a.glance) - ORDER.indexOf(b.glance) || a.id.localeCompare(b.id));
  for (const [id, card] of cards) {
    if (!offices.some((office) => office.id === id)) { card.remove(); cards.delete(id); }
  }
  for (const office of sorted) {
    const card = cards.get(office.id) ?? make('li', 'card office');
    cards.set(office.id, card);
    fill(card, office, now);
  }
  const wanted = sorted.map((office) => cards.get(office.id));
  const list = $('offices');
  if (wanted.some((card, place) => list.children[place] !== card)) list.replaceChildren(...wanted);
}

function summary(offices) {
  const counts = ORDER.map((glance) => [glance, offices.filter((office) => office.glance === glance).length]);
  return counts.filter(([, count]) => count > 0).map(([glance, count]) => {
    const chip = make('span', 'chip', `${count} ${GLANCE[glance].toLowerCase()}`);
    chip.dataset.glance = glance;
    return chip;
  });
}

function fill(card, office, now) {
  card.dataset.glance = office.glance;
  card.dataset.office = office.id;
  const head = make('div', 'office-head');
  const names = make('div', 'names');
  names.append(make('strong', '', office.id), make('span', '', office.name === office.id ? '' : office.name));
  const glance = make('span', 'pill', '');
  glance.append(make('i'), make('span', '', GLANCE[office.glance] ?? office.glance));
  head.append(names, glance);
  const facts = make('dl', 'facts');
  fact(facts, 'Routes in force', revision(office));
  fact(facts, 'Last contact', office.heard ? ago(office.heard, now) + ' ago' : 'never');
  fact(facts, 'Version', office.version ?? '–');
  if (office.counts) fact(facts, 'Now', `${office.counts.calls ?? 0} calls, ${office.counts.registrations ?? 0} registered`);
  const told = (office.events ?? []).map(({ kind, count }) => `${count} ${EVENTS[kind] ?? kind}`).join(', ');
  if (told) fact(facts, 'Counted here', told);
  const wrong = make('ul', 'wrong');
  wrong.append(...office.wrong.map((words) => make('li', '', words)));
  card.replaceChildren(head, facts, ...(office.wrong.length ? [wrong] : []));
}

function revision(office) {
  const force = office['in-force'] ?? null;
  const desired = office.desired ?? null;
  if (force === desired) return force === null ? 'none' : `revision ${force}, as desired`;
  const shown = force === null ? 'none' : `revision ${force}`;
  return desired === null ? shown : `${shown}; desired is ${desired}`;
}

function fact(list, name, value) {
  list.append(make('dt', '', name), make('dd', '', value));
}

function make(tag, name = '', text = '') {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = text;
  return element;
}

/** `12 s`, `3 min`, `5 h`, `2 days`, by the controller's clock. */
function ago(at, now) {
  const seconds = Math.max(0, Math.round((Date.parse(now) - Date.parse(at)) / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}
