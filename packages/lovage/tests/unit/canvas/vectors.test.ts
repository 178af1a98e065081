// What Celery sent for its canvases, captured: the same canvas here gives the same messages, key by key, ids aside.
import { describe, expect, test } from 'vitest';
import { joinable, reprOf, signatureOf } from '../../../src/canvas/index.ts';
import { chain, chord, chunks, group, map, starmap } from '../../../src/index.ts';
import { parseBody, type WireSignature } from '../../../src/protocol/index.ts';
import type { CallOptions, SignatureLike } from '../../../src/task/index.ts';
import { captured, messagesOf, normal, type Project, planned, project, vector } from './support.ts';

type Canvas = (tasks: Project) => SignatureLike;

/** The calls of the vectors in TypeScript. */
const canvases: Readonly<Record<string, readonly [Canvas, ((tasks: Project) => CallOptions)?]>> = {
  'canvas-callback-executed': [({ add, mul }) => add.s(2, 2).link(mul.s(10))],
  'canvas-chain': [({ add, mul }) => add.s(2, 2).pipe(mul.s(4)).pipe(add.s(10))],
  'canvas-chain-failed': [({ failValue, identity }) => chain(failValue.s(), identity.s(), identity.s())],
  'canvas-chain-options': [
    ({ add, mul }) => chain(add.s(1, 1).set({ queue: 'a' }), mul.s(2).set({ countdown: 5, priority: 6 })),
    ({ identity, onError }) => ({ link: identity.s(), linkError: onError.s() }),
  ],
  'canvas-chain-two': [({ add, noop }) => chain(add.s(2, 2), noop.si())],
  'canvas-chord': [({ add, xsum }) => chord([add.s(1, 1), add.s(2, 2)], xsum.s())],
  'canvas-chord-error': [
    ({ add, failValue, xsum, onError }) => chord([add.s(1, 1), failValue.s()])(xsum.s().onError(onError.s())),
  ],
  'canvas-chord-single': [({ add, xsum }) => chord([add.s(1, 1)], xsum.s())],
  'canvas-chord-unordered': [({ add, xsum }) => chord([add.s(1, 1), add.s(2, 2)], xsum.s())],
  'canvas-chunks': [
    ({ add }) =>
      chunks(
        add,
        [0, 1, 2, 3, 4].map((n) => [n, n] as [number, number]),
        2,
      ).group(),
  ],
  'canvas-errback-executed': [({ failValue, onError }) => failValue.s().linkError(onError.s())],
  'canvas-group-of-chains': [({ add, mul }) => group(chain(add.s(1, 1), mul.s(2)), chain(add.s(2, 2), mul.s(3)))],
  'canvas-group-saved': [({ add }) => group([0, 1].map((n) => add.s(n, n)))],
  'canvas-link-chain': [({ add, mul, identity }) => add.s(1, 1).link(chain(mul.s(2), identity.s()))],
  'replace-simple': [({ app }) => app.signature('proj.replace_simple', [3, 4])],
  'replace-chain': [({ app }) => app.signature('proj.replace_chain', [3, 4])],
  'replace-group': [({ app }) => app.signature('proj.replace_group', [2])],
  'replace-in-chain': [({ app, add }) => chain(app.signature('proj.replace_simple', [3, 4]), add.s(1))],
  'stamp-list': [({ add }) => add.s(1, 2).stamp({ groups: ['a', 'b'] })],
  'stamp-result-extended': [({ add }) => add.s(1, 2).stamp({ tenant: 'acme' })],
  'stamp-visitor-chain': [
    ({ add, mul }) =>
      chain(add.s(1, 2), mul.s(3)).stamp({ onSignature: () => ({ mtask_id: 'monitor-1', stamped_headers: ['mtask_id'] }) }),
  ],
  'stamp-visitor-group': [
    ({ add }) =>
      group(add.s(1, 1), add.s(2, 2)).stamp({
        onSignature: () => undefined,
        onGroupStart: () => ({ in_group: 'g-1', stamped_headers: ['in_group'] }),
      }),
  ],
};

/** Readers take no priority for 0: which of the two Celery writes depends on the way that a call took. */
const withPriority = (message: unknown): unknown => {
  const { properties, ...rest } = message as { properties: object };
  return { ...rest, properties: { priority: 0, ...properties } };
};

describe('messages', () => {
  test.each(Object.keys(canvases))('%s', (name) => {
    const tasks = project();
    const [canvas, options] = canvases[name]!;
    const ours = messagesOf(tasks.app, planned(tasks.app, canvas(tasks), options?.(tasks)));
    expect(normal(ours.map(withPriority))).toEqual(normal(captured(name)));
  });

  test('canvas-chain-task-group: the header of a chord that waits in a chain is lighter by what is written anew when it starts', () => {
    const { app, add, xsum } = project();
    const canvas = chain(add.s(1, 1), group(add.s(10), add.s(20)), xsum.s());
    const theirs = captured('canvas-chain-task-group') as [{ body: [unknown, unknown, { chain: [WireSignature] }] }];
    const header = theirs[0].body[2].chain[0].kwargs.header as { options: object; kwargs: { tasks: { options: object }[] } };
    for (const weighed of [header, ...header.kwargs.tasks]) {
      for (const name of ['chord', 'root_id', 'parent_id']) Reflect.deleteProperty(weighed.options, name);
    }
    expect(normal(messagesOf(app, planned(app, canvas)))).toEqual(normal(theirs));
  });

  test('canvas-nested-chord: the same, but for the members of a nested group, which keep their order', () => {
    const { app, add, xsum, identity } = project();
    const header = [chain(add.s(1, 1), add.s(1)), group(add.s(3, 3), add.s(4, 4))] as const;
    const canvas = chord(header, xsum.s().pipe(identity.s()));
    const theirs = captured('canvas-nested-chord') as { headers: Record<string, unknown> }[];
    const [first, four, three] = theirs;
    four!.headers.group_index = 2;
    three!.headers.group_index = 1;
    expect(normal(messagesOf(app, planned(app, canvas)))).toEqual(normal([first, three, four]));
  });

  test('canvas-chord-unlock: where results are kept and not counted, a task looks for them', () => {
    const { app, add, xsum } = project();
    const made = planned(app, chord([add.s(1, 1), add.s(2, 2)], xsum.s()));
    const joined = joinable(made, { name: 'files', features: { persistent: true } });
    const [unlock, ...members] = messagesOf(app, joined) as [{ headers: Record<string, unknown> }];
    const [theirs, ...others] = captured('canvas-chord-unlock') as [{ headers: Record<string, unknown> }];
    // The texts of its arguments are dictionaries in Python's order of keys, and its eta is a second from now on both sides.
    for (const message of [unlock, theirs]) {
      for (const name of ['argsrepr', 'kwargsrepr']) expect(typeof message.headers[name]).toBe('string');
      for (const name of ['argsrepr', 'kwargsrepr']) Reflect.deleteProperty(message.headers, name);
    }
    expect(normal([unlock, ...members])).toEqual(normal([theirs, ...others]));
  });

  test('amqp-chord, amqp-stamps: the same over RabbitMQ', () => {
    const { app, add, xsum } = project();
    const sent = (canvas: SignatureLike) =>
      (messagesOf(app, planned(app, canvas)) as { body: unknown }[]).map(({ body }) => body);
    const theirs = (name: string) =>
      (vector(name).messages as readonly { body: unknown }[]).map(({ body }) => (body as { json?: unknown }).json ?? body);
    expect(normal(sent(chord([add.s(1, 1), add.s(2, 2)], xsum.s())))).toEqual(normal(theirs('amqp-chord')));
    expect(normal(sent(add.s(1, 2).stamp({ tenant: 'acme' })))).toEqual(normal(theirs('amqp-stamps')));
  });
});

describe('what Celery wrote is read', () => {
  const names = [...Object.keys(canvases), 'canvas-chain-task-group', 'canvas-nested-chord', 'canvas-chord-unlock'];

  test.each(names)('%s: every signature of its messages is a canvas here and is written as it came', (name) => {
    const { app } = project();
    const signatures = vector(name).messages.flatMap(({ body }) => {
      const { embed } = parseBody(body.json);
      const { callbacks, errbacks, chain: rest, chord: waiting } = embed;
      return [...(callbacks ?? []), ...(errbacks ?? []), ...(rest ?? []), ...(waiting === null ? [] : [waiting])];
    });
    for (const signature of signatures) expect(app.signature(signature).toWire()).toEqual(signature);
  });
});

describe('fn-signature-json', () => {
  const made: readonly Canvas[] = [
    ({ add }) => add.s(1, 2),
    ({ add }) => add.si(1, 2),
    ({ add }) => add.s(1).set({ queue: 'q', countdown: 5, priority: 3 }),
    ({ app }) => app.signature('proj.add', [1], { kwargs: { k: 2 } }),
    ({ add, onError }) => add.s(1, 1).onError(onError.s()),
    ({ add, mul }) => chain(add.s(1, 1), mul.s(2)),
    ({ add, mul }) => chain(add.s(1, 1), mul.s(2)).set({ queue: 'q' }),
    ({ add }) => group(add.s(1, 1), add.s(2, 2)),
    ({ add, xsum }) => chord([add.s(1, 1)], xsum.s()),
    ({ add, mul, xsum, identity }) => chord(group(add.s(1, 1), chain(add.s(1, 1), mul.s(2))), xsum.s().pipe(identity.s())),
    ({ add }) => starmap(add, [[1, 2]]),
    ({ xsum }) => map(xsum, [[1, 2]]),
    ({ add }) =>
      chunks(
        add,
        [
          [1, 1],
          [2, 2],
        ],
        1,
      ),
    ({ add, xsum }) => group(add.s(1, 1), add.s(2, 2)).pipe(xsum.s()),
    ({ add }) => add.s(1, 1).pipe(group(add.s(1), add.s(2))),
    ({ app }) => app.signature('other.task', [1], { kwargs: { a: 1 }, queue: 'q' }),
  ];
  const cases = vector('fn-signature-json').cases as readonly { python: string; json: string; repr: string }[];

  test('has a line here for each', () => expect(made).toHaveLength(cases.length));

  test.each(cases.map((each, index) => [each.python, each, made[index]!] as const))('%s', (_python, { json, repr }, canvas) => {
    const signature = canvas(project());
    const wire = signature.toWire();
    expect(JSON.parse(JSON.stringify(wire))).toEqual(JSON.parse(json));
    // A list and a tuple are one thing here: lists are shown as Python shows lists.
    expect(String(signature).replaceAll(/[[\]]/g, '|')).toBe(asLists(repr).replaceAll(/[[\]]/g, '|'));
    expect(reprOf(signatureOf(JSON.parse(json)))).toBe(String(signature));
  });

  const asLists = (text: string): string =>
    text
      .replace('it=[(1, 1), (2, 2)]', 'it=[[1, 1], [2, 2]]')
      .replace('[(1, 2)]', '[[1, 2]]')
      .replace('xsum((add(1, 1), add(2, 2)))', 'xsum([add(1, 1), add(2, 2)])')
      .replace('xsum((add(1, 1), add(1, 1) | mul(2)))', 'xsum([add(1, 1), add(1, 1) | mul(2)])');
});
