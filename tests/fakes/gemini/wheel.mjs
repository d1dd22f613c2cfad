// One timer for every wait of every stream: a wheel of slots of two milliseconds. Ten thousand
// streams that wait a second each cost one timer and ten thousand array entries.

const TICK_MS = 2;
const SLOTS = 2048;

const slots = Array.from({ length: SLOTS }, () => []);
let waiting = 0;
let timer = null;
let now = 0; // The tick that was run last.

/** Calls `wake` in `ms` milliseconds, or up to one tick later. */
export function after(ms, wake) {
  if (waiting++ === 0) {
    now = currentTick();
    timer = setInterval(turn, TICK_MS);
  }
  const due = Math.max(now + 1, Math.ceil((performance.now() + ms) / TICK_MS));
  slots[due % SLOTS].push({ due, wake });
}

function currentTick() {
  return Math.floor(performance.now() / TICK_MS);
}

function turn() {
  const target = currentTick();
  while (now < target && waiting > 0) {
    now++;
    run(now % SLOTS);
  }
  if (waiting > 0) return;
  clearInterval(timer);
  timer = null;
}

function run(slot) {
  const entries = slots[slot];
  slots[slot] = [];
  for (const entry of entries) {
    if (entry.due > now) {
      slots[slot].push(entry);
    } else {
      waiting--;
      entry.wake();
    }
  }
}
