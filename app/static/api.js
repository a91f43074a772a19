// Calls to the server. Where the network or the server is away for a while, a call is sent again
// until it is answered; meanwhile the page says so, and nothing of the reader's work is lost.

const PAUSES = [300, 1000, 2000, 4000]; // ms before a call is sent again; the last one repeats
const PATIENCE = 20_000; // ms that a light call may stay unanswered before it is sent again
const AWAY = [502, 503, 504]; // what a proxy says while there is no server behind it
export const GONE = "The file can no longer be opened (was it moved or changed?); open it again.";
const HEADER = "LMeRAN-Session"; // as in `app/page.py`

// Not done, for the reason told. status: of HTTP, 0 where the server was not asked.
export class Refused extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export class Api {
  // away(on): whether the server is waited for.
  constructor(away) {
    this.away = away;
    this.waiting = 0; // calls that wait to be sent again
    // Of this page alone: kept nowhere, sent to nobody but the server.
    this.session = base64url(crypto.getRandomValues(new Uint8Array(24)));
  }

  // The response to a call, sent again until there is one. Throws Refused, and what `signal` is
  // aborted with.
  async call(path, { method = "POST", body, signal, light = false } = {}) {
    for (let tries = 0; ; tries++) {
      const response = await this.once(path, { method, body, signal, light });
      if (response?.ok) return response;
      if (response && !AWAY.includes(response.status)) throw await refusalOf(response);
      await this.pause(PAUSES[Math.min(tries, PAUSES.length - 1)], signal);
    }
  }

  async json(path, content, options = {}) {
    const body = content === undefined ? undefined : JSON.stringify(content);
    return (await this.call(path, { body, light: true, ...options })).json();
  }

  // The session's films are not needed any more. As the page is left, when nothing else is sent.
  leave() {
    const { headers } = this;
    fetch(address("session"), { method: "DELETE", headers, keepalive: true }).catch(() => {});
  }

  get headers() {
    return { [HEADER]: this.session };
  }

  // The response, or null where none came.
  async once(path, { method, body, signal, light }) {
    const { headers } = this, late = light && AbortSignal.timeout(PATIENCE);
    const ends = AbortSignal.any([signal, late].filter(Boolean));
    try {
      return await fetch(address(path), { method, body, headers, signal: ends });
    } catch {
      signal?.throwIfAborted();
      if (body instanceof Blob) await checkIsThere(body);
      return null;
    }
  }

  async pause(time, signal) {
    this.count(1);
    try {
      await new Promise((resolve) => {
        setTimeout(resolve, time);
        window.addEventListener("online", resolve, { once: true });
        signal?.addEventListener("abort", resolve, { once: true });
      });
      signal?.throwIfAborted();
    } finally {
      // Not at once: the call is on its way, and may have to wait again.
      setTimeout(() => this.count(-1), 300);
    }
  }

  count(by) {
    this.waiting += by;
    this.away(this.waiting > 0);
  }
}

// Relative to the page's own address, so that a proxy may have it under a path.
export function address(path) {
  return new URL(`lmeran/${path}`, document.baseURI);
}

// The browser reads a file as it sends it, which fails as a network does.
async function checkIsThere(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Refused(GONE);
  }
}

async function refusalOf(response) {
  const answer = await response.json().catch(() => ({}));
  const message = answer.message
    ?? "The program did not answer as it should; try again, or reload the page.";
  return new Refused(message, answer.message ? response.status : 0);
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
