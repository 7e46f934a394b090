// A real Chromium, steered by JSON lines on standard input and answering on standard output.
//
// Started as: node browser.mjs '{"libraries": DIR, "chromium": PATH, "wav": FILE, "spki": [HASH…]}'
// Every line in is {"id": N, "do": NAME, …}; every line out {"id": N, "value": …} or {"id": N, "error": TEXT}.

import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const setup = JSON.parse(process.argv[2]);
const here = path.dirname(fileURLToPath(import.meta.url));
const { chromium } = createRequire(path.join(setup.libraries, 'package.json'))('playwright-core');

const SWITCHES = [
  '--no-sandbox', '--disable-gpu', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required', '--no-proxy-server', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--mute-audio',
  '--allow-loopback-in-peer-connection', '--disable-renderer-backgrounding',
  '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows',
  // A page that is served from here has no address; it shall reach loopback nevertheless.
  '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,LocalNetworkAccessChecksWebRTC',
];

// Runs in each page before its own scripts: remembers the connections, and keeps Chromium from treating a steady
// tone as noise or echo.
function instrument() {
  const connections = [];
  const Native = globalThis.RTCPeerConnection;
  if (!Native) return;
  class Watched extends Native {
    constructor(...words) {
      super(...words);
      connections.push(this);
    }
  }
  globalThis.RTCPeerConnection = Watched;
  globalThis.webkitRTCPeerConnection = Watched;
  const devices = navigator.mediaDevices;
  if (devices) {
    const ask = devices.getUserMedia.bind(devices);
    const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    devices.getUserMedia = (wanted) => {
      if (!wanted?.audio) return ask(wanted);
      const audio = typeof wanted.audio === 'object' ? { ...wanted.audio, ...raw } : raw;
      return ask({ ...wanted, audio });
    };
  }
  globalThis.__peers = { connections };
}

// Runs in a page: records the newest live remote audio track, 16-bit at `rate`, as base64.
async function record({ milliseconds, rate }) {
  const live = (connection) => connection.connectionState !== 'closed';
  const tracks = globalThis.__peers.connections.filter(live).flatMap((connection) =>
    connection.getReceivers().map((receiver) => receiver.track)
      .filter((track) => track?.kind === 'audio' && track.readyState === 'live'));
  const track = tracks.at(-1);
  if (!track) throw new Error('no remote audio track');
  const stream = new MediaStream([track]);
  // Chromium decodes a remote track only while an element plays it.
  const element = new Audio();
  element.srcObject = stream;
  element.muted = true;
  await element.play();
  const context = new AudioContext({ sampleRate: rate });
  const worklet = 'registerProcessor("tap", class extends AudioWorkletProcessor {'
    + 'process([input]) { if (input[0]) this.port.postMessage(input[0].slice()); return true; } });';
  const address = URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' }));
  await context.audioWorklet.addModule(address);
  const tap = new AudioWorkletNode(context, 'tap');
  const blocks = [];
  const wanted = rate * milliseconds / 1000;
  const skipped = rate / 10;
  let count = 0;
  await new Promise((done, fail) => {
    tap.port.onmessage = ({ data }) => {
      count += data.length;
      // The first tenth of a second is the graph's own start.
      if (count > skipped) blocks.push(data);
      if (count >= wanted + skipped) done();
    };
    setTimeout(() => fail(new Error(`only ${count} samples in time`)), milliseconds + 5000);
    context.createMediaStreamSource(stream).connect(tap);
    tap.connect(context.destination);
  });
  await context.close();
  element.srcObject = null;
  URL.revokeObjectURL(address);
  const samples = new Int16Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) for (const value of block) samples[at++] = Math.max(-1, Math.min(1, value)) * 32767;
  const bytes = new Uint8Array(samples.buffer);
  let text = '';
  for (let start = 0; start < bytes.length; start += 32768) {
    text += String.fromCharCode(...bytes.subarray(start, start + 32768));
  }
  return btoa(text);
}

// Runs in a page: the reports of every connection's getStats().
async function stats() {
  const reports = [];
  for (const connection of globalThis.__peers.connections) {
    reports.push({
      connectionState: connection.connectionState,
      iceConnectionState: connection.iceConnectionState,
      signalingState: connection.signalingState,
      reports: [...(await connection.getStats()).values()],
    });
  }
  return reports;
}

const browser = await chromium.launch({
  executablePath: setup.chromium,
  args: [
    ...SWITCHES,
    ...(setup.wav ? [`--use-file-for-fake-audio-capture=${setup.wav}`] : []),
    ...(setup.spki?.length ? [`--ignore-certificate-errors-spki-list=${setup.spki.join(',')}`] : []),
  ],
});

const pages = new Map();
let opened = 0;

function pageOf({ page }) {
  const found = pages.get(page);
  if (!found) throw new Error(`no page ${page}`);
  return found;
}

// A page in a context (cookies, storage, permissions) of its own.  Its content policy is bypassed: it would
// forbid what waits and measures here.
async function open({ url, microphone = true, viewport = { width: 1280, height: 800 }, serve = {} }) {
  const permissions = microphone ? ['microphone'] : [];
  const context = await browser.newContext({ viewport, permissions, bypassCSP: true });
  await context.addInitScript(instrument);
  for (const [address, file] of Object.entries(serve)) {
    const contentType = file.endsWith('.html') ? 'text/html' : 'text/javascript';
    const body = await readFile(path.isAbsolute(file) ? file : path.join(here, file));
    await context.route(address, (route) => route.fulfill({ contentType, body }));
  }
  const page = await context.newPage();
  const logs = [];
  page.on('console', (message) => logs.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => logs.push(`uncaught: ${error.stack ?? error}`));
  page.on('requestfailed', (request) => logs.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  const id = ++opened;
  pages.set(id, { page, context, logs });
  await page.goto(url);
  return id;
}

const verbs = {
  open,
  goto: (line) => pageOf(line).page.goto(line.url).then(() => null),
  reload: (line) => pageOf(line).page.reload().then(() => null),
  evaluate: (line) => pageOf(line).page.evaluate(line.code),
  wait: (line) => pageOf(line).page.waitForFunction(line.code, undefined, { timeout: line.timeout }).then((handle) => handle.jsonValue()),
  appear: (line) => pageOf(line).page.locator(line.selector).first().waitFor({ timeout: line.timeout }).then(() => null),
  click: (line) => pageOf(line).page.locator(line.selector).first().click({ timeout: line.timeout }).then(() => null),
  fill: (line) => pageOf(line).page.locator(line.selector).first().fill(line.text, { timeout: line.timeout }).then(() => null),
  press: (line) => pageOf(line).page.keyboard.press(line.key).then(() => null),
  text: (line) => pageOf(line).page.locator(line.selector).first().innerText({ timeout: line.timeout }),
  screenshot: (line) => pageOf(line).page.screenshot({ path: line.path, fullPage: line.full ?? false }).then(() => null),
  offline: (line) => pageOf(line).context.setOffline(line.offline).then(() => null),
  permissions: async (line) => {
    const { context } = pageOf(line);
    await context.clearPermissions();
    await context.grantPermissions(line.granted);
    return null;
  },
  record: (line) => pageOf(line).page.evaluate(record, { milliseconds: line.milliseconds, rate: line.rate }),
  stats: (line) => pageOf(line).page.evaluate(stats),
  logs: (line) => pageOf(line).logs.splice(0),
  quit,
  close: async (line) => {
    const { context } = pageOf(line);
    pages.delete(line.page);
    await context.close();
    return null;
  },
};

function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const lines = createInterface({ input: process.stdin });
lines.on('line', async (text) => {
  const line = JSON.parse(text);
  try {
    const verb = verbs[line.do];
    if (!verb) throw new Error(`no verb ${line.do}`);
    tell({ id: line.id, value: (await verb(line)) ?? null });
  } catch (error) {
    tell({ id: line.id, error: String(error.message ?? error) });
  }
});
async function quit() {
  await browser.close();
  process.exit(0);
}
lines.on('close', quit);
tell({ id: 0, value: browser.version() });
