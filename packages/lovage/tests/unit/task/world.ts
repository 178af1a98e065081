// The world of a task, made of real parts: memory results, the real codec, serializers and protocol, and a publisher that keeps what
// it is given. Every test makes its own.
import type { Outgoing } from '../../../src/broker/index.ts';
import {
  argsRepr,
  createErrorRegistry,
  kwargsRepr,
  parseBody,
  parseTask,
  type ResultMeta,
  type TaskBody,
  type TaskRequest,
  type WireSignature,
  writeTaskBody,
  writeTaskHeaders,
} from '../../../src/protocol/index.ts';
import { createResultCodec, openBackend, ResultStore } from '../../../src/result/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import {
  type Call,
  createSignals,
  type DeclareRemote,
  type DeclareTask,
  declareRemote,
  declareTask,
  type ExecuteEnvironment,
  type ExecuteOptions,
  execute,
  type Job,
  linkList,
  type Outcome,
  type PreparedCall,
  Registry,
  type TaskPort,
  type TaskSettings,
} from '../../../src/task/index.ts';
import { type Clock, uuid } from '../../../src/util/index.ts';

export const NOW: number = Date.UTC(2026, 0, 2, 3, 4, 5, 678) / 1000;

/** A message as its receiver reads it. */
export interface Sent {
  readonly request: TaskRequest;
  readonly body: TaskBody;
  readonly message: Outgoing;
  readonly call: Call;
}

export interface World {
  readonly environment: ExecuteEnvironment;
  readonly port: TaskPort;
  readonly task: DeclareTask;
  readonly remote: DeclareRemote;
  readonly results: ResultStore;
  /** Messages that were published, in order. */
  readonly sent: Sent[];
  /** Runs a message of this call as a worker would. */
  run(name: string, args?: readonly unknown[], more?: RunOptions): Promise<Outcome>;
  /** Runs a message that was sent. */
  runSent(sent: Sent): Promise<Outcome>;
  /** The messages of an outcome. */
  read(outcome: Outcome): readonly Sent[];
  /** The records of an outcome, by id. */
  metas(outcome: Outcome): readonly ResultMeta[];
}

export interface RunOptions extends ExecuteOptions {
  readonly id?: string;
  readonly kwargs?: Record<string, unknown>;
  readonly callbacks?: readonly WireSignature[];
  readonly errbacks?: readonly WireSignature[];
  readonly chain?: readonly WireSignature[];
  readonly chord?: WireSignature;
  readonly request?: Partial<TaskRequest>;
  readonly job?: Partial<Job>;
}

const SETTINGS: TaskSettings = {
  strictTyping: true,
  resultExtended: false,
  alwaysEager: false,
  eagerPropagates: false,
  inheritParentPriority: false,
};

const clock: Clock = { now: () => NOW, monotonic: () => performance.now() };

/** A plain signature of the wire. */
export function wire(task: string, fields: Partial<WireSignature> = {}): WireSignature {
  return { task, args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false, ...fields };
}

export function world(changes: Partial<Omit<ExecuteEnvironment, 'settings'>> & { settings?: Partial<TaskSettings> } = {}): World {
  const serialization = createSerialization();
  const accept = serialization.accept(['json']);
  const codec = createResultCodec({ serialization, serializer: 'json', accept, expires: 3600, errors: createErrorRegistry() });
  const url = `memory://${uuid()}`;
  const open = () =>
    openBackend({
      url,
      appName: 'test',
      connectTimeout: 1,
      transportOptions: {},
      broker: { url, transportOptions: {} },
      oid: uuid(),
      expires: 3600,
      persistent: false,
    });
  const results = new ResultStore(open, codec);
  const registry = new Registry();
  const sent: Sent[] = [];
  const calls = new Map<Outgoing, Call>();

  function prepare(call: Call): PreparedCall {
    const { args, kwargs, options } = call;
    const id = options.taskId ?? uuid();
    const wires = (links: typeof options.link): readonly WireSignature[] | null => {
      const list = linkList(links).map((link) => link.toWire());
      return list.length === 0 ? null : list;
    };
    const embed = {
      callbacks: wires(options.link),
      errbacks: wires(options.linkError),
      chain: options.chain ?? null,
      chord: options.chord ?? null,
    };
    const headers = writeTaskHeaders({
      id,
      task: call.task,
      lang: 'js',
      shadow: options.shadow,
      eta: undefined,
      expires: typeof options.expires === 'string' ? options.expires : undefined,
      group: options.groupId,
      groupIndex: options.groupIndex,
      retries: options.retries ?? 0,
      timeLimit: options.timeLimit ?? undefined,
      softTimeLimit: options.softTimeLimit ?? undefined,
      rootId: options.rootId ?? id,
      parentId: options.parentId,
      argsRepr: options.argsRepr ?? argsRepr(args),
      kwargsRepr: options.kwargsRepr ?? kwargsRepr(kwargs),
      origin: options.origin,
      ignoreResult: options.ignoreResult,
      replacedTaskNesting: options.replacedTaskNesting ?? 0,
      stampedHeaders: options.stampedHeaders,
      stamps: options.stamps ?? {},
      headers: options.headers ?? {},
      args,
      kwargs,
      embed,
    });
    if (options.ignoreResult === undefined) headers.ignore_result = null;
    const encoded = serialization.encode(writeTaskBody(args, kwargs, embed), 'json');
    const { contentType, contentEncoding } = encoded;
    const properties = {
      contentType,
      contentEncoding,
      correlationId: id,
      ...(options.replyTo === undefined ? {} : { replyTo: options.replyTo }),
      ...(typeof options.priority === 'number' ? { priority: options.priority } : {}),
    };
    const place = { exchange: options.exchange ?? '', routingKey: options.routingKey ?? options.queue ?? 'celery' };
    const message: Outgoing = { ...place, headers, properties, body: encoded.body };
    calls.set(message, call);
    return { id, message, queue: place.routingKey, ignoreResult: options.ignoreResult ?? false };
  }

  function parse(message: Outgoing): Sent {
    const delivery = { ...message, queue: message.routingKey, redelivered: false, attempts: 1, generation: 1, tag: undefined };
    const { request } = parseTask(delivery, { hostname: 'celery@test', decodeBody: () => undefined });
    const body = parseBody(serialization.decode({ body: message.body, ...message.properties, compression: undefined }, accept));
    return { request, body, message, call: calls.get(message)! };
  }

  const environment: ExecuteEnvironment = {
    registry,
    options: (definition) => definition.options,
    serialization,
    accept,
    results,
    store: async (records) => void (await results.put(records)),
    publisher: {
      prepare: (list) => list.map(prepare),
      publish: async (messages) => void sent.push(...messages.map(parse)),
      send: async (list) => {
        const prepared = list.map(prepare);
        sent.push(...prepared.map(({ message }) => parse(message)));
        return prepared.map(({ id, ignoreResult }) => results.result(id, { ignored: ignoreResult }));
      },
    },
    middleware: [],
    signals: createSignals(),
    clock,
    random: () => 0.5,
    hostname: 'celery@test',
    ...changes,
    settings: { ...SETTINGS, ...changes.settings },
  };
  const port: TaskPort = {
    app: { name: 'world' },
    environment: () => environment,
    register: (definition) => registry.register(definition),
  };

  async function finished(job: Job, options: ExecuteOptions): Promise<Outcome> {
    const outcome = await execute(job, environment, options);
    await results.put(outcome.results);
    return outcome;
  }

  return {
    environment,
    port,
    task: declareTask(port),
    remote: declareRemote(port),
    results,
    sent,
    run: (name, args = [], more = {}) => {
      const { id = uuid(), kwargs = {}, callbacks = [], errbacks = [], chain, chord, request, job, ...options } = more;
      const like = (signature: WireSignature) => ({ toWire: () => signature });
      const call: Call = {
        task: name,
        args,
        kwargs,
        options: {
          taskId: id,
          link: callbacks.map(like),
          linkError: errbacks.map(like),
          ...(chain === undefined ? {} : { chain }),
          ...(chord === undefined ? {} : { chord }),
        },
      };
      const made = parse(prepare(call).message);
      const limits = { timeLimit: undefined, softTimeLimit: undefined };
      return finished({ request: { ...made.request, ...request }, body: made.message.body, ...limits, ...job }, options);
    },
    runSent: ({ request, message }) =>
      finished({ request, body: message.body, timeLimit: request.timeLimit, softTimeLimit: request.softTimeLimit }, {}),
    read: (outcome) => outcome.next.map(parse),
    metas: (outcome) => outcome.results.map((record) => codec.decode(record)),
  };
}
