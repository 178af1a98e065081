// The app: the one object that a program makes of Lovage. It declares tasks, holds their settings and sends them; everything behind it
// is made at its first use (core.ts), so that making an app opens nothing.
import type { Broker } from '../broker/index.ts';
import { createCanvas, kindOf, signatureOf } from '../canvas/index.ts';
import type { Dispatcher, DispatcherOptions } from '../event/index.ts';
import type { ErrorRegistry, WireSignature } from '../protocol/index.ts';
import type { AsyncResult, BackendOptions, ResultBackend, ResultStore } from '../result/index.ts';
import type { Serialization } from '../serialization/index.ts';
import {
  type AgainOptions,
  builtInTasks,
  type CallOptions,
  type CurrentRequest,
  checkCallOptions,
  createSignals,
  createSignature,
  type DeclareRemote,
  type DeclareTask,
  declareRemote,
  declareTask,
  type ExecuteEnvironment,
  hostOf,
  type Middleware,
  type Publisher,
  type Registry,
  type Signals,
  type Signature,
  type SignatureHost,
  type SignatureLike,
  sendCalls,
  signatureFromRequest,
  signatureFromWire,
  type TaskPort,
} from '../task/index.ts';
import { type Clock, ConfigurationError, checkName, type LamportClock, logger, systemClock } from '../util/index.ts';
import { bugReport } from './bug-report.ts';
import { Config, type SettingsInput } from './config.ts';
import type { BrokerRole } from './connections.ts';
import { Control, tellPauses } from './control/index.ts';
import { APP_MARK, noticeCopy } from './copies.ts';
import { Core } from './core.ts';
import { createDeadLetters, type DeadLetters } from './dead-letters.ts';
import { findTaskModules, importAll } from './discovery.ts';
import type { AppEvents } from './events.ts';
import { createQueue, type QueueHandle } from './queue.ts';
import type { Queues } from './queues.ts';
import { Periodic, type PeriodicOptions, type PeriodicTask } from './schedule/periodic.ts';
import type { ScheduleLike } from './schedule/schedules.ts';
import { resignerOf, type SecurityOptions, setUpSecurity } from './security.ts';
import type { Settings } from './settings.ts';
import { isSlot } from './slot.ts';
import { noUserOptions, type UserOptions } from './user-options.ts';

/** What a call by name takes: arguments, and the options of any call. */
export interface SendTaskOptions extends CallOptions {
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** What a signature by name takes. */
export interface SignatureOptions extends CallOptions {
  readonly kwargs?: Readonly<Record<string, unknown>>;
  /** Ignores the result of the task before it. @default false */
  readonly immutable?: boolean;
}

/** What the app takes from the world around it; tests give their own. */
export interface LovageParts {
  /** @default process.env */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
}

/** An application: tasks, settings, queues, and the way to a broker. Making one opens nothing. */
export class Lovage implements AsyncDisposable {
  /** Names the embedded database, and the app in logs. */
  readonly name: string;
  /** The settings and where they come from. */
  readonly conf: Config;
  /** Observers of what happens: `app.signals.on('task_failure', …)`. */
  readonly signals: Signals = createSignals();
  /** Parts that users add to programs, by program; workers start them with their own. */
  readonly steps: { readonly worker: unknown[]; readonly consumer: unknown[]; readonly beat: unknown[] } = {
    worker: [],
    consumer: [],
    beat: [],
  };
  /** Options that the app adds to the command line, by program: `app.userOptions.worker.push({ name: 'tenant' })`. */
  readonly userOptions: UserOptions = noUserOptions();
  /** Commands to the workers of this app, and questions to them. */
  readonly control: Control;
  /** Declares a task: `app.task(name, function)` or `app.task(name, options, function)`. */
  readonly task: DeclareTask;
  /** A typed handle of a task whose code is elsewhere: `app.remote<typeof resize>('shop.resize')`. */
  readonly remote: DeclareRemote;
  readonly #core: Core;
  readonly #port: TaskPort;
  readonly #clock: Clock;
  readonly #globs: { readonly patterns: readonly string[]; readonly base: string | undefined }[] = [];
  /** Task modules that were loaded, and whether `onAfterFinalize` was told. */
  readonly #imported = new Set<string>();
  #isFinalized = false;
  readonly #periodic = new Periodic();
  #environment: ExecuteEnvironment | undefined;

  constructor(name: string, settings: SettingsInput = {}, parts: LovageParts = {}) {
    if (typeof name !== 'string' || name === '') {
      throw new ConfigurationError("An app needs a name: new Lovage('shop'). It names the embedded database, too.");
    }
    noticeCopy(import.meta.url);
    Object.defineProperty(this, APP_MARK, { value: true });
    const environment = parts.environment ?? process.env;
    this.name = name;
    this.conf = new Config({
      settings,
      environment,
      configuring: () => this.signals.onConfigure.emit(() => ({ app: name })),
      configured: (values) => this.signals.onAfterConfigure.emit(() => ({ app: name, source: { ...values } })),
    });
    this.#clock = parts.clock ?? systemClock;
    this.#core = new Core({ name, config: this.conf, signals: this.signals, clock: this.#clock, environment });
    this.control = new Control({ mailbox: this.#core.mailbox, purge: () => this.#purge() });
    this.#port = {
      app: this,
      environment: () => this.#ownEnvironment(),
      register: (definition) => this.#core.registry.register(definition),
      canvas: createCanvas,
    };
    for (const definition of builtInTasks(this.#port)) this.#core.registry.addBuiltIn(definition);
    this.task = declareTask(this.#port);
    this.remote = declareRemote(this.#port);
  }

  /** Is this a process or thread of a worker's pool, which loads the module of the app once more? What should be there once asks first. */
  get isSlot(): boolean {
    return isSlot();
  }

  /** The settings as they are now, every default filled in. */
  get settings(): Settings {
    return this.conf.values;
  }

  /** The tasks declared here, by name. */
  get tasks(): Registry {
    return this.#core.registry;
  }

  /** The queues that the settings describe. */
  get queues(): Queues {
    return this.#core.state.queues;
  }

  /** Reads, writes and waits for results. */
  get results(): ResultStore {
    return this.#core.results;
  }

  /** Serializers and compressions; register your own here before the first message. */
  get serialization(): Serialization {
    return this.#core.serialization;
  }

  /**
   * Signs what this app sends and accepts only what is signed by somebody whose certificate is in the store: Celery's
   * `app.setup_security()`. Reads the files at once. Throws ConfigurationError. docs/security.md sets it up.
   */
  setupSecurity(options: SecurityOptions = {}): void {
    setUpSecurity(this.conf, options);
    this.#core.serialization.serializer('auth');
  }

  /** Which error class stands for which Python exception. */
  get errors(): ErrorRegistry {
    return this.#core.errors;
  }

  /** What happens to tasks and workers: `for await (const event of app.events())`, `app.events.state()`, `app.events.camera(…)`. */
  get events(): AppEvents {
    return this.#core.events;
  }

  /** The logical clock of this process, as events carry it. */
  get clock(): LamportClock {
    return this.#core.lamport;
  }

  /** A sender of events under a node's name, for programs that have groups of their own; whoever makes one closes it. */
  createDispatcher(options: DispatcherOptions): Dispatcher {
    return this.#core.createDispatcher(options);
  }

  /** Where times come from. */
  get time(): Clock {
    return this.#clock;
  }

  /** What sends: for programs that make calls as data. */
  get publisher(): Publisher {
    return this.#core.publisher;
  }

  /** Sends a task by name; it need not be known here. It is sent even by an app that is always eager. */
  async sendTask<Result = unknown>(name: string, options: SendTaskOptions = {}): Promise<AsyncResult<Result>> {
    const { args = [], kwargs = {}, ...rest } = options;
    if (typeof name !== 'string' || name === '') throw new ConfigurationError('sendTask needs the name of a task.');
    checkName('The name of a task', name);
    checkCallOptions(name, rest);
    if (this.settings.taskAlwaysEager) {
      logger('app').warn(`'${name}' is sent although taskAlwaysEager is on: a task sent by name may not exist here.`);
    }
    const definition = this.tasks.find(name);
    const call = { task: name, args, kwargs, options: rest, ...(definition === undefined ? {} : { definition }) };
    const [result] = await sendCalls(this.#ownEnvironment(), [call]);
    // One call, one result; the caller knows its type.
    return result as AsyncResult<Result>;
  }

  /** A call by name as data, or one that was stored or came over the wire, or a copy of a signature; canvases too. Throws ConfigurationError for a type that nobody knows. */
  signature(
    task: string | WireSignature | SignatureLike,
    args: readonly unknown[] = [],
    options: SignatureOptions = {},
  ): Signature<readonly unknown[], unknown> {
    const host = hostOf(this.#port);
    if (typeof task !== 'string') return signatureOfAny('toWire' in task ? (task as SignatureLike).toWire() : task, host);
    const { kwargs = {}, immutable = false, ...rest } = options;
    checkCallOptions(task, rest);
    return createSignature({ task, args, kwargs, options: rest, immutable }, host);
  }

  /** A running task's call as a signature (`ctx.request`): sent, it is made once more under the same id. The options replace what it was called with. */
  signatureFromRequest(request: CurrentRequest, options: AgainOptions = {}): Signature<readonly unknown[], unknown> {
    return signatureFromRequest(request, options, hostOf(this.#port));
  }

  /** The result of a task, by its id. Reads nothing yet. */
  result<Result = unknown>(id: string): AsyncResult<Result> {
    return this.#core.results.result<Result>(id);
  }

  /** Adds a middleware; the first added is the outermost. */
  use(middleware: Middleware): this {
    this.#core.middleware = [...this.#core.middleware, middleware];
    return this;
  }

  /**
   * Has beat send a task again and again: `app.addPeriodicTask(30, check.s())`, `app.addPeriodicTask(crontab('0 4 * * *'), report, { name: 'nightly' })`.
   * Answers the entry's name. Throws ConfigurationError for a name that is taken.
   */
  addPeriodicTask(schedule: ScheduleLike, task: PeriodicTask, options: PeriodicOptions = {}): string {
    return this.#periodic.add(schedule, task, options);
  }

  /** What beat sends as far as settings and code say, by name, and which entries of the setting are wrong. */
  get periodicTasks(): ReturnType<Periodic['entries']> {
    return this.#periodic.entries(this.settings.beatSchedule);
  }

  /** Names task modules by globs or folders (whose modules called `tasks` are meant). They are loaded when a worker starts, or by `importTasks`. */
  autodiscover(patterns: string | readonly string[], base?: string): this {
    this.#globs.push({ patterns: typeof patterns === 'string' ? [patterns] : patterns, base });
    return this;
  }

  /** Loads the modules of the settings imports and include, those given here, and those found by `autodiscover`. */
  async importTasks(more: readonly string[] = []): Promise<void> {
    await this.ready();
    const found = await Promise.all(this.#globs.map(({ patterns, base }) => findTaskModules(patterns, base)));
    const wanted = new Set([...this.settings.imports, ...this.settings.include, ...more, ...found.flat()]);
    const modules = [...wanted].filter((module) => !this.#imported.has(module));
    // A program asks for them when it finds the app, and again when it starts: observers hear of each once.
    if (this.#isFinalized && modules.length === 0) return;
    await this.signals.importModules.tell(() => ({ modules }));
    await importAll(modules);
    for (const module of modules) this.#imported.add(module);
    if (this.#isFinalized) return;
    this.#isFinalized = true;
    await this.signals.onAfterFinalize.tell(() => ({ app: this.name }));
  }

  /** Reads config files. Called by everything that sends or works; call it yourself to read settings of a file before that. */
  ready(): Promise<void> {
    return this.#core.ready();
  }

  /** The broker to take from or to send to; opened once, closed with the app. */
  openBroker(role: BrokerRole): Promise<Broker> {
    return this.#core.openBroker(role);
  }

  /** The result store's driver; opened once, closed with the app. */
  openBackend(): Promise<ResultBackend> {
    return this.#core.results.backend();
  }

  /**
   * Makes a result store of your own known under a scheme, before it is first used: `app.registerBackend('shelf', (options) =>
   * keyValueBackend(shelf(options.url)))` serves `resultBackend: 'shelf://…'`. docs/guide-backends.md writes one.
   */
  registerBackend(scheme: string, open: (options: BackendOptions) => ResultBackend): void {
    if (!/^[a-z][a-z0-9+.-]*$/.test(scheme))
      throw new ConfigurationError(`'${scheme}' is no scheme of a URL. Use lower case letters, digits, '+', '.' and '-'.`);
    this.#core.backends.set(scheme, open);
  }

  /** What runs tasks under a node name. Its properties show the settings of the moment they are read. */
  environment(options: { readonly hostname?: string } = {}): ExecuteEnvironment {
    return this.#core.environment(options.hostname);
  }

  /** The dead letters of a queue: look at them, send them again. @default queue the setting taskDefaultQueue */
  deadLetters(queue: string = this.settings.taskDefaultQueue): DeadLetters {
    return createDeadLetters(queue, {
      broker: () => this.openBroker('read'),
      backend: () => this.openBackend(),
      renew: () => this.#resigner(),
      forget: async (ids) => this.results.set(ids).forget(),
      endedAt: (id) => this.result(id).dateDone(),
      expires: () => this.settings.resultExpires || undefined,
    });
  }

  #resigner(): ReturnType<typeof resignerOf> {
    const leads = (exchange: string, queue: string): boolean => {
      // One that taskQueues does not name is made, with the exchange that its senders take.
      this.queues.get(queue);
      return this.queues.boundTo(exchange).some(({ declaration }) => declaration.name === queue);
    };
    return resignerOf(this.settings, this.#clock, leads);
  }

  /** A queue of the broker: pause and resume it, look at what waits, cancel or reschedule it. @default name the setting taskDefaultQueue */
  queue(name: string = this.settings.taskDefaultQueue): QueueHandle {
    return createQueue(name, {
      broker: () => this.openBroker('read'),
      environment: () => this.#ownEnvironment(),
      renew: () => this.#resigner(),
      tellPauses: () => tellPauses(this.control),
      clock: this.#clock,
      deadLetters: () => this.deadLetters(name),
    });
  }

  /** Names of the queues that a worker takes from when nobody chooses. */
  queueNames(): readonly string[] {
    return this.queues.names;
  }

  /** Versions, addresses and settings as one text to put into a report; passwords and other secrets are blotted out. */
  bugReport(): string {
    return bugReport(this.name, this.conf);
  }

  /** Waits for publishes under way, then closes brokers and result stores. */
  close(): Promise<void> {
    return this.#core.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #purge(): Promise<number> {
    const broker = await this.openBroker('write');
    const purged = this.queueNames().map(async (name) => {
      const queue = this.queues.get(name).declaration.name;
      return (await broker.count(queue)) === undefined ? 0 : broker.purge(queue);
    });
    return (await Promise.all(purged)).reduce((sum, count) => sum + count, 0);
  }

  #ownEnvironment(): ExecuteEnvironment {
    this.#environment ??= this.#core.environment();
    return this.#environment;
  }
}

/** A signature of any kind from the wire, its missing keys filled in. */
function signatureOfAny(wire: unknown, host: SignatureHost): Signature<readonly unknown[], unknown> {
  const signature = signatureOf(wire);
  if (kindOf(signature) === 'task') return signatureFromWire({ ...signature, subtask_type: null }, host);
  return createCanvas(signature, host) as unknown as Signature<readonly unknown[], unknown>;
}
