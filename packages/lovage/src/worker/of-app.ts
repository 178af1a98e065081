// What a worker needs, made of a Lovage app: the ports of the consumer and of the worker on one side, the app's parts on the other.
import {
  brokerUrl,
  type Lovage,
  messageGuardOf,
  originOf,
  type Queue,
  resolveModule,
  resultUrl,
  splitExport,
} from '../app/index.ts';
import type { Outgoing } from '../broker/index.ts';
import { unlockCall } from '../canvas/index.ts';
import type { ConsumerObserver, ConsumerSettings, JoinPort, RecordWriter, ResultOwner, WorkerApp } from '../consumer/index.ts';
import {
  formatTime,
  isRejection,
  notRegisteredException,
  type ResultMeta,
  resultTuple,
  revokedException,
  type TaskRequest,
} from '../protocol/index.ts';
import type { ResultBackend, StoredResult } from '../result/index.ts';
import {
  aftermath,
  type ExecuteEnvironment,
  endChord,
  exceptionOf,
  execute,
  executeEnd,
  type FollowUp,
  followUp,
  followUpFailure,
  followUpRevoked,
  type TaskDefinition,
  type TaskOptions,
} from '../task/index.ts';
import { ConfigurationError, NotRegisteredError, redactUrl, systemClock } from '../util/index.ts';
import type { Bootstep } from './bootsteps.ts';
import { controlPortOf } from './control/of-app.ts';
import { directQueue } from './direct.ts';
import type { ConsumerHost, QueueLine, WorkerHost, WorkerOptions, WorkerParts } from './host.ts';
import { createLiveQueues } from './queues.ts';
import type { WorkerSource } from './source.ts';
import { taskEvents } from './task-events.ts';

/** Records of tasks that no slot ever saw. */
function recordsOf(app: Lovage, hostname: string): RecordWriter {
  const encode = (owner: ResultOwner, status: string, result: unknown): ReturnType<RecordWriter['failure']> => {
    const { id, request, attempt, replyTo, correlationId } = owner;
    const meta: ResultMeta = {
      taskId: id,
      status,
      result,
      children: [],
      dateDone: formatTime(Date.now() / 1000),
      groupId: request?.group,
      parentId: request?.parentId,
      ...(app.settings.resultExtended ? { name: owner.name, worker: hostname, retries: request?.retries } : {}),
    };
    return [app.results.encode(meta, { attempt, replyTo, correlationId: correlationId ?? id })];
  };
  return {
    failure: (owner, error) => {
      // Python peers know some by their names.
      if (error instanceof NotRegisteredError && owner.name !== undefined) {
        return encode(owner, 'FAILURE', notRegisteredException(owner.name));
      }
      return encode(owner, 'FAILURE', exceptionOf(error));
    },
    revoked: (owner, reason) => encode(owner, 'REVOKED', revokedException(reason)),
  };
}

function observerOf({ signals }: Lovage): ConsumerObserver {
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return {
    taskReceived: (request) => signals.taskReceived.emit(() => ({ request }), request.task),
    taskRevoked: (request, { expired, terminated, signal }) =>
      signals.taskRevoked.emit(() => ({ request, expired, terminated, signal }), request.task),
    taskRejected: ({ headers }, error) =>
      signals.taskRejected.emit(() => ({ id: text(headers?.id), task: text(headers?.task), error })),
    taskUnknown: (_, { name, id, error }) => signals.taskUnknown.emit(() => ({ id: id ?? '', task: name, error }), name),
  };
}

/** The queues that this worker takes from. */
function selectQueues(app: Lovage, { queues, excludeQueues = [] }: WorkerOptions): readonly Queue[] {
  const chosen = queues ?? app.queueNames();
  return chosen.filter((name) => !excludeQueues.includes(name)).map((name) => app.queues.get(name));
}

function lineOf({ name, exchange, routingKey }: Queue): QueueLine {
  return { name, exchange: exchange.name, exchangeType: exchange.type, routingKey };
}

function wasRejected(app: Lovage, stored: StoredResult): boolean {
  try {
    return isRejection(app.results.codec.decode(stored).result);
  } catch {
    // A record that cannot be read says nothing.
    return false;
  }
}

/** The settings with this worker's own options over them. */
function settingsOf({ settings }: Lovage, { prefetchMultiplier }: WorkerOptions): ConsumerSettings {
  const multiplier = prefetchMultiplier ?? settings.workerPrefetchMultiplier;
  return { ...settings, workerPrefetchMultiplier: settings.workerDisablePrefetch ? 1 : multiplier };
}

/** A limit of the worker holds for tasks that have none of their own: those whose limit is that of the setting. */
function optionsOf(app: Lovage, environment: ExecuteEnvironment, worker: WorkerOptions): WorkerApp['options'] {
  const limited = (own: number | null | undefined, setting: number | null, flag: number | undefined): number | null =>
    flag !== undefined && (own ?? null) === setting ? flag : (own ?? null);
  return (definition: TaskDefinition): Readonly<TaskOptions> => {
    const options = environment.options(definition);
    const { taskTimeLimit, taskSoftTimeLimit } = app.settings;
    return {
      ...options,
      timeLimit: limited(options.timeLimit, taskTimeLimit, worker.timeLimit),
      softTimeLimit: limited(options.softTimeLimit, taskSoftTimeLimit, worker.softTimeLimit),
    };
  };
}

/** A stored record. One of a failure that cannot be read still says that it is one. */
function recordOf(app: Lovage, stored: StoredResult): Pick<ResultMeta, 'status' | 'result'> {
  try {
    return app.results.codec.decode(stored);
  } catch (error) {
    if (stored.state === 'SUCCESS') throw error;
    return { status: stored.state, result: exceptionOf(error) };
  }
}

/** What a task leads to that an earlier attempt ended. */
function followed(
  request: TaskRequest,
  body: Uint8Array,
  { status, result }: Pick<ResultMeta, 'status' | 'result'>,
  environment: ExecuteEnvironment,
): FollowUp {
  if (status === 'SUCCESS') return followUp(request, body, result, environment);
  if (status === 'FAILURE') return followUpFailure(request, body, result, environment);
  return status === 'REVOKED' ? followUpRevoked(request, body, result, environment) : { next: [], openings: [] };
}

function joinsOf(app: Lovage, environment: ExecuteEnvironment): JoinPort {
  return {
    opening: (opening) => app.results.chords.opening(opening),
    ended: (chord) => endChord(chord, environment),
  };
}

function unlockMessages(
  app: Lovage,
  environment: ExecuteEnvironment,
  { groupId, callback, group }: { readonly groupId: string; readonly callback: string; readonly group: Uint8Array },
): readonly Outgoing[] {
  const { chords } = app.results;
  const { body } = chords.readCallback(callback);
  const call = unlockCall({ groupId, body, header: resultTuple(chords.readStructure(group)) });
  return environment.publisher.prepare([call]).map(({ message }) => message);
}

/** Found out here, and not by every slot. */
function checkEntry(entry: string, base: string | undefined): void {
  try {
    resolveModule(splitExport(entry).path, base);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError(`Slots cannot load the file that slotEntry (setting workerSlotEntry) names. ${why}`, {
      cause: error,
    });
  }
}

/** The app again, in processes and threads of its own. */
async function slotsOf(app: Lovage, hostname: string, worker: WorkerOptions): ReturnType<WorkerParts['slots']> {
  const { settings } = app;
  const made = worker.module === undefined ? originOf(app) : { specifier: worker.module, base: process.cwd() };
  const entry = worker.slotEntry ?? settings.workerSlotEntry ?? undefined;
  const found = entry === undefined ? made : { base: process.cwd(), ...made, specifier: entry };
  if (entry !== undefined) checkEntry(entry, found?.base);
  if (found === undefined) {
    return {
      refused:
        "It loads the app once more in each of its slots, and nobody says from where: give startWorker the option module, such as module: import.meta.resolve('./tasks.ts') (in a bundle slotEntry: the file that slots load), or start the worker with `lovage -A tasks.ts worker`.",
    };
  }
  const local = [brokerUrl(settings, 'write'), resultUrl(settings)].find((url) => /^memory:/i.test(url));
  if (local !== undefined) {
    return {
      refused: `Its slots would each have a ${local} of their own, in which nobody sees what a task sends or stores; take another broker and result store, such as sqlite://, or the pool 'async'.`,
    };
  }
  const { slotProgram } = await import('./slot-program.ts');
  const { specifier, base, ...given } = found;
  const { workerRedirectStdoutsLevel: redirectLevel } = settings;
  const inspect = worker.slotInspectPort ?? settings.workerSlotInspectPort ?? undefined;
  return {
    program: slotProgram({
      ...given,
      app: specifier,
      base,
      include: worker.include ?? [],
      hostname,
      ownsLogging: worker.ownsLogging === true,
      redirectLevel,
      ...(inspect === undefined ? {} : { inspect }),
    }),
  };
}

async function openParts(app: Lovage, hostname: string, worker: WorkerOptions): Promise<WorkerParts> {
  const environment = app.environment({ hostname });
  const broker = await app.openBroker('read');
  const opened: ResultBackend = await app.openBackend();
  const backend = opened.name === 'disabled' ? undefined : opened;
  const queues = selectQueues(app, worker);
  const direct = app.settings.workerDirect ? [directQueue(hostname)] : [];
  const live = createLiveQueues(app, [...queues, ...direct]);
  const dispatcher = app.createDispatcher({ hostname, groups: [], batched: ['task'] });
  const port: WorkerApp = {
    settings: settingsOf(app, worker),
    broker,
    backend,
    publisher: app.publisher,
    records: recordsOf(app, hostname),
    observer: observerOf(app),
    events: taskEvents(dispatcher),
    find: (name) => app.tasks.find(name),
    taskNames: () => [...app.tasks].map(({ name }) => name),
    options: optionsOf(app, environment, worker),
    guard: messageGuardOf(app.settings, systemClock, (exchange, name) =>
      live.all.some(
        ({ declaration, exchanges }) => declaration.name === name && exchanges.some((from) => from.name === exchange),
      ),
    ),
    decodeBody: ({ body, properties, headers }) => {
      const compression = typeof headers?.compression === 'string' ? headers.compression : undefined;
      const { contentType, contentEncoding } = properties;
      return environment.serialization.decode({ body, contentType, contentEncoding, compression }, environment.accept);
    },
    queues: () => live.current(),
    addQueue: (queue) => live.add(queue),
    cancelQueue: (name) => live.cancel(name),
    joins: backend?.chords && joinsOf(app, environment),
    unlock: (groupId, callback, group) => unlockMessages(app, environment, { groupId, callback, group }),
    aftermath: (request, body, end) => aftermath(request, body, end, environment),
    followUp: async (request, body, stored) => followed(request, body, recordOf(app, stored), environment),
    wasRejected: (stored) => wasRejected(app, stored),
  };
  return {
    app: port,
    execute: (job, options) => execute(job, environment, options),
    ended: (job, reason, runtime) => executeEnd(job, environment, reason, runtime),
    slots: () => slotsOf(app, hostname, worker),
    queueLines: [...queues, ...direct].map(lineOf),
    queues: () => live.all,
    control: controlPortOf(app, broker, hostname),
    brokerUrl: broker.url,
    backendUrl: backend === undefined ? undefined : redactUrl(backend.url),
    dispatcher,
    receive: (options) => app.events(options),
    // Broker and store belong to the app, which other workers of this process may share.
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** The app's own steps, which it keeps without knowing what a step is. */
function stepsOf(app: Lovage): readonly Bootstep<WorkerHost>[] {
  return app.steps.worker as readonly Bootstep<WorkerHost>[];
}

/** What a worker asks of this app. */
export function sourceOf(app: Lovage): WorkerSource {
  return {
    name: app.name,
    signals: app.signals,
    steps: () => stepsOf(app),
    consumerSteps: () => app.steps.consumer as readonly Bootstep<ConsumerHost>[],
    settings: () => ({ ...app.settings, poolIsChosen: app.conf.originOf('workerPool') !== 'the default' }),
    load: (include) => app.importTasks(include),
    taskNames: () => [...app.tasks].map(({ name }) => name),
    open: ({ hostname, worker }) => openParts(app, hostname, worker),
  };
}
