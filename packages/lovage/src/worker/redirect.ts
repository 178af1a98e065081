// The console of tasks as log lines (setting workerRedirectStdouts). Only what is written inside a task is taken; everything else, the
// banner too, goes where it always went.
import { MAX_LINE } from '../pool/index.ts';
import { type CurrentTask, currentTask } from '../task/index.ts';
import { logger } from '../util/index.ts';

const LEVELS = { DEBUG: 'debug', INFO: 'info', WARNING: 'warning', ERROR: 'error', CRITICAL: 'fatal' } as const;

/** Level of the lines. */
export type RedirectLevel = keyof typeof LEVELS;

interface Written {
  text: string;
}

/** A console that is taken. */
export interface Redirected extends Disposable {
  /** Says now what has no line end yet: this process ends. */
  flush(): void;
}

/** Takes what tasks write to standard output and standard error until disposed. */
export function redirectConsole(level: RedirectLevel): Redirected {
  const streams = [process.stdout, process.stderr].map((stream) => redirect(stream, level));
  return {
    flush: () => {
      for (const { flush } of streams) flush();
    },
    [Symbol.dispose]: () => {
      for (const stream of streams) stream[Symbol.dispose]();
    },
  };
}

/** The rest of a long line is a line of its own. */
function piecesOf(line: string): readonly string[] {
  if (line.length <= MAX_LINE) return [line];
  return Array.from({ length: Math.ceil(line.length / MAX_LINE) }, (_, index) =>
    line.slice(index * MAX_LINE, (index + 1) * MAX_LINE),
  );
}

function redirect(stream: NodeJS.WriteStream, level: RedirectLevel): Redirected {
  const { write } = stream;
  /** What has no line end yet. */
  const written = new Map<CurrentTask, Written>();
  const log = logger('task', 'redirected');
  // A sink may write to this very stream while it has a line of ours: that must go through.
  let logging = false;
  const say = (task: CurrentTask, line: string): void => {
    logging = true;
    try {
      log[LEVELS[level]]('{line}', { line, task: task.name, id: task.request.id });
    } finally {
      logging = false;
    }
  };
  const take = (task: CurrentTask, text: string): void => {
    const open = written.get(task);
    const lines = `${open?.text ?? ''}${text}`.split('\n').flatMap(piecesOf);
    const rest = { text: lines.pop() ?? '' };
    for (const line of lines) if (line.trim() !== '') say(task, line);
    if (rest.text === '') {
      written.delete(task);
      return;
    }
    written.set(task, rest);
    // Nobody says when a task has written its last: what has no line end by the end of this turn is a line as it is.
    setImmediate(() => void (written.get(task) === rest && take(task, '\n')));
  };
  const own = (chunk: string | Uint8Array, ...rest: readonly unknown[]): unknown => {
    const task = logging ? undefined : currentTask();
    if (task === undefined) return Reflect.apply(write, stream, [chunk, ...rest]);
    take(task, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'));
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(() => void Reflect.apply(done, undefined, []));
    return true;
  };
  Object.assign(stream, { write: own });
  return {
    flush: () => {
      for (const task of [...written.keys()]) take(task, '\n');
    },
    [Symbol.dispose]: () => void Object.assign(stream, { write }),
  };
}
