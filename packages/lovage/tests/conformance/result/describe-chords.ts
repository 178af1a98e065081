// The suite that every store which counts chords passes. Two clients share the store: who opens and who counts are never the same.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { createErrorRegistry, type ResultTuple, type WireSignature } from '../../../src/protocol/index.ts';
import {
  type ChordPart,
  type ChordStore,
  type CompleteChord,
  createResultCodec,
  openBackend,
  type ResultCodec,
} from '../../../src/result/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import type { BackendHarness } from './harness.ts';
import { untilEnd } from './harness.ts';

function codecOf(serializer: string): ResultCodec {
  const serialization = createSerialization();
  const accept = serialization.accept(['json', 'msgpack', 'yaml']);
  return createResultCodec({ serialization, serializer, accept, expires: 60, errors: createErrorRegistry() });
}

const BODY: WireSignature = {
  task: 'sum',
  args: [],
  kwargs: {},
  options: { task_id: 'body' },
  subtask_type: null,
  immutable: false,
};

/** Values of a complete chord, in order. */
export function valuesOf({ chords }: ResultCodec, complete: CompleteChord | undefined): unknown[] | undefined {
  return complete?.parts.map((part) => chords.readPart(part).result);
}

/** Runs the suite over one backend. `ordered` is false where parts come in no order but that of their coming. */
export function describeChords(
  name: string,
  harness: BackendHarness,
  { ordered = true }: { readonly ordered?: boolean } = {},
): void {
  describe(`chords on ${name}`, () => {
    let opener: ChordStore;
    let counter: ChordStore;
    let groupId: string;
    const codec = codecOf('json');
    const part = (
      index: number | undefined,
      id = `m${index}`,
      more: Partial<ChordPart> & { result?: unknown } = {},
    ): ChordPart => {
      const { result = index, state = 'SUCCESS', ...rest } = more;
      const callback = { body: BODY };
      return { ...codec.chords.part({ groupId, index, id: `${groupId}${id}`, state, result, callback }), ...rest };
    };
    const open = (size: number, header?: ResultTuple): Promise<void> =>
      opener.open([
        codec.chords.opening({
          groupId,
          size,
          body: BODY,
          header: header ?? [[groupId, null], []],
          nested: header !== undefined,
          expires: 60,
        }),
      ]);
    beforeEach(async () => {
      const one = untilEnd(await openBackend(await harness.options()));
      const two = untilEnd(await openBackend(await harness.options()));
      if (one.chords === undefined || two.chords === undefined) throw new Error(`${name} counts no chords`);
      opener = one.chords;
      counter = two.chords;
      groupId = randomUUID();
    });

    it('is complete by its last part, with all parts in order and the body it was opened with', async () => {
      await open(3);
      expect(await counter.join([part(2)])).toEqual([]);
      expect(await counter.join([part(0)])).toEqual([]);
      const [complete] = await counter.join([part(1)]);
      expect(complete?.groupId).toBe(groupId);
      expect(valuesOf(codec, complete)).toEqual(ordered ? [0, 1, 2] : [2, 0, 1]);
      expect(codec.chords.readCallback(complete?.callback ?? '').body).toEqual(BODY);
      expect(complete?.structure).toBeUndefined();
    });

    it('knows the root of the first member that brought one', async () => {
      await open(3);
      await counter.join([part(undefined, 'x', { rootId: 'of the last' })]);
      await counter.join([part(1, 'm1', { rootId: 'of m1' })]);
      const [complete] = await opener.join([part(0, 'm0', { rootId: 'of m0, spaces too' })]);
      expect(complete?.root).toEqual({ id: `${groupId}m0`, rootId: 'of m0, spaces too' });
      await counter.close([groupId]);
      groupId = randomUUID();
      await open(2);
      const [rootless] = await counter.join([part(0), part(1)]);
      expect(rootless?.root).toBeUndefined();
    });

    it('counts a batch of several chords at once', async () => {
      const first = groupId;
      await open(2);
      const firstParts = [part(0), part(1)];
      groupId = randomUUID();
      await open(3);
      const complete = await counter.join([...firstParts, part(0), part(1)]);
      expect(complete.map((chord) => chord.groupId)).toEqual([first]);
      expect((await counter.join([part(2)])).map((chord) => chord.groupId)).toEqual([groupId]);
    });

    it('counts an id once, whatever it says the second time', async () => {
      await open(2);
      await counter.join([part(0)]);
      expect(await counter.join([part(0, 'm0', { state: 'FAILURE', result: new Error('again') })])).toEqual([]);
      expect(await opener.join([part(0), part(0)])).toEqual([]);
      expect(valuesOf(codec, (await counter.join([part(1)]))[0])).toEqual([0, 1]);
    });

    it('counts different ids of one index, and ids of which one begins like the other', async () => {
      await open(4);
      await counter.join([part(0, '1'), part(0, '10')]);
      expect(await counter.join([part(0, '1')])).toEqual([]);
      await counter.join([part(0, '')]);
      expect(valuesOf(codec, (await counter.join([part(1)]))[0])?.length).toBe(4);
    });

    it('takes parts without an index, which come last and count once', async () => {
      await open(3);
      await counter.join([part(undefined, 'a', { result: 'a' }), part(undefined, 'b', { result: 'b' })]);
      expect(await counter.join([part(undefined, 'a', { result: 'a' })])).toEqual([]);
      const values = valuesOf(codec, (await counter.join([part(0)]))[0]);
      expect(values).toEqual(ordered ? [0, 'a', 'b'] : ['a', 'b', 0]);
    });

    it('is told complete again to whoever repeats a part, until it is closed', async () => {
      await open(2);
      await counter.join([part(0)]);
      await counter.join([part(1)]);
      expect(await opener.join([part(0)])).toHaveLength(1);
      expect(await counter.join([part(1)])).toHaveLength(1);
      await counter.close([groupId]);
      expect(await counter.join([part(1)])).toEqual([]);
      expect(await counter.join([part(0), part(1), part(2)])).toEqual([]);
    });

    it('is not opened again once it is open or closed', async () => {
      await open(2);
      await counter.join([part(0)]);
      await open(2);
      expect(await counter.join([part(1)])).toHaveLength(1);
      await counter.close([groupId]);
      await open(2);
      expect(await counter.join([part(0), part(1)])).toEqual([]);
    });

    it('waits for its size when parts come before it', async () => {
      expect(await counter.join([part(0)])).toEqual([]);
      await open(2);
      expect(await counter.join([part(1)])).toHaveLength(1);
    });

    it('lives for ever when its results do', async () => {
      const opening = { groupId, size: 1, body: BODY, header: [[groupId, null], []] as ResultTuple, nested: false, expires: 0 };
      await opener.open([codec.chords.opening(opening)]);
      await sleep(20);
      expect(await counter.join([part(0, 'm0', { expires: undefined })])).toHaveLength(1);
    });

    it('waits for what was added, each id once', async () => {
      await open(2);
      await opener.extend(groupId, [`${groupId}extra`], 60);
      await opener.extend(groupId, [`${groupId}extra`], 60);
      await counter.join([part(0)]);
      expect(await counter.join([part(1)])).toEqual([]);
      const [complete] = await counter.join([part(1, 'extra', { result: 'more' })]);
      expect(valuesOf(codec, complete)?.toSorted()).toEqual([0, 1, 'more']);
    });

    it('keeps how its header is nested', async () => {
      const tree: ResultTuple = [[groupId, null], [[['inner', null], [[['a', null], null]]]]];
      await open(1, tree);
      const [complete] = await counter.join([part(0)]);
      expect(codec.chords.readStructure(complete?.structure ?? new Uint8Array())).toEqual({
        id: groupId,
        members: [{ id: 'inner', members: [{ id: 'a' }] }],
      });
    });

    it('takes parts of messages that could not be read, and the body from whoever knows it', async () => {
      await counter.join([part(0, 'm0', { callback: undefined })]);
      await open(2);
      const [complete] = await counter.join([part(1, 'm1', { callback: undefined })]);
      expect(codec.chords.readCallback(complete?.callback ?? '').body.task).toBe('sum');
    });

    for (const serializer of ['msgpack', 'yaml']) {
      it(`keeps parts as ${serializer} writes them`, async () => {
        const other = codecOf(serializer);
        await open(2);
        const make = (index: number): ChordPart =>
          other.chords.part({
            groupId,
            index,
            id: `${groupId} ${index}`,
            state: 'SUCCESS',
            result: { bytes: 'ü', index },
            callback: { body: BODY },
          });
        await counter.join([make(0), make(0)]);
        const [complete] = await counter.join([make(1)]);
        expect(valuesOf(other, complete)).toEqual([
          { bytes: 'ü', index: 0 },
          { bytes: 'ü', index: 1 },
        ]);
      });
    }

    it('gives a complete chord that nobody closed to one janitor for a time', async () => {
      await open(1);
      await counter.join([part(0)]);
      const mine = async (seconds: number): Promise<readonly CompleteChord[]> =>
        ((await opener.stale?.(seconds)) ?? []).filter((chord) => chord.groupId === groupId);
      expect(await mine(60)).toEqual([]);
      await sleep(20);
      const [found] = await mine(0.01);
      expect(valuesOf(codec, found)).toEqual([0]);
      expect(codec.chords.readCallback(found?.callback ?? '').body).toEqual(BODY);
      expect(await mine(60)).toEqual([]);
      await counter.close([groupId]);
      await sleep(20);
      expect(await mine(0.01)).toEqual([]);
    });

    it('is complete once when a thousand parts come in any order from two clients', async () => {
      const size = 1000;
      await open(size);
      const parts = Array.from({ length: size }, (_, index) => part(index));
      const shuffled = parts.map((one, index) => parts[(index * 617) % size] ?? one);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, batch) =>
          (batch % 2 === 0 ? opener : counter).join(shuffled.slice(batch * 50, batch * 50 + 50)),
        ),
      );
      const complete = answers.flat();
      expect(complete).toHaveLength(1);
      const values = valuesOf(codec, complete[0]);
      expect(ordered ? values : values?.toSorted((a, b) => Number(a) - Number(b))).toEqual(parts.map((_, index) => index));
    });

    it('ends in one way whatever dies, comes again or comes late', async () => {
      for (let run = 0; run < 60; run++) {
        groupId = `${run}-${randomUUID()}`;
        const random = randomOf(run + 1);
        const size = 1 + Math.floor(random() * 6);
        await open(size);
        // Each part comes one to three times, in any order; a repeat may say something else.
        const deliveries = Array.from({ length: size }, (_, index) =>
          Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
            const isFailure = random() < 0.3;
            return part(index, `m${index}`, isFailure ? { state: 'FAILURE', result: new Error('boom') } : {});
          }),
        )
          .flat()
          .map((delivery) => ({ delivery, at: random() }))
          .sort((a, b) => a.at - b.at);
        const told: string[] = [];
        let closed = 0;
        for (const { delivery } of deliveries) {
          const client = random() < 0.5 ? opener : counter;
          for (const complete of await client.join([delivery])) {
            told.push(textOf(complete));
            // Whoever counted the last part dies now and then before it has said so.
            if (random() < 0.5) continue;
            closed++;
            await client.close([complete.groupId]);
          }
        }
        if (closed === 0) {
          await sleep(2);
          const left = ((await counter.stale?.(0)) ?? []).filter((chord) => chord.groupId === groupId);
          told.push(...left.map((complete) => textOf(complete)));
          await counter.close([groupId]);
        }
        expect(closed).toBeLessThanOrEqual(1);
        expect(new Set(told).size).toBe(1);
        expect(told[0]?.split('],[')).toHaveLength(size);
        expect(await opener.join(deliveries.map(({ delivery }) => delivery))).toEqual([]);
      }
    });
  });
}

function textOf({ parts }: CompleteChord): string {
  return parts.map((part) => Buffer.from(part).toString()).join();
}

/** The same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 374_761_393) >>> 0;
    return state / 2 ** 32;
  };
}
