// Autoscaling in whole workers on the memory drivers.
import { describe, expect, it } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import { uuid } from '../../../src/util/index.ts';
import {
  type AutoscaleOptions,
  type Bootstep,
  readAutoscale,
  startWorker,
  type Worker,
  type WorkerHost,
} from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';

interface Setup extends AsyncDisposable {
  readonly host: WorkerHost;
  readonly worker: Worker;
  /** Starts that many tasks, which end when `finish` is called. */
  busy(count: number): Promise<void>;
  finish(): void;
  running(): number;
}

async function setup(autoscale: AutoscaleOptions): Promise<Setup> {
  const name = uuid();
  const url = `memory://${name}`;
  const app = new Lovage('shop', { brokerUrl: url, resultBackend: url, taskDefaultQueue: `q-${name}` }, { environment: {} });
  let running = 0;
  let gate = Promise.withResolvers<void>();
  const wait = app.task('wait', async () => {
    running++;
    await gate.promise;
    running--;
  });
  const hosts: WorkerHost[] = [];
  const spy: Bootstep<WorkerHost> = { name: 'spy', start: async (host) => void hosts.push(host) };
  const worker = await startWorker(app, { autoscale, steps: [spy] });
  const [host] = hosts;
  if (host === undefined) throw new Error('The step did not start.');
  return {
    host,
    worker,
    busy: async (count) => void (await Promise.all(Array.from({ length: count }, () => wait.delay()))),
    finish: () => {
      gate.resolve();
      gate = Promise.withResolvers<void>();
    },
    running: () => running,
    [Symbol.asyncDispose]: async () => {
      gate.resolve();
      await worker.stop();
      await app.close();
    },
  };
}

describe('autoscaling', () => {
  it('starts with the fewest slots, grows at once to what there is to do, and not beyond the most', async () => {
    await using s = await setup({ max: 5, min: 2 });
    expect(s.worker.info()).toMatchObject({ autoscaler: { max: 5, min: 2, current: 2, qty: 0 } });
    await s.busy(4);
    await soon(() => expect(s.running()).toBe(4));
    expect(s.host.pool?.limit).toBe(4);
    await s.busy(4);
    await soon(() => expect(s.running()).toBe(5));
    expect(s.worker.info()).toMatchObject({ autoscaler: { current: 5 } });
  });

  it('shrinks once nothing had to grow for as long as keepalive says', async () => {
    await using s = await setup({ max: 4, min: 1, keepalive: 0.2 });
    await s.busy(4);
    await soon(() => expect(s.running()).toBe(4));
    s.finish();
    await soon(() => expect(s.running()).toBe(0));
    await soon(() => expect(s.host.pool?.limit).toBe(1));
    await s.busy(3);
    await soon(() => expect(s.running()).toBe(3));
  });

  it('takes other bounds at once', async () => {
    await using s = await setup({ max: 4, min: 1 });
    await s.busy(6);
    await soon(() => expect(s.running()).toBe(4));
    expect(await s.host.autoscaler?.update({ max: 2 })).toEqual({ max: 2, min: 1 });
    expect(s.host.pool?.limit).toBe(2);
    expect(await s.host.autoscaler?.update({ max: 8, min: 6 })).toEqual({ max: 8, min: 6 });
    await soon(() => expect(s.running()).toBe(6));
    await expect(s.host.autoscaler?.update({ max: 0 })).rejects.toThrow('whole numbers');
    expect(s.host.autoscaler).toMatchObject({ max: 8, min: 6 });
  });

  it('is refused for a pool of one slot', async () => {
    await using app = new Lovage('shop', { brokerUrl: `memory://${uuid()}` }, { environment: {} });
    await expect(startWorker(app, { pool: 'solo', autoscale: { max: 2, min: 1 } })).rejects.toThrow("'solo' cannot be scaled");
  });

  it('reads its bounds in any order', () => {
    expect(readAutoscale('3,10')).toEqual({ max: 10, min: 3 });
    expect(readAutoscale('7')).toEqual({ max: 7, min: 0 });
    for (const wrong of ['a,b', '1,2,3', '-1', '', '0']) expect(() => readAutoscale(wrong)).toThrow('range for autoscaling');
  });
});
