// The producer: the one implementation of the port Publisher. A call becomes a message (prepare.ts), messages leave together (outbox.ts).
import type { Outgoing } from '../broker/index.ts';
import { sentFields } from '../protocol/index.ts';
import type { AsyncResult, ChordOpening } from '../result/index.ts';
import { SIGNATURE_HEADER } from '../security/index.ts';
import type { Call, CanvasPlan, PreparedCall, Publisher, PublishPayload, PublishWatch, Signals } from '../task/index.ts';
import { type Middleware, wrapPublish } from '../task/index.ts';
import { LovageError, redactText } from '../util/index.ts';
import { asAsked } from './asked.ts';
import { createOutbox, deliver, type Fate, type OutboxHost, type Parcel, publishDeadline, publishError } from './outbox.ts';
import { type PrepareHost, prepareCall, prepareQuickly, withChain } from './prepare.ts';
import type { PublishRetryPolicy, Settings } from './settings.ts';

/** What the producer needs of its app. */
export interface ProducerHost extends PrepareHost, OutboxHost {
  readonly signals: Signals;
  readonly middleware: readonly Middleware[];
  /** Reads config files, and declares the reply queue of 'rpc://' when a result will be waited for. undefined: there is nothing to wait for. */
  ready(call: { readonly expectsResult: boolean }): Promise<void> | undefined;
  result(id: string, options: { readonly ignored: boolean }): AsyncResult<unknown>;
  /** Opens the chords of a plan, or turns them into calls where they cannot be counted; gives the calls to send. */
  join(plan: Pick<CanvasPlan, 'calls' | 'openings'>): Promise<readonly Call[]>;
  /** Makes the header that signs a message; undefined: none are signed. */
  readonly sign: ((message: Outgoing) => string) | undefined;
  /** Sends the event task-sent. */
  sent(fields: Readonly<Record<string, unknown>>): void;
}

/** The producer of an app: the port, and when it is at rest. */
export interface Producer extends Publisher {
  /** Resolves when no message waits or is under way. */
  idle(): Promise<void>;
}

/** The producer of an app. `host` is asked at use, so that it always shows the settings of the moment. */
export function createProducer(host: () => ProducerHost): Producer {
  // Which call a message was made of: for the signals, which tell more than the message shows. Kept only while somebody observes.
  const calls = new WeakMap<Outgoing, { readonly call: Call; readonly prepared: PreparedCall }>();
  const outbox = createOutbox(host, () => limitsOf(host().state.settings));
  let wrapped: { readonly of: readonly Middleware[]; readonly prepare: (call: Call) => PreparedCall } | undefined;

  const isObserved = (): boolean => {
    const { beforeTaskPublish, afterTaskPublish } = host().signals;
    return beforeTaskPublish.observed || afterTaskPublish.observed;
  };

  const prepareOne = (given: Call): PreparedCall => {
    const app = host();
    const { middleware } = app;
    const isPrivate = middleware.length === 0 && !isObserved();
    // What is signed is signed below, and has no text of its headers yet.
    const quick = isPrivate && app.sign === undefined ? prepareQuickly(given, app) : undefined;
    if (quick !== undefined) return quick;
    const call = isPrivate ? given : withChain(given);
    if (wrapped?.of !== middleware)
      wrapped = { of: middleware, prepare: wrapPublish(middleware, (inner) => prepareCall(inner, host())) };
    const prepared = signed(wrapped.prepare(call), app.sign);
    if (isObserved()) calls.set(prepared.message, { call, prepared });
    return prepared;
  };

  const tell = async (which: 'beforeTaskPublish' | 'afterTaskPublish', messages: readonly Outgoing[]): Promise<void> => {
    const signal = host().signals[which];
    if (!signal.observed) return;
    for (const message of messages) {
      const known = calls.get(message);
      if (known !== undefined) await signal.tell(() => payloadOf(known.call, known.prepared), known.call.task);
    }
  };

  // Sends that do more than wait for the outbox.
  const pending = new Set<Promise<unknown>>();
  const tracked = <T>(work: Promise<T>): Promise<T> => {
    const watched = work.catch(() => undefined).finally(() => pending.delete(watched));
    pending.add(watched);
    return work;
  };
  const idle = async (): Promise<void> => {
    await Promise.all(pending);
    await outbox.idle();
  };

  const post = (parcel: Parcel): Promise<Fate> => new Promise((resolve) => outbox.post(parcel, resolve));

  /** The common case without a promise to spare: one call that nobody observes, wraps or limits. undefined: it is no such call. */
  const sendQuickly = (asked: readonly Call[], app: ProducerHost): Promise<readonly AsyncResult<unknown>[]> | undefined => {
    const [call] = asked;
    if (call === undefined || asked.length > 1 || isObserved() || app.middleware.length > 0) return undefined;
    if (app.sign !== undefined) return undefined;
    const ready = app.ready({ expectsResult: call.options.ignoreResult !== true });
    // Passed on and not asked for again: a promise that nobody waits for ends the process when it rejects.
    if (ready !== undefined) return tracked(sendAll(asAsked(asked), ready));
    const prepared = prepareQuickly(call, app);
    if (prepared === undefined) return undefined;
    return new Promise((resolve, reject) => {
      outbox.post(prepared, (fate) => {
        if (fate === undefined && app.state.settings.taskSendSentEvent) tellSent([prepared], app);
        if (fate === undefined) resolve([app.result(prepared.id, { ignored: prepared.ignoreResult })]);
        else reject(publishError(describe(asked), [fate]) as Error);
      });
    });
  };

  const sendJoined = async (
    calls: readonly Call[],
    openings: readonly ChordOpening[],
  ): Promise<readonly AsyncResult<unknown>[]> => {
    const ready = host().ready({ expectsResult: true });
    if (ready !== undefined) await ready;
    const all = await host().join({ calls, openings });
    // What joins them goes first, and is nobody's result.
    return (await sendAll(all)).slice(all.length - calls.length);
  };

  const send = (asked: readonly Call[], openings: readonly ChordOpening[] = []): Promise<readonly AsyncResult<unknown>[]> => {
    try {
      if (openings.length > 0) return tracked(sendJoined(asked, openings));
      return sendQuickly(asked, host()) ?? tracked(sendAll(asked));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  };

  const sendAll = async (given: readonly Call[], begun?: Promise<void>): Promise<readonly AsyncResult<unknown>[]> => {
    if (given.length === 0) return [];
    const app = host();
    const ready = begun ?? app.ready({ expectsResult: given.some(({ options }) => options.ignoreResult !== true) });
    const asked = ready === undefined || begun !== undefined ? given : asAsked(given);
    if (ready !== undefined) await ready.catch((error: unknown) => notReady(asked, error));
    const prepared = asked.map(prepareOne);
    const messages = prepared.map(({ message }) => message);
    if (isObserved()) await tell('beforeTaskPublish', messages);
    const special = ownLimits(asked, app.state.settings);
    const fates = special === undefined ? await Promise.all(prepared.map(post)) : await deliverAlone(prepared, app, special);
    const error = publishError(describe(asked), fates);
    const stored = error === undefined ? messages : messages.filter((_, index) => fates[index] === undefined);
    if (app.state.settings.taskSendSentEvent) {
      tellSent(
        prepared.filter((_, index) => fates[index] === undefined),
        app,
      );
    }
    if (isObserved()) await tell('afterTaskPublish', stored);
    if (error !== undefined) throw error;
    return prepared.map(({ id, ignoreResult }) => app.result(id, { ignored: ignoreResult }));
  };

  const publish = async (messages: readonly Outgoing[], options: { readonly signal: AbortSignal }): Promise<void> => {
    if (messages.length === 0) return;
    const app = host();
    await tell('beforeTaskPublish', messages);
    const parcels = messages.map((message): Parcel => ({ message, queue: queueOf(message, app) }));
    const fates = await deliver(parcels, app, { signal: options.signal, retry: app.state.settings.taskPublishRetry });
    await tellStored(messages.filter((_, index) => fates[index] === undefined));
    const error = publishError('A message', fates);
    if (error !== undefined) throw error;
  };

  /** The event and the signal of messages that were made elsewhere and that the broker has. */
  const tellStored = async (messages: readonly Outgoing[]): Promise<void> => {
    const app = host();
    if (app.state.settings.taskSendSentEvent) {
      tellSent(
        messages.map((message) => ({ message, queue: queueOf(message, app) })),
        app,
      );
    }
    await tell('afterTaskPublish', messages);
  };
  const watch: PublishWatch = { before: (messages) => tell('beforeTaskPublish', messages), after: tellStored };

  return {
    send,
    publish,
    prepare: (asked) => asked.map(prepareOne),
    idle,
    get watch() {
      return isObserved() || host().state.settings.taskSendSentEvent ? watch : undefined;
    },
  };
}

/** Last of all, so that nothing changes what was signed. */
function signed(prepared: PreparedCall, sign: ProducerHost['sign']): PreparedCall {
  if (sign === undefined) return prepared;
  const { headersText: _, ...message } = prepared.message;
  const headers = { ...message.headers, [SIGNATURE_HEADER]: sign(message) };
  return { ...prepared, message: { ...message, headers } };
}

/** The event task-sent of messages that the broker has. A message of protocol 1 has no headers to tell of. */
function tellSent(parcels: readonly Pick<Parcel, 'message' | 'queue'>[], app: ProducerHost): void {
  for (const { message, queue } of parcels) {
    const { exchange, routingKey, headers } = message;
    const fields = sentFields(headers, { exchange, routingKey, queue: queue ?? (exchange === '' ? routingKey : null) });
    if (fields !== undefined)
      app.sent({ ...fields, args: redactText(fields.args ?? ''), kwargs: redactText(fields.kwargs ?? '') });
  }
}

/** The queue to declare for a message that was made elsewhere: the one that its destination names. */
function queueOf(message: Outgoing, { state }: ProducerHost): string | undefined {
  if (message.exchange !== '') return state.queues.boundTo(message.exchange).find(({ broadcast }) => !broadcast)?.name;
  const mayMake = state.settings.taskCreateMissingQueues || state.queues.has(message.routingKey);
  // Reply queues and the like belong to whoever reads them: only what looks like a task is a reason to make a queue.
  return mayMake && typeof message.headers.task === 'string' ? message.routingKey : undefined;
}

/** Nothing was handed over yet: the error says so, unless it is one of the user's own, from a config file. */
function notReady(calls: readonly Call[], error: unknown): never {
  const fates: readonly Fate[] = calls.map((_, index) => ({ index, stored: 'no', cause: error }));
  throw error instanceof LovageError ? (publishError(describe(calls), fates) ?? error) : error;
}

interface Limits {
  readonly timeout: number;
  readonly retry: boolean;
}

interface OwnLimits extends Limits {
  readonly policy: PublishRetryPolicy;
  readonly signals: readonly AbortSignal[];
}

function limitsOf(settings: Settings): Limits {
  return { timeout: settings.taskPublishTimeout, retry: settings.taskPublishRetry };
}

/** Limits of calls that bring their own: those cannot join a common publish. */
function ownLimits(calls: readonly Call[], settings: Settings): OwnLimits | undefined {
  const own = calls.some(
    ({ options }) =>
      options.publishTimeout !== undefined ||
      options.retry !== undefined ||
      options.retryPolicy !== undefined ||
      options.signal !== undefined,
  );
  if (!own) return undefined;
  return {
    timeout: Math.min(...calls.map(({ options }) => options.publishTimeout ?? settings.taskPublishTimeout)),
    retry: calls.every(({ options }) => options.retry ?? settings.taskPublishRetry),
    policy: Object.assign(
      {},
      settings.taskPublishRetryPolicy,
      ...calls.map(({ options }) => options.retryPolicy),
    ) as PublishRetryPolicy,
    signals: calls.flatMap(({ options }) => options.signal ?? []),
  };
}

async function deliverAlone(parcels: readonly Parcel[], host: OutboxHost, limits: OwnLimits): ReturnType<typeof deliver> {
  const parent = limits.signals.length === 0 ? undefined : AbortSignal.any([...limits.signals]);
  using limit = publishDeadline({ seconds: limits.timeout, parent, host });
  const own: OutboxHost = { broker: () => host.broker(), declarations: host.declarations, policy: limits.policy };
  return await deliver(parcels, own, { signal: limit.signal, retry: limits.retry });
}

function describe(calls: readonly Call[]): string {
  const [first] = calls;
  return calls.length === 1 ? `The call of '${first?.task}'` : `A batch of ${calls.length} calls (the first of '${first?.task}')`;
}

function payloadOf(call: Call, { id, message }: PreparedCall): PublishPayload {
  const { exchange, routingKey, headers } = message;
  return { task: call.task, id, exchange, routingKey, headers, args: call.args, kwargs: call.kwargs };
}
