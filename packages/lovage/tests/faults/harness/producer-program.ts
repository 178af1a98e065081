// A producer of a fault run, as a process of its own: each line on its standard input is a Load; `produced` answers when the broker has
// confirmed all of it. What was not confirmed is sent again under the same id. Each confirm is in the ledger before anything else
// happens: this process may be the next to die, and what it forgets then nobody would miss.
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { chain, Lovage, PublishError } from 'lovage';
import { configureLogging } from 'lovage/worker';
import { openAppender, PUBLISHED, type PublishMark, publishLine } from './ledger.ts';
import { type Load, readOrders, say } from './orders.ts';

/** Milliseconds between batches. */
const BATCH_MS = 20;
const AGAIN_MS = 50;

const orders = readOrders();
await configureLogging({ level: 'INFO' });
const app = new Lovage('faults', orders.settings);
const ledger = openAppender(orders.folder, PUBLISHED);

function markOf(error: unknown): PublishMark {
  return error instanceof PublishError && error.safeToRepeat ? 'no' : 'maybe';
}

/** The ids of the tasks that one call sends. */
function idsOf(id: string, { steps }: Load): readonly string[] {
  return steps === undefined ? [id] : Array.from({ length: steps }, (_, step) => `${id}.${step}`);
}

async function send(id: string, load: Load): Promise<void> {
  const { task = 'fault.work', args = [5], countdown, steps } = load;
  if (steps === undefined) await app.sendTask(task, { args, taskId: id, ...(countdown === undefined ? {} : { countdown }) });
  else
    await chain(
      ...idsOf(id, load).map((taskId) =>
        app
          .remote(task)
          .si(...args)
          .set({ taskId }),
      ),
    ).delay();
}

async function publish(id: string, load: Load): Promise<void> {
  const ids = idsOf(id, load);
  for (;;) {
    const began = performance.now();
    const took = (): number => (performance.now() - began) / 1000;
    try {
      await send(id, load);
      ledger.append(ids.map((one) => publishLine('ok', one, took())));
      return;
    } catch (error) {
      ledger.append(ids.map((one) => publishLine(markOf(error), one, took())));
      process.stderr.write(`${id}: ${error}\n`);
      await delay(AGAIN_MS);
    }
  }
}

async function produce(load: Load): Promise<void> {
  const each = Math.max(1, Math.round((load.perSecond * BATCH_MS) / 1000));
  const pause = (each / load.perSecond) * 1000;
  const began = performance.now();
  const all: Promise<void>[] = [];
  for (let sent = 0; sent < load.count; sent += each) {
    const ids = Array.from({ length: Math.min(each, load.count - sent) }, (_, at) => `${load.prefix}-${sent + at}`);
    ledger.append(ids.flatMap((id) => idsOf(id, load).map((one) => publishLine('try', one))));
    all.push(...ids.map((id) => publish(id, load)));
    // By the clock, so that a slow turn is made up for.
    await delay(Math.max(0, began + (sent / each + 1) * pause - performance.now()));
  }
  await Promise.all(all);
  say(`produced ${load.prefix}`);
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => void produce(JSON.parse(line) as Load));
lines.on('close', () => process.exit(0));
say('ready');
