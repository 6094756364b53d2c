// The doors' timers never keep a process alive, so that an embedded node ends with its program. A program that waits for an answer must not end.

const NEVER_MS = 2 ** 31 - 1

/** Keeps the process alive until the result is called. Each call holds on its own. */
export function holdProcess(): () => void {
  const timer = setInterval(() => undefined, NEVER_MS)
  return () => clearInterval(timer)
}
