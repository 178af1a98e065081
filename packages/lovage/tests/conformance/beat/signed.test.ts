// Beat signs what it sends, so whoever can write into the schedule store but has no key tries to get a signature there.
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { Lovage, SettingsInput } from '../../../src/app/index.ts';
import { openSchedule, startBeat } from '../../../src/beat/index.ts';
import { openScheduleStore } from '../../../src/beat/open.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { places, shop, stopAll } from './places.ts';

afterAll(stopAll);
const soon = { timeout: 15_000, interval: 10 };
const keys = join(import.meta.dirname, '../../support/keys');

const signing: Readonly<Record<string, SettingsInput>> = {
  'signed headers': {
    signingKeys: { k1: 'a secret of the shop that is long enough' },
    signingKey: 'k1',
    signingRequired: true,
  },
  'signed bodies': {
    taskSerializer: 'auth',
    acceptContent: ['auth'],
    resultAcceptContent: ['json', 'auth'],
    securityKey: join(keys, 'test-key.pem'),
    securityCertificate: join(keys, 'test-cert.pem'),
    securityCertStore: join(keys, '*-cert.pem'),
  },
};
const { 'sqlite, one file': sqlite, redis, 'amqp with redis': amqp } = places;

describe.concurrent.each(Object.entries(signing))('%s', (_, settings) => {
  it.each(Object.entries({ sqlite, redis, amqp }))('on %s', async (_name, place) => {
    const name = `beat-${uuid()}`;
    const plain = { ...place?.(), taskDefaultQueue: name, controlExchange: name };
    const beatSchedule = { own: { task: 'note', schedule: 0.2, args: ['own'] } };
    await using app = shop({ ...plain, ...settings, beatSchedule }, {}, name);
    const stranger: Lovage = shop({ ...plain, beatSchedule }, {}, name);
    await using _stranger = { [Symbol.asyncDispose]: () => stranger.close() };
    const ran: string[] = [];
    app.task('note', (text: string) => void ran.push(text));
    await using _worker = await startWorker(app, { withoutHeartbeat: true, mingle: false });
    await using beat = await startBeat(app);
    await beat.ready;
    await using schedule = await openSchedule(app);
    await using theirs = await openSchedule(stranger);
    await using store = await openScheduleStore(stranger);
    await schedule.add('good', { task: 'note', schedule: 0.2, args: ['good'] });
    // What a stranger tries: an entry, an end to one of the code, a signed text under another name, a signed one with other words.
    await theirs.add('bad', { task: 'note', schedule: 0.1, args: ['bad'] });
    await theirs.pause('own');
    const good = (await store.load()).edited.get('good') ?? '';
    await store.edit('copy', undefined, good);
    await store.edit('changed', undefined, good.replaceAll('note', 'evil'));
    await vi.waitFor(async () => {
      const list = await schedule.list();
      expect(Object.fromEntries(list.map((entry) => [entry.name, entry.error?.replace(/[:;].*/, '')]))).toEqual({
        bad: 'It was written without a signature, and this app signs what it sends',
        changed: expect.stringContaining('does not fit'),
        copy: expect.stringContaining('does not fit'),
        good: undefined,
        own: undefined,
      });
    }, soon);
    const before = ran.length;
    await vi.waitFor(() => {
      const since = ran.slice(before);
      expect([since.filter((text) => text === 'own').length, since.filter((text) => text === 'good').length]).toEqual([
        expect.toSatisfy((count: number) => count > 2),
        expect.toSatisfy((count: number) => count > 2),
      ]);
    }, soon);
    expect(new Set(ran)).toEqual(new Set(['own', 'good']));
    // Who may changes what a stranger wrote over.
    await schedule.pause('own');
    expect((await schedule.list()).find((entry) => entry.name === 'own')?.enabled).toBe(false);
    await schedule.remove('bad');
    expect((await schedule.list()).map((entry) => entry.name)).not.toContain('bad');
  });
});
