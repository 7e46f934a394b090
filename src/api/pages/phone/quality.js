// How a call sounds: the browser's own statistics and the gateway's, as one picture, with a mean opinion score by
// the E-model (ITU-T G.107) in numbers and in words.

/** Score from interval loss (percent), jitter and round trip (milliseconds). */
export function score(lossPercent, jitterMs, roundTripMs, codec) {
  const opus = /opus/i.test(codec ?? '');
  const delay = (roundTripMs ?? 0) / 2 + 2 * (jitterMs ?? 0) + 20;
  const delayImpairment = 0.024 * delay + (delay > 177.3 ? 0.11 * (delay - 177.3) : 0);
  const robustness = opus ? 20 : 10;
  const lossImpairment = 95 * lossPercent / (lossPercent + robustness);
  const r = Math.min(93.2, Math.max(0, 93.2 - delayImpairment - lossImpairment));
  const mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
  return Math.min(4.5, Math.max(1, mos));
}

/** The score in a word, and how many of four bars it is worth. */
export function words(mos) {
  if (mos == null) return { word: 'Measuring', bars: 0 };
  if (mos >= 4.2) return { word: 'Excellent', bars: 4 };
  if (mos >= 3.9) return { word: 'Good', bars: 3 };
  if (mos >= 3.4) return { word: 'Fair', bars: 2 };
  if (mos >= 2.6) return { word: 'Poor', bars: 1 };
  return { word: 'Bad', bars: 1 };
}

/** What an opinion means for a person. */
export function sentence(view) {
  if (view.mos == null) return 'The first figures come in a few seconds.';
  const worse = (view.to.mos ?? 5) < (view.from.mos ?? 5) - 0.3 ? view.to : view.from;
  const side = worse === view.to ? 'What they hear' : 'What you hear';
  if (view.mos >= 4.2) return 'Both sides hear each other clearly.';
  if (worse.lossPercent >= 1) return `${side} has gaps: packets are lost on the way. A cable or a place nearer to the access point helps.`;
  if (worse.jitterMs >= 30) return `${side} arrives unevenly: the network is busy.`;
  if (view.roundTripMs >= 300) return 'There is a long delay on the way.';
  return 'The call is a little below its best.';
}

/** Keeps the picture of one call. `from`: what is heard here; `to`: what the other way carries. */
export class Quality {
  #before = null;
  #gateway = null;
  #own = null;

  /** A `Quality` event of the gateway: its `from` is what it receives from us. */
  gateway(view) { this.#gateway = view; }

  /** A sample of Media.sample(); intervals are the time between two samples. */
  own(sample) {
    const before = this.#before;
    this.#before = sample;
    if (!before || !sample.received) return;
    const received = sample.received.packets - (before.received?.packets ?? 0);
    const lost = Math.max(0, sample.received.lost - (before.received?.lost ?? 0));
    const expected = received + lost;
    this.#own = {
      loss: expected > 0 ? 100 * lost / expected : null,
      jitter: sample.received.jitterMs,
      packets: sample.received.packets,
      sent: sample.sent?.packets ?? 0,
      remoteLoss: sample.remote?.lossPercent ?? null,
      remoteJitter: sample.remote?.jitterMs ?? null,
      roundTrip: sample.remote?.roundTripMs ?? sample.pathRoundTripMs ?? null,
      codec: sample.codec, path: sample.path,
    };
  }

  /** The picture; figures that nobody measured yet are null. */
  view() {
    const own = this.#own;
    const gateway = this.#gateway;
    const roundTripMs = own?.roundTrip ?? gateway?.round_trip_ms ?? null;
    const from = direction(own?.loss, own?.jitter, own?.packets, roundTripMs, own?.codec, gateway?.to);
    const to = direction(null, null, own?.sent, roundTripMs, own?.codec, gateway?.from);
    if (!gateway?.from && own?.remoteLoss != null) {
      Object.assign(to, { lossPercent: own.remoteLoss, jitterMs: own.remoteJitter, mos: score(own.remoteLoss, own.remoteJitter, roundTripMs, own.codec) });
    }
    const scores = [from.mos, to.mos].filter((mos) => mos != null);
    const mos = scores.length ? Math.min(...scores) : null;
    return { from, to, mos, roundTripMs, codec: own?.codec ?? null, path: own?.path ?? null };
  }
}

function direction(loss, jitter, packets, roundTripMs, codec, gateway) {
  const lossPercent = loss ?? gateway?.loss_percent ?? null;
  const jitterMs = jitter ?? gateway?.jitter_ms ?? null;
  const own = loss == null ? null : score(loss, jitter, roundTripMs, codec);
  return { lossPercent, jitterMs, packets: packets ?? gateway?.packets ?? null, mos: own ?? gateway?.mos ?? null };
}
