// The terminal itself: a screen of its own that is given back as it was, whatever ends the program; only lines that changed are written.

import { keysOf } from './keys.ts';
import type { Key } from './model.ts';

// Lines are as wide as the screen. Where a terminal takes a character for wider than we do, the end is cut and the next line stays whole.
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';

export interface Screen extends Disposable {
  readonly columns: number;
  readonly rows: number;
  show(lines: readonly string[]): void;
}

export interface ScreenEvents {
  readonly key: (key: Key) => void;
  readonly resized: () => void;
  /** The program was told to end. */
  readonly ended: () => void;
}

/** Takes the terminal over. */
export function openScreen(input: NodeJS.ReadStream, output: NodeJS.WriteStream, events: ScreenEvents): Screen {
  let shown: readonly string[] = [];
  const onData = (data: Buffer): void => {
    for (const key of keysOf(data.toString())) events.key(key);
  };
  const onResize = (): void => {
    shown = [];
    output.write('\u001b[2J');
    events.resized();
  };
  const leave = (): void => void output.write(LEAVE);
  output.write(ENTER);
  input.setRawMode(true);
  input.resume();
  input.on('data', onData);
  output.on('resize', onResize);
  process.once('SIGTERM', events.ended);
  process.once('SIGHUP', events.ended);
  // Whatever else ends the process, the shell gets its screen and cursor back.
  process.once('exit', leave);
  let isOver = false;
  return {
    get columns() {
      return output.columns ?? 80;
    },
    get rows() {
      return output.rows ?? 24;
    },
    show: (lines) => {
      if (isOver) return;
      const changed = lines.flatMap((line, index) => (line === shown[index] ? [] : [`\u001b[${index + 1};1H${line}\u001b[K`]));
      if (changed.length > 0) output.write(changed.join(''));
      shown = lines;
    },
    [Symbol.dispose]: () => {
      if (isOver) return;
      isOver = true;
      input.off('data', onData);
      output.off('resize', onResize);
      process.off('SIGTERM', events.ended);
      process.off('SIGHUP', events.ended);
      process.off('exit', leave);
      input.setRawMode(false);
      input.pause();
      leave();
    },
  };
}
