// The first process of a container (PID 1) has a duty that Node does not know: what tasks started and left behind becomes its child, and
// stays a zombie until it is waited for. And a signal that comes before the first handler is there is lost on it, TERM too. So a worker
// that finds itself in this place gives it to a shell, which waits for whoever ends, hands signals on, and ends as the worker does.
import { existsSync } from 'node:fs';

const SHELL = '/bin/sh';

/**
 * Signals that come before there is a child are handed on when there is. In a terminal INT and QUIT reach the child by themselves. `wait`
 * also returns when a signal was handed on; the child is gone when it cannot be signalled any more.
 */
const SCRIPT = `child=
early=
forward() { if [ -n "$child" ]; then kill -s "$1" "$child" 2>/dev/null; else early=$1; fi; }
for name in TERM HUP USR1 USR2; do trap "forward $name" "$name"; done
if [ -t 0 ]; then trap : INT QUIT; else trap 'forward INT' INT; trap 'forward QUIT' QUIT; fi
"$@" <&0 &
child=$!
if [ -n "$early" ]; then forward "$early"; fi
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || exit "$code"
done`;

/** Commands that run tasks. */
const LONG_LIVED = ['worker', 'dev'];

/** Is this process to be a child of an init? `LOVAGE_INIT` says yes (1) or no (0) whatever its number is. */
function isWanted(argv: readonly string[]): boolean {
  const { LOVAGE_INIT: told } = process.env;
  // For this process alone: the child is none, and what it starts neither.
  delete process.env.LOVAGE_INIT;
  if (told === '0' || (told !== '1' && process.pid !== 1)) return false;
  return argv.some((word) => LONG_LIVED.includes(word)) && typeof process.execve === 'function' && existsSync(SHELL);
}

/** Where this is the first process of a container, the same command goes on as its child: does not return then. */
export function leaveFirstPlace(argv: readonly string[]): void {
  if (!isWanted(argv)) return;
  const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve?.(SHELL, ['sh', '-c', SCRIPT, 'lovage-init', ...words], process.env);
}
