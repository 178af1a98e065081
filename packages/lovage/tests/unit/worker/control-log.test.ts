// What a worker's log says of commands that cannot be carried out.
import { expect, it } from 'vitest';
import { Lovage } from '../../../src/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { toldBy } from '../../support/told.ts';

const told = toldBy('worker');

it('no command of the wire writes lines of its own into the log, and what was asked wrongly has no stack', async () => {
  const url = `memory://${uuid()}`;
  await using app = new Lovage('shop', { brokerUrl: url, resultBackend: url }, { environment: {} });
  app.control.command('broken', {
    run: () => {
      throw new TypeError('of the program');
    },
  });
  await using _worker = await startWorker(app, { hostname: 'w@h', mingle: false });
  const ask = (name: string): Promise<unknown> => app.control.broadcast(name, {}, { wait: true, destination: ['w@h'] });
  expect(await ask('no\nsuch')).toEqual({ 'w@h': { error: String.raw`KeyError('no\nsuch')` } });
  await ask('autoscale');
  await ask('broken');
  expect(told.filter((line) => line.startsWith('error: The control command')).map((line) => line.split(' failed: ')[1])).toEqual([
    String.raw`KeyError('no\nsuch')`,
    "ValueError('Autoscale not enabled')",
    'TypeError: of the program',
  ]);
});
