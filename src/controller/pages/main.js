// The federation's page: asks the controller every two seconds, while the page is seen. The key stays in this tab.

import { $, draw, show } from './view.js';

const OVERVIEW = '/api/v1/voip/federation/overview';
const EVERY = 2000;
const KEY = 'branchline-controller-key';

let key = sessionStorage.getItem(KEY);
let timer = null;

class Refused extends Error {}

async function ask() {
  const answer = await fetch(OVERVIEW, { headers: { Authorization: `Bearer ${key}` }, cache: 'no-store' });
  if (answer.status === 401 || answer.status === 403) throw new Refused();
  if (!answer.ok) throw new Error(`the controller answered ${answer.status}`);
  return answer.json();
}

async function turn() {
  clearTimeout(timer);
  if (!key) return signIn();
  try {
    const overview = await ask();
    sessionStorage.setItem(KEY, key);
    screen('fleet');
    draw(overview);
    banner(null);
  } catch (error) {
    if (error instanceof Refused) {
      leave();
      return signIn('This key is not in use here.');
    }
    screen('fleet');
    banner(`The controller does not answer: what is shown may be old (${error.message}).`);
  }
  if (!document.hidden) timer = setTimeout(turn, EVERY);
}

function screen(name) {
  show($('signin'), name === 'signin');
  show($('fleet'), name === 'fleet');
  show($('bar'), name === 'fleet');
}

function signIn(error) {
  screen('signin');
  $('signin-error').textContent = error ?? '';
  show($('signin-error'), Boolean(error));
  $('signin-key').focus();
}

function banner(text) {
  $('banner').textContent = text ?? '';
  show($('banner'), Boolean(text));
}

function leave() {
  key = null;
  sessionStorage.removeItem(KEY);
}

$('signin-form').addEventListener('submit', (event) => {
  event.preventDefault();
  key = $('signin-key').value.trim();
  $('signin-key').value = '';
  turn();
});
$('leave').addEventListener('click', () => { leave(); turn(); });
document.addEventListener('visibilitychange', () => { if (!document.hidden) turn(); });
turn();
