// A beat of a fault run, as a process of its own. Says `ready`. Told `skew N`, its wall clock is N seconds off from then on; `dieAfter`
// kills it between sending so many runs and noting that they were sent.
import { createInterface } from 'node:readline';
import { Lovage, type SettingsInput } from 'lovage';
import { startBeat } from 'lovage/beat';
import { configureLogging } from 'lovage/worker';
import { say } from './orders.ts';

/** What such a program is told in the environment variable BEAT_ORDERS. */
export interface BeatOrders {
  readonly app: string;
  readonly settings: SettingsInput;
  readonly dieAfter?: number;
}

const { app: name, settings, dieAfter } = JSON.parse(process.env.BEAT_ORDERS ?? '{}') as BeatOrders;
await configureLogging({ level: 'INFO', format: 'text', processName: 'Beat' });
let skew = 0;
const clock = { now: () => Date.now() / 1000 + skew, monotonic: () => performance.now() };
const app = new Lovage(name, settings, { environment: {}, clock });
if (dieAfter !== undefined) {
  let sent = 0;
  app.signals.afterTaskPublish.connect(() => {
    if (++sent === dieAfter) process.kill(process.pid, 'SIGKILL');
  });
}
await using beat = await startBeat(app);
await beat.ready;
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [order, value] = line.split(' ');
  if (order === 'skew') skew = Number(value);
  say(`did ${line}`);
}
