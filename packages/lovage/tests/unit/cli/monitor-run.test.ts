// The terminal monitor with a broker in memory, and two streams for a terminal.
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { expect, test, vi } from 'vitest';
import type { Action } from '../../../src/cli/monitor/model.ts';
import { runMonitor } from '../../../src/cli/monitor/run.ts';
import { Lovage } from '../../../src/index.ts';
import { uuid } from '../../../src/util/index.ts';

interface FakeTerminal {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  press(keys: string): void;
  /** Resolves once this was written. */
  shows(text: string): Promise<void>;
  /** All that was written so far. */
  written(): string;
}

function terminal(): FakeTerminal {
  const input = new PassThrough();
  const output = new PassThrough();
  let text = '';
  output.on('data', (data: Buffer) => {
    text += data.toString();
  });
  return {
    input: Object.assign(input, { setRawMode: () => input }) as unknown as NodeJS.ReadStream,
    output: Object.assign(output, { columns: 100, rows: 20 }) as unknown as NodeJS.WriteStream,
    press: (keys) => void input.write(keys),
    shows: (wanted) => vi.waitFor(() => expect(stripVTControlCharacters(text)).toContain(wanted), { timeout: 10_000 }),
    written: () => text,
  };
}

test('a picture that stands still is what keys mean, however many tasks come; the terminal is given back as it was', async () => {
  await using app = new Lovage(
    'shop',
    { brokerUrl: `memory://${uuid()}`, resultBackend: `memory://${uuid()}` },
    { environment: {} },
  );
  const { input, output, press, shows, written } = terminal();
  const actions: Action[] = [];
  const act = async (action: Action): Promise<string> => {
    actions.push(action);
    return 'w1@h: told';
  };
  const running = runMonitor({ app, broker: 'memory', color: false, input, output, act });
  const tell = (name: string): void =>
    app.events.send('task-received', { uuid: `id-of-${name}`, name, args: '()', kwargs: '{}' });
  await shows('listening');
  tell('first');
  await shows('tasks 1');
  press('p');
  await shows('PAUSED');
  tell('second');
  await shows('tasks 2');
  press('c');
  await shows('Revoke? y yes  n no  t yes, and stop it if it runs: first(id-of-first)');
  press('y');
  await shows('w1@h: told');
  expect(actions).toEqual([{ kind: 'revoke', uuid: 'id-of-first', terminate: false }]);
  press('q');
  await running;
  const [begin, end] = [written().slice(0, 40), written().slice(-40)];
  for (const mode of ['?1049', '?25', '?7'])
    expect([begin, end].map((text) => text.includes(`\u001b[${mode}`))).toEqual([true, true]);
});
