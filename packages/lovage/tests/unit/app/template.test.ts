// A call without options of its own takes the quick way (prepareQuickly); whatever it sends, the careful way would have sent the same.
import { expect, test } from 'vitest';
import type { SettingsInput } from '../../../src/app/config.ts';
import { createPlanner } from '../../../src/app/plan.ts';
import { type PrepareHost, prepareCall, prepareQuickly } from '../../../src/app/prepare.ts';
import { createState } from '../../../src/app/state.ts';
import { writeEnvelope } from '../../../src/broker/redis/envelope.ts';
import { ChainText, type WireSignature } from '../../../src/protocol/index.ts';
import type { Call, CallOptions, TaskOptions } from '../../../src/task/index.ts';
import { ArgumentsError, EncodeError } from '../../../src/util/index.ts';
import { setup, waiting } from './support.ts';

type Options = Omit<TaskOptions, 'input' | 'output'>;

function world(settings: SettingsInput = {}, options: Options = {}) {
  const app = setup(settings);
  const task = app.task('shop.order', options, (..._args: unknown[]) => 1);
  const state = createState(app.settings, new Map());
  const host: PrepareHost = {
    state,
    serialization: app.serialization,
    clock: { now: () => 0, monotonic: () => 0 },
    oid: 'the-oid',
    plan: createPlanner(state, 'lowest-first'),
  };
  const call = (args: readonly unknown[], more: CallOptions = {}, known = true): Call => ({
    task: 'shop.order',
    args,
    kwargs: {},
    options: { taskId: 'id-1', ...more },
    ...(known ? { definition: task.definition } : {}),
  });
  return { host, call };
}

const withoutTag = (text: string): string => text.replace(/"delivery_tag":"[0-9a-f-]{36}"/, '');

const STEP: WireSignature = {
  task: 'a.b',
  args: ['"'],
  kwargs: {},
  options: { task_id: 't' },
  subtask_type: null,
  immutable: false,
};

const CALLS: readonly (readonly [what: string, args: readonly unknown[], more?: CallOptions, known?: boolean])[] = [
  ['no arguments', []],
  ['plain values', ['order-1', { amount: 12.5, currency: 'EUR', items: [1, null, true] }]],
  ['texts that JSON and Python escape', ['"\\\n\u2028é😀', "it's", { "k'ey": '\0' }]],
  ['values deeper and longer than a repr shows', [[[[[1]]]], 'x'.repeat(2000)]],
  ['an id and parents that are no UUIDs', [1], { taskId: 'a"b\\c', rootId: 'ro\not', parentId: 'p"' }],
  ['a task that is not known here', [1], {}, false],
  ['a member of a group, with an address for answers', [1], { groupId: 'g"1', groupIndex: 12, replyTo: 'elsewhere' }],
  ['what follows it', [1], { chain: [STEP, STEP], link: { toWire: () => STEP }, linkError: [{ toWire: () => STEP }] }],
  ['a chord', [1], { groupId: 'g', groupIndex: 0, chord: STEP }],
];

for (const [what, args, more, known] of CALLS)
  test(`${what}: the quick message is the careful one, as object and as text`, () => {
    for (const options of [{}, { ignoreResult: true, timeLimit: 9, priority: 3, queue: 'other' }]) {
      const { host, call } = world({}, options);
      const careful = prepareCall(call(args, more, known), host);
      for (let time = 0; time < 2; time++) {
        const { message, ...rest } = prepareQuickly(call(args, more, known), host) ?? expect.fail('took the careful way');
        const { headersText, ...plain } = message;
        expect({ ...rest, message: plain }).toEqual(careful);
        expect(headersText).toBe(JSON.stringify(careful.message.headers));
        expect(withoutTag(writeEnvelope(message))).toBe(withoutTag(writeEnvelope(careful.message)));
      }
    }
  });

test.each<[string, SettingsInput]>([
  ['json', {}],
  ['msgpack', { taskSerializer: 'msgpack' }],
  ['protocol 1', { taskProtocol: 1 }],
])('a chain that is text is sent as its signatures would be (%s)', (_, settings) => {
  const { host, call } = world(settings);
  const steps = [STEP, { ...STEP, task: 'c.d' }, { ...STEP, args: [{ chain: null }] }];
  const chord = { ...STEP, options: { chain: null, chord: null } };
  const behind = new ChainText(JSON.stringify(steps), (text) => JSON.parse(text) as unknown[]);
  for (const more of [{}, { chord }]) {
    const careful = prepareCall(call([{ chain: null }], { ...more, chain: steps }), host);
    expect(prepareCall({ ...call([{ chain: null }], more), behind }, host)).toEqual(careful);
    const quick = prepareQuickly({ ...call([{ chain: null }], more), behind }, host)?.message.body;
    expect(quick).toEqual(settings.taskProtocol === 1 ? undefined : careful.message.body);
  }
});

test('two calls of one task share nothing but their template', () => {
  const { host, call } = world();
  const [one, two] = [call([1], { taskId: 'one' }), call([2], { taskId: 'two' })].map(
    (each) => prepareQuickly(each, host)?.message,
  );
  expect(one?.headers).toMatchObject({ id: 'one', root_id: 'one', argsrepr: '(1,)' });
  expect(two?.headers).toMatchObject({ id: 'two', root_id: 'two', argsrepr: '(2,)' });
});

test.each<[string, SettingsInput, Options, CallOptions]>([
  ['protocol 1', { taskProtocol: 1 }, {}, {}],
  ['a compression', { taskCompression: 'gzip' }, {}, {}],
  ['a life time', {}, { expires: 60 }, {}],
  ['a shadow name', {}, { shadowName: () => 'other' }, {}],
  ['a route that decides for itself', { taskRoutes: () => ({ queue: 'x' }) }, {}, {}],
  ['an option of the call', {}, {}, { countdown: 1 }],
  ['headers of the user', {}, {}, { headers: { id: 'mine' } }],
])('%s takes the careful way', (_, settings, options, more) => {
  const { host, call } = world(settings, options);
  expect(prepareQuickly(call([1], more), host)).toBeUndefined();
});

test('what cannot be sent is refused alike', () => {
  const { host, call } = world();
  expect(() => prepareQuickly(call([() => 1]), host)).toThrow(EncodeError);
  expect(() => prepareQuickly({ ...call([]), args: 'no' as unknown as [] }, host)).toThrow(ArgumentsError);
});

test('an observer and a middleware see the message and may change it, although it would go the quick way', async () => {
  await using app = setup();
  const order = app.task('shop.order', () => 1);
  app.signals.beforeTaskPublish.connect(({ headers }) => {
    (headers as Record<string, unknown>).seen = true;
  });
  await order.delay();
  app.use({
    name: 'wrap',
    publish: (call, next) => {
      const made = next(call);
      return { ...made, message: { ...made.message, headers: { ...made.message.headers, wrapped: true } } };
    },
  });
  await order.delay();
  const messages = await waiting(app);
  expect(messages.map(({ headers }) => [headers.seen, headers.wrapped])).toEqual([
    [true, undefined],
    [true, true],
  ]);
  expect(messages[0]).not.toHaveProperty('headersText');
});

test('an app that closes waits for what its callers do not wait for', async () => {
  const url = `memory://${crypto.randomUUID()}`;
  await using other = setup({ brokerUrl: url });
  const app = setup({ brokerUrl: url });
  const order = app.task('shop.order', () => 1);
  const sent = Array.from({ length: 600 }, () => order.delay());
  await app.close();
  expect((await (await other.openBroker('read')).count('celery'))?.ready).toBe(600);
  await Promise.all(sent);
  await expect(order.delay()).rejects.toThrow(/is closed/);
});
