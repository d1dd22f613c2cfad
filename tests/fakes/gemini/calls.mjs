// What was asked of the stand-in, for tests to look at: the last calls, bounded in number and, as
// for the requests kept with them, in bytes.

const MAX_CALLS = 20000;
const MAX_REQUEST_BYTES = 256 << 20;

export class Calls {
  #calls = new Map(); // id -> call, oldest first
  #byToken = new Map(); // token -> set of calls
  #bytes = new Map(); // call -> bytes of its request
  #keptBytes = 0;
  #waiters = new Map(); // token -> set of waiters
  #dirty = new Set();
  #lastId = 0;
  stats = { in_flight: 0, total: 0, max_in_flight: 0 };

  /** A call whose headers have arrived. */
  open({ path, protocol, traceparent = null }) {
    const call = {
      id: ++this.#lastId,
      match: null,
      path,
      model: null,
      protocol,
      key_in: null,
      traceparent,
      received_at: clock(),
      status: null,
      first_byte_at: null,
      ended_at: null,
      ended: null,
      events_sent: 0,
      request: null,
    };
    this.#calls.set(call.id, call);
    if (this.#calls.size > MAX_CALLS) this.#forget(this.#calls.values().next().value);
    const { stats } = this;
    stats.total++;
    stats.in_flight++;
    stats.max_in_flight = Math.max(stats.max_in_flight, stats.in_flight);
    return call;
  }

  /** The call is one of a scripted token: it can be found, and its request of `bytes` is kept. */
  recognise(call, token, request, bytes) {
    call.match = token;
    call.request = request;
    this.#bytes.set(call, bytes);
    this.#keptBytes += bytes;
    for (const oldest of this.#bytes.keys()) {
      if (this.#keptBytes <= MAX_REQUEST_BYTES) break;
      this.#dropRequest(oldest);
    }
    const set = this.#byToken.get(token) ?? new Set();
    this.#byToken.set(token, set.add(call));
    this.#changed(call);
  }

  firstByte(call) {
    call.first_byte_at ??= clock();
  }

  /** `ended` is "complete" for an answer written to its end, "aborted" where the client went. */
  close(call, ended) {
    if (call.ended) return;
    call.ended = ended;
    call.ended_at = clock();
    this.stats.in_flight--;
    this.#changed(call);
  }

  /** All calls of a token; without one, all calls. */
  list(token) {
    if (token === null) return [...this.#calls.values()];
    return [...(this.#byToken.get(token) ?? [])];
  }

  /**
   * Calls `wake(true)` once `count` calls of the token, `ended` so (null: in any state), are
   * there, or `wake(false)` after `timeout_ms`. Returns a function that gives up waiting.
   */
  wait(token, ended, count, timeout_ms, wake) {
    const waiters = this.#waiters.get(token) ?? new Set();
    this.#waiters.set(token, waiters);
    const settle = (met) => {
      clearTimeout(timer);
      if (!waiters.delete(waiter)) return;
      if (waiters.size === 0) this.#waiters.delete(token);
      if (met !== undefined) wake(met);
    };
    const waiter = { met: () => this.#count(token, ended) >= count, settle };
    const timer = setTimeout(() => settle(false), timeout_ms);
    waiters.add(waiter);
    this.#look(token);
    return () => settle();
  }

  #count(token, ended) {
    let count = 0;
    for (const call of this.#byToken.get(token) ?? []) {
      if (ended === null || call.ended === ended) count++;
    }
    return count;
  }

  #changed(call) {
    if (call.match !== null && this.#waiters.has(call.match)) this.#look(call.match);
  }

  // Looks once for all changes of a turn of the event loop.
  #look(token) {
    if (this.#dirty.size === 0) setImmediate(() => this.#wakeAll());
    this.#dirty.add(token);
  }

  #wakeAll() {
    const tokens = [...this.#dirty];
    this.#dirty.clear();
    for (const token of tokens) {
      for (const waiter of [...(this.#waiters.get(token) ?? [])]) {
        if (waiter.met()) waiter.settle(true);
      }
    }
  }

  #dropRequest(call) {
    this.#keptBytes -= this.#bytes.get(call) ?? 0;
    this.#bytes.delete(call);
    call.request = null;
  }

  #forget(call) {
    this.#calls.delete(call.id);
    this.#dropRequest(call);
    const set = this.#byToken.get(call.match);
    set?.delete(call);
    if (set?.size === 0) this.#byToken.delete(call.match);
  }
}

/** Milliseconds since the epoch, with a fraction. */
function clock() {
  return performance.timeOrigin + performance.now();
}
