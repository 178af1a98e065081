// The suite that every result backend passes. Where a backend cannot do a thing, that refusal is what is claimed.
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../../src/result/index.ts';
import { describeGroups } from './describe-groups.ts';
import { describeRevokes } from './describe-revokes.ts';
import { describeStore } from './describe-store.ts';
import { describeWatch } from './describe-watch.ts';
import { type BackendHarness, bodyOf, collect, eventually, expectBody, maker, never, type Pair, untilEnd } from './harness.ts';

/** Runs the whole suite over one backend. */
export function describeBackend(name: string, harness: BackendHarness): void {
  describe(`result backend ${name}`, () => {
    let pair: Pair;
    let id: string;
    beforeEach(async () => {
      const reader = untilEnd(await openBackend(await harness.options()));
      const writer = untilEnd(await openBackend(await harness.options()));
      pair = { reader, writer, make: await maker(reader), rewrites: harness.rewrites === true, many: harness.many ?? 1000 };
      id = randomUUID();
    });
    describeKeeping(
      harness,
      () => pair,
      () => id,
    );
    describeRules(
      harness,
      () => pair,
      () => id,
    );
    describeFence(
      () => pair,
      () => id,
    );
    describeWatch(
      harness,
      () => pair,
      () => id,
    );
    describeStore(
      () => pair,
      () => id,
    );
    describeGroups(
      () => pair,
      () => id,
    );
    describeRevokes(
      () => pair,
      () => id,
    );
  });
}

function describeKeeping(harness: BackendHarness, pair: () => Pair, id: () => string): void {
  it('knows nothing of an id that nobody wrote', async () => {
    expect(await pair().reader.get([id()])).toEqual(new Map());
  });

  it('answers no ids with nothing', async () => {
    expect(await pair().reader.get([])).toEqual(new Map());
    expect(await pair().writer.put([])).toEqual([]);
  });

  for (const state of ['STARTED', 'RETRY', 'PROGRESS', 'SUCCESS', 'FAILURE', 'REVOKED']) {
    it(`keeps ${state} with its bytes as they were`, async () => {
      const { reader, writer, make } = pair();
      expect(await writer.put([make(id(), state)])).toEqual([]);
      await eventually(reader, id(), state);
      const stored = (await reader.get([id()])).get(id());
      expectBody(harness, stored?.body, bodyOf(id(), state));
      expect(stored?.id).toBe(id());
    });
  }

  it('replaces a state by the one that follows it, also inside one call', async () => {
    const { reader, writer, make } = pair();
    await writer.put([make(id(), 'STARTED'), make(id(), 'PROGRESS')]);
    await eventually(reader, id(), 'PROGRESS');
    await writer.put([make(id(), 'RETRY')]);
    await writer.put([make(id(), 'FAILURE')]);
    await eventually(reader, id(), 'FAILURE');
  });

  it('keeps many results in one call and finds each of them', async () => {
    const { reader, writer, make, many } = pair();
    const ids = Array.from({ length: many / 2 }, (_, index) => `${id()}-${index}`);
    await writer.put(ids.map((one) => make(one, 'SUCCESS')));
    const seen = await collect(reader.watch(ids, never));
    expect(new Set(seen.map((result) => result.id))).toEqual(new Set(ids));
    expect(seen).toHaveLength(ids.length);
  });

  it('keeps a body of 1 MB, or says that it is too large', async () => {
    const { reader, writer, make } = pair();
    const body = bodyOf(id(), 'SUCCESS', 'ü'.repeat(500_000));
    const put = writer.put([make(id(), 'SUCCESS', { body })]);
    if (harness.maxBytes !== undefined) return expect(put).rejects.toThrow(/size/i);
    await put;
    const [result] = await collect(reader.watch([id()], never));
    expectBody(harness, result?.body, body);
  });

  it('forgets', async () => {
    const { reader, writer, make } = pair();
    await writer.put([make(id(), 'SUCCESS')]);
    await eventually(reader, id(), 'SUCCESS');
    await reader.forget([id(), 'unknown']);
    expect((await reader.get([id()])).size).toBe(0);
  });

  it('lets a result expire where a result has a life of its own', async () => {
    const { reader, writer, make } = pair();
    await writer.put([make(id(), 'SUCCESS', { expires: 1 })]);
    await eventually(reader, id(), 'SUCCESS');
    if (reader.features.persistent && reader.features.autoExpire) await eventually(reader, id(), undefined);
    else await eventually(reader, id(), 'SUCCESS');
  });

  it('keeps a result without expiry', async () => {
    const { reader, writer, make } = pair();
    await writer.put([make(id(), 'SUCCESS', { expires: undefined })]);
    await eventually(reader, id(), 'SUCCESS');
  });

  it('shows a result to every client if it is persistent, else only to the one that asked', async () => {
    const { reader, writer, make } = pair();
    await writer.put([make(id(), 'SUCCESS')]);
    await eventually(reader, id(), 'SUCCESS');
    expect((await writer.get([id()])).has(id())).toBe(reader.features.persistent);
  });

  it('answers a check, and closes twice without complaint', async () => {
    const { reader } = pair();
    await reader.check(AbortSignal.timeout(5000));
    await reader[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
  });
}

function describeRules(harness: BackendHarness, pair: () => Pair, id: () => string): void {
  for (const later of ['FAILURE', 'REVOKED', 'RETRY', 'STARTED', 'SUCCESS']) {
    it(`never replaces SUCCESS by ${later}`, async () => {
      const { reader, writer, make } = pair();
      await writer.put([make(id(), 'SUCCESS')]);
      const refused = await writer.put([make(id(), later, { body: bodyOf(id(), later, 'later') })]);
      expect(refused).toEqual(writer.features.persistent ? [id()] : []);
      const [first] = await collect(reader.watch([id()], never));
      expectBody(harness, first?.body, bodyOf(id(), 'SUCCESS'));
    });
  }

  it('replaces a ready state by a ready one, and by no other', async () => {
    const { reader, writer, make } = pair();
    await writer.put([make(id(), 'FAILURE')]);
    await eventually(reader, id(), 'FAILURE');
    if (!writer.features.persistent) return expect(await writer.put([make(id(), 'STARTED')])).toEqual([]);
    expect(await writer.put([make(id(), 'RETRY')])).toEqual([id()]);
    await eventually(reader, id(), 'FAILURE');
    expect(await writer.put([make(id(), 'SUCCESS')])).toEqual([]);
    await eventually(reader, id(), 'SUCCESS');
  });

  it('takes a repeat of the same write for what it is', async () => {
    const { writer, make } = pair();
    const result = make(id(), 'SUCCESS');
    expect(await writer.put([result])).toEqual([]);
    expect(await writer.put([result])).toEqual([]);
  });

  it('names in one call only those that were refused', async () => {
    const { writer, make } = pair();
    const ids = ['a', 'b', 'c'].map((letter) => `${id()}-${letter}`);
    await writer.put([make(`${id()}-b`, 'SUCCESS')]);
    const refused = await writer.put(ids.map((one) => make(one, 'FAILURE')));
    expect(refused).toEqual(writer.features.persistent ? [`${id()}-b`] : []);
  });

  it('may start anew once it was forgotten', async () => {
    const { reader, writer, make } = pair();
    await writer.put([make(id(), 'SUCCESS')]);
    await eventually(reader, id(), 'SUCCESS');
    await reader.forget([id()]);
    expect(await writer.put([make(id(), 'STARTED')])).toEqual([]);
    await eventually(reader, id(), 'STARTED');
  });
}

function describeFence(pair: () => Pair, id: () => string): void {
  it('has a fence exactly when its writes are atomic', () => {
    const { writer } = pair();
    expect(writer.fence !== undefined).toBe(writer.features.fence);
  });

  it('refuses an attempt older than the fence', async () => {
    const { writer, reader, make } = pair();
    if (writer.fence === undefined) return expect(await writer.put([make(id(), 'SUCCESS')])).toEqual([]);
    expect(await writer.fence(id(), 2, 60)).toEqual({ stored: undefined, attempt: 2 });
    expect(await writer.put([make(id(), 'SUCCESS', { attempt: 1 })])).toEqual([id()]);
    expect((await reader.get([id()])).size).toBe(0);
    expect(await writer.put([make(id(), 'STARTED', { attempt: 2 })])).toEqual([]);
    expect(await writer.put([make(id(), 'FAILURE', { attempt: 2 })])).toEqual([]);
  });

  it('refuses a second end of the fenced attempt, but not the end of a later one', async () => {
    const { writer, reader, make } = pair();
    if (writer.fence === undefined) return expect(await writer.put([make(id(), 'FAILURE')])).toEqual([]);
    await writer.fence(id(), 2, 60);
    expect(await writer.put([make(id(), 'FAILURE', { attempt: 2 })])).toEqual([]);
    expect(await writer.put([make(id(), 'FAILURE', { attempt: 2, body: bodyOf(id(), 'FAILURE', 'second') })])).toEqual([id()]);
    expect(await writer.put([make(id(), 'SUCCESS', { attempt: 3 })])).toEqual([]);
    await eventually(reader, id(), 'SUCCESS');
  });

  it('is never lowered', async () => {
    const { writer, make } = pair();
    if (writer.fence === undefined) return expect(writer.features.fence).toBe(false);
    await writer.fence(id(), 3, 60);
    // Whoever comes with less is told, and has to write under what is there.
    expect(await writer.fence(id(), 2, undefined)).toEqual({ stored: undefined, attempt: 3 });
    expect(await writer.put([make(id(), 'SUCCESS', { attempt: 2 })])).toEqual([id()]);
    expect(await writer.put([make(id(), 'SUCCESS', { attempt: 3 })])).toEqual([]);
  });

  it('tells a redelivered attempt what is stored already', async () => {
    const { writer, make } = pair();
    await writer.put([make(id(), 'SUCCESS')]);
    if (writer.fence === undefined) return expect(writer.features.fence).toBe(false);
    expect((await writer.fence(id(), 2, 60)).stored?.state).toBe('SUCCESS');
  });
}
