// The inside of an app: what its parts share, each made at its first use and renewed when a setting that it was made of changes.
import { hostname } from 'node:os';
import type { Broker } from '../broker/index.ts';
import { expanded, joinable } from '../canvas/index.ts';
import {
  createDispatcher,
  createEventOutbox,
  type Dispatcher,
  type DispatcherOptions,
  type EventHost,
  type EventOutbox,
  type ReceiverHost,
} from '../event/index.ts';
import { createErrorRegistry, type ErrorRegistry, originName, type WireSignature } from '../protocol/index.ts';
import {
  type BackendDriver,
  type BackendOptions,
  createResultCodec,
  openBackend,
  type ResultBackend,
  ResultStore,
} from '../result/index.ts';
import { createSerialization, type Serialization } from '../serialization/index.ts';
import {
  type Call,
  type CanvasPlan,
  type ExecuteEnvironment,
  type ExpandInput,
  type Middleware,
  type Publisher,
  Registry,
  type Signals,
} from '../task/index.ts';
import { type Clock, LamportClock, logger, uuid } from '../util/index.ts';
import type { Config } from './config.ts';
import {
  type BrokerRole,
  backendOptions,
  brokerOptions,
  brokerUrl,
  closedApp,
  createConnections,
  priorityOrderOf,
  resultUrl,
  uncheckedServers,
} from './connections.ts';
import { createMailbox, type Mailbox, rememberingRevokes } from './control/index.ts';
import { createDeclarations } from './declarations.ts';
import { type AppEvents, createAppEvents } from './events.ts';
import { findConfigFile } from './places.ts';
import { createPlanner } from './plan.ts';
import { createProducer, type Producer, type ProducerHost } from './producer.ts';
import type { BroadcastNames } from './queues.ts';
import { addSigning, headerSignerOf, sealsOf } from './security.ts';
import { idleSettings, type Settings } from './settings.ts';
import { createState, type State } from './state.ts';

/** Settings from which the result store is made. */
const RESULT_SETTINGS = /^(result|redis|database|cacheBackend|broker|acceptContent|durability)/;

export interface CoreOptions {
  readonly name: string;
  readonly config: Config;
  readonly signals: Signals;
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The inside of one app. */
export class Core {
  readonly registry: Registry = new Registry();
  readonly errors: ErrorRegistry = createErrorRegistry();
  readonly publisher: Publisher;
  /** Name of this process's reply queue; never parsed by anybody. */
  readonly oid: string = uuid();
  /** The logical clock of this process, in events and in replies to commands. */
  readonly lamport: LamportClock = new LamportClock();
  /** Commands to workers, and their answers. */
  readonly mailbox: Mailbox;
  /** Result stores that the app knows beside ours, by scheme. */
  readonly backends: Map<string, BackendDriver['open']> = new Map();
  middleware: readonly Middleware[] = [];
  /** By node name; those of this process alone. */
  readonly #dispatchers = new Map<string, Dispatcher>();
  readonly #events: EventHost;
  readonly #eventOutbox: EventOutbox;
  /** Where the events of this app are heard. */
  readonly receiver: ReceiverHost;
  readonly events: AppEvents;
  readonly #options: CoreOptions;
  readonly #connections = createConnections();
  readonly #declarations = createDeclarations(() => this.state.queues);
  readonly #broadcasts: BroadcastNames = new Map();
  readonly #producer: Producer;
  readonly #retired: ResultStore[] = [];
  #state: State | undefined;
  #planner: { readonly state: State; readonly plan: ReturnType<typeof createPlanner> } | undefined;
  #serialization: Serialization | undefined;
  /** The one that knows of the certificates which the settings name. */
  #secured: Serialization | undefined;
  #results: ResultStore | undefined;
  #ready: Promise<void> | undefined;
  #searched = false;
  #closing: Promise<void> | undefined;

  constructor(options: CoreOptions) {
    this.#options = options;
    const host = this.#producerHost();
    this.#events = this.#eventHost();
    this.#eventOutbox = createEventOutbox(this.#events);
    this.#producer = createProducer(() => host);
    this.publisher = this.#producer;
    this.mailbox = this.#createMailbox();
    this.receiver = this.#receiverHost();
    this.events = createAppEvents(this.receiver, () => this.dispatcher());
    options.config.observe((_, changed) => this.#renew(changed));
  }

  /** Everything that follows from the settings of this moment. */
  get state(): State {
    this.#state ??= createState(this.#options.config.values, this.#broadcasts);
    return this.#state;
  }

  get settings(): Settings {
    return this.#options.config.values;
  }

  get serialization(): Serialization {
    const { jsonTypes, maxBodyBytes } = this.settings;
    const serialization = this.#serialization ?? createSerialization({ jsonTypes, maxBytes: maxBodyBytes });
    if (serialization !== this.#secured) {
      addSigning(serialization, this.settings, this.#options.clock);
      this.#secured = serialization;
    }
    this.#serialization = serialization;
    return serialization;
  }

  get results(): ResultStore {
    if (this.#results !== undefined) return this.#results;
    const { settings, serialization } = this;
    const codec = createResultCodec({
      serialization,
      serializer: settings.resultSerializer,
      accept: serialization.accept(settings.resultAcceptContent ?? settings.acceptContent),
      expires: settings.resultExpires ?? undefined,
      errors: this.errors,
      seals: sealsOf(settings, serialization, this.#options.clock),
    });
    const open = async (): Promise<ResultBackend> => {
      await this.ready();
      return openBackend(this.backendOptions(), this.backends);
    };
    const cacheMax = cacheLimit(settings.resultCacheMax);
    this.#results = new ResultStore(open, codec, { broadcaster: this.mailbox, cacheMax });
    return this.#results;
  }

  /** What the result store is opened with now. */
  backendOptions(): BackendOptions {
    return backendOptions(this.#options.name, this.oid, this.settings);
  }

  /** Reads the config files that are named; a file found upwards counts only when no source was given. */
  ready(): Promise<void> {
    this.#ready ??= this.#makeReady().finally(() => {
      this.#ready = undefined;
    });
    return this.#ready;
  }

  get #isReady(): boolean {
    return this.#searched && !this.#options.config.hasPending;
  }

  async #makeReady(): Promise<void> {
    const { config, environment } = this.#options;
    if (!this.#searched && !config.hasSource) {
      const file = environment.LOVAGE_CONFIG || findConfigFile();
      if (file !== undefined) config.load(file);
    }
    await config.ready();
    const lines = this.#searched ? [] : [...idleSettings(this.settings), ...uncheckedServers(this.settings)];
    for (const line of lines) logger('app').warn('{line}', { line });
    this.#searched = true;
  }

  async openBroker(role: BrokerRole): Promise<Broker> {
    await this.ready();
    return this.#connections.open(brokerOptions(this.#options.name, this.settings, role));
  }

  #writer: { readonly of: Settings; readonly broker: Broker } | undefined;

  /** Asked for every publish: found once for each state of the settings. */
  #openWriter(): Broker | Promise<Broker> {
    const { settings } = this;
    if (this.#writer?.of === settings && this.#isReady) return this.#writer.broker;
    return this.openBroker('write').then((broker) => {
      if (this.settings === settings && this.#closing === undefined) this.#writer = { of: settings, broker };
      return broker;
    });
  }

  /** What runs tasks here: a worker under its node name, or eager calls. Every property shows the settings of the moment it is read. */
  environment(node: string = hostname()): ExecuteEnvironment {
    const core = this;
    return {
      registry: core.registry,
      options: (definition) => core.state.effective(definition),
      get settings() {
        return taskSettings(core.settings, core.oid);
      },
      get serialization() {
        return core.serialization;
      },
      get accept() {
        return core.#accept();
      },
      get results() {
        return core.results;
      },
      store: async (results) => {
        await core.results.put(results);
      },
      publisher: core.publisher,
      get middleware() {
        return core.middleware;
      },
      signals: core.#options.signals,
      clock: core.#options.clock,
      priorityOf: (call) => core.#plan(call).priority,
      expand: (signature, input) => core.#expand(signature, input),
      sendEvent: (type, fields) => this.dispatcher(node).send(type, fields),
      hostname: node,
    };
  }

  /** Sends single events under a node's name, whatever the node itself sends. */
  dispatcher(node: string = originName(process.pid, hostname())): Dispatcher {
    const known = this.#dispatchers.get(node);
    if (known !== undefined) return known;
    const made = createDispatcher(this.#events, this.#eventOutbox, { hostname: node });
    this.#dispatchers.set(node, made);
    return made;
  }

  /** A sender of events with groups of its own; closed by whoever asked for it. */
  createDispatcher(options: DispatcherOptions): Dispatcher {
    return createDispatcher(this.#events, this.#eventOutbox, options);
  }

  #receiverHost(): ReceiverHost {
    const core = this;
    return {
      get settings() {
        return core.settings;
      },
      get serialization() {
        return core.serialization;
      },
      lamport: this.lamport,
      clock: this.#options.clock,
      name: this.#options.name,
      broker: () => this.openBroker('read'),
      wakeup: async () => {
        await this.mailbox.broadcast({ method: 'heartbeat', arguments: {}, reply: false, timeout: 1 });
      },
    };
  }

  #eventHost(): EventHost {
    const core = this;
    return {
      get settings() {
        return core.settings;
      },
      get serialization() {
        return core.serialization;
      },
      lamport: this.lamport,
      clock: this.#options.clock,
      broker: () => this.openBroker('write'),
    };
  }

  /** Plans a canvas in a worker. Its result store is open by then, so that what it cannot count is joined in the way that it can. */
  #expand(signature: WireSignature, input: ExpandInput): CanvasPlan {
    const { resultExpires, taskAllowErrorCbOnChordHeader: errorsOnHeader } = this.settings;
    const options = {
      rules: { errorsOnHeader },
      registry: this.registry,
      replyTo: this.oid,
      expires: resultExpires ?? undefined,
    };
    const plan = expanded(signature, input, options);
    const backend = plan.openings.length === 0 ? undefined : this.results.openBackend;
    return backend === undefined ? plan : joinable(plan, backend);
  }

  /** The calls of a plan, once its chords are open. */
  async #join(plan: Pick<CanvasPlan, 'calls' | 'openings'>): Promise<readonly Call[]> {
    const backend = await this.results.backend();
    const { calls, openings } = joinable(plan, backend);
    if (openings.length > 0) await this.results.openChords(openings);
    return calls;
  }

  #accepted: { readonly of: readonly string[]; readonly set: ReadonlySet<string> } | undefined;

  /** Asked for every execution, so it is worked out once for each list. */
  #accept(): ReadonlySet<string> {
    const { acceptContent } = this.settings;
    if (this.#accepted?.of !== acceptContent)
      this.#accepted = { of: acceptContent, set: this.serialization.accept(acceptContent) };
    return this.#accepted.set;
  }

  /** Waits for publishes under way, then closes what was opened. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#producer.idle();
    await this.#eventOutbox[Symbol.asyncDispose]();
    this.#writer = undefined;
    const stores = [...this.#retired, ...(this.#results === undefined ? [] : [this.#results])];
    await Promise.all([this.mailbox[Symbol.asyncDispose](), ...stores.map((store) => store.close())]);
    await this.#connections[Symbol.asyncDispose]();
  }

  /** Lets go of what was made of the old settings; whoever asks next gets the new. */
  #renew(changed: ReadonlySet<string>): void {
    this.#state = undefined;
    this.#declarations.clear();
    if ([...changed].some((name) => name.startsWith('security'))) this.#secured = undefined;
    if (changed.has('jsonTypes') || changed.has('maxBodyBytes')) this.#serialization = undefined;
    if (this.#results === undefined || ![...changed].some((name) => RESULT_SETTINGS.test(name))) return;
    // Somebody may still wait through the old store, so it is closed only with the app.
    this.#retired.push(this.#results);
    this.#results = undefined;
  }

  #plan: ProducerHost['plan'] = (call) => {
    const { state } = this;
    if (this.#planner?.state !== state) {
      const order = priorityOrderOf(brokerUrl(state.settings, 'write'));
      this.#planner = { state, plan: createPlanner(state, order) };
    }
    return this.#planner.plan(call);
  };

  /** What a send waits for first; usually nothing. */
  #beforeSend(expectsResult: boolean): Promise<void> | undefined {
    if (this.#closing !== undefined) throw closedApp(this.#options.name);
    return this.#isReady ? this.#replies(expectsResult) : this.ready().then(() => this.#replies(expectsResult));
  }

  #replies(expectsResult: boolean): Promise<void> | undefined {
    if (!expectsResult) return undefined;
    const { settings } = this;
    // Asked for every call, so it is worked out once for each state of the settings.
    if (this.#repliesBy?.of !== settings) this.#repliesBy = { of: settings, rpc: /^rpc:/i.test(resultUrl(settings)) };
    return this.#repliesBy.rpc ? this.#openReplies() : undefined;
  }

  #repliesBy: { readonly of: Settings; readonly rpc: boolean } | undefined;

  /** With 'rpc://' the queue for replies must exist before the first task can answer. */
  async #openReplies(): Promise<void> {
    const backend = await this.results.backend();
    await backend.replyTo?.();
  }

  #signing: { readonly of: Settings; readonly sign: ProducerHost['sign'] } | undefined;

  /** Asked for every call, so it is made once for each state of the settings. */
  #headerSigner(): ProducerHost['sign'] {
    const { settings } = this;
    if (this.#signing?.of !== settings) this.#signing = { of: settings, sign: headerSignerOf(settings, this.#options.clock) };
    return this.#signing.sign;
  }

  #createMailbox(): Mailbox {
    const core = this;
    const mailbox = createMailbox({
      get settings() {
        return core.settings;
      },
      get serialization() {
        return core.serialization;
      },
      clock: this.#options.clock,
      oid: this.oid,
      accept: () => core.#accept(),
      broker: () => core.openBroker('write'),
    });
    return rememberingRevokes(mailbox, {
      scope: () => this.settings.controlExchange,
      limits: () => ({ expires: this.settings.workerRevokeExpires, max: this.settings.workerRevokesMax }),
      store: async () => (await this.results.backend()).revokes,
    });
  }

  #producerHost(): ProducerHost {
    const core = this;
    return {
      get state() {
        return core.state;
      },
      get serialization() {
        return core.serialization;
      },
      get middleware() {
        return core.middleware;
      },
      get policy() {
        return core.settings.taskPublishRetryPolicy;
      },
      get sign() {
        return core.#headerSigner();
      },
      clock: this.#options.clock,
      oid: this.oid,
      signals: this.#options.signals,
      declarations: this.#declarations,
      plan: (call) => this.#plan(call),
      broker: () => this.#openWriter(),
      ready: ({ expectsResult }) => this.#beforeSend(expectsResult),
      result: (id, options) => this.results.result(id, options),
      join: (plan) => this.#join(plan),
      sent: (fields) => this.dispatcher().send('task-sent', fields),
    };
  }
}

function taskSettings(settings: Settings, oid: string): ExecuteEnvironment['settings'] {
  return {
    strictTyping: settings.strictTyping,
    resultExtended: settings.resultExtended,
    alwaysEager: settings.taskAlwaysEager,
    eagerPropagates: settings.taskEagerPropagates,
    inheritParentPriority: settings.taskInheritParentPriority,
    errbacksOnHeaders: settings.taskAllowErrorCbOnChordHeader,
    replyTo: oid,
    resultExpires: settings.resultExpires ?? undefined,
    chordRetryInterval: settings.resultChordRetryInterval,
  };
}

/** Celery's numbers: -1 is none, 0 and null are without limit. */
function cacheLimit(max: number | null): number {
  if (max === -1) return 0;
  return max === 0 || max === null ? Number.POSITIVE_INFINITY : max;
}
