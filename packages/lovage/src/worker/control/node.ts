// A node's ear for remote control: its own subscription to its pidbox queue, mended by itself when its line is lost. Messages are handled
// in the order in which they come; a command that takes its time does not hold up the next.
import { isAboutPauses } from '../../app/index.ts';
import type { Broker, Delivery, Outgoing, Subscription } from '../../broker/index.ts';
import {
  type ControlRequest,
  isAddressed,
  isStale,
  parseControlRequest,
  saferepr,
  writeControlReply,
} from '../../protocol/index.ts';
import { backoff, deadline, LovageError, logger, orAborted, sleep, systemClock } from '../../util/index.ts';
import type { WorkerHost } from '../host.ts';
import { dispatch } from './dispatch.ts';
import type { ControlPort } from './port.ts';
import { CommandError, errorReply } from './seam.ts';

const log = logger('worker', 'control');
const RECONNECT = { first: 0.2, cap: 10 };
/** Seconds that a command may take. */
const COMMAND_TIMEOUT = 30;
/** Seconds in which an answer has to be confirmed. */
const REPLY_TIMEOUT = 10;

export interface NodeOptions {
  readonly host: WorkerHost;
  readonly port: ControlPort;
  readonly broker: Broker;
  /** Requests with these tickets are our own questions about our own name. */
  readonly ignores: (request: ControlRequest) => boolean;
  /** Called after the first subscription and each later one. */
  readonly onListening?: () => void;
}

/** Hears and answers until disposed. */
export class ControlNode implements AsyncDisposable {
  /** Resolves when requests can be heard for the first time. */
  readonly listening: Promise<void>;
  readonly #options: NodeOptions;
  readonly #listening = Promise.withResolvers<void>();
  readonly #end = new AbortController();
  readonly #running: Promise<void>;
  readonly #answers = new Set<Promise<void>>();
  #subscription: Subscription | undefined;
  /** kombu's mailbox counts its own messages. */
  #count = 0;
  #declared = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.listening = this.#listening.promise;
    this.#running = this.#run();
  }

  /** Commands that came. */
  get handled(): number {
    return this.#handled;
  }

  #handled = 0;

  async #run(): Promise<void> {
    const { signal } = this.#end;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const subscription = await this.#subscribe();
        failures = 0;
        await this.#read(subscription);
      } catch (error) {
        if (signal.aborted) return;
        log.debug('Control commands cannot be heard: {error}', { error: String(error) });
      }
      await sleep(backoff(failures++, RECONNECT), signal, { ref: false }).catch(() => undefined);
    }
  }

  async #subscribe(): Promise<Subscription> {
    const { broker, port, host } = this.#options;
    const { queue, requests } = port.ear;
    await orAborted(broker.declare(requests), this.#end.signal);
    const opening = broker.subscribe([queue], { prefetch: 100, node: host.hostname, noAck: true });
    const subscription = await orAborted(opening, this.#end.signal).catch((error: unknown) => {
      opening.then((late) => late[Symbol.asyncDispose]()).catch(() => undefined);
      throw error;
    });
    this.#subscription = subscription;
    return subscription;
  }

  async #read(subscription: Subscription): Promise<void> {
    try {
      const batches = subscription[Symbol.asyncIterator]();
      let next = batches.next();
      this.#listening.resolve();
      this.#options.onListening?.();
      for (let batch = await next; batch.done !== true; batch = await next) {
        next = batches.next();
        // Commands need the parts of the worker.
        await orAborted(this.#options.host.started, this.#end.signal);
        for (const delivery of batch.value) this.#receive(delivery);
      }
    } finally {
      await subscription[Symbol.asyncDispose]();
    }
  }

  #receive(delivery: Delivery): void {
    const { port, host, ignores } = this.#options;
    this.#handled++;
    port.clock.forward();
    try {
      const request = parseControlRequest(port.decode(delivery));
      if (!isAddressed(request, host.hostname) || ignores(request)) return;
      // Nothing is changed by it, so the setting remoteControl is not asked: the mark is in the broker.
      if (isAboutPauses(request)) {
        lookForPauses(host);
        return;
      }
      if (isStale(request, delivery.headers, systemClock.now())) {
        log.debug('The control command {method} came too late: nobody waits for it any more.', { method: request.method });
        return;
      }
      const answer = this.#answer(request).catch((error: unknown) =>
        log.warning('The answer to the control command {method} was lost: {error}', {
          method: request.method,
          error: String(error),
        }),
      );
      this.#answers.add(answer);
      void answer.finally(() => this.#answers.delete(answer));
    } catch (error) {
      log.error('A control message was dropped: {error}', { error: String(error) });
    }
  }

  async #answer(request: ControlRequest): Promise<void> {
    const { host, port } = this.#options;
    log.debug('Received control command {method}', { method: request.method });
    const late = (): Error => new CommandError('RuntimeError', `The command did not end within ${COMMAND_TIMEOUT} s.`);
    using limit = deadline(COMMAND_TIMEOUT, late, this.#end.signal);
    const { signal } = limit;
    const actions: (() => void)[] = [];
    const isForAll = request.destination === undefined && request.pattern === undefined;
    const context = { host, port, isForAll, signal, afterwards: (action: () => void) => void actions.push(action) };
    try {
      const value = await orAborted(dispatch(request, context), signal).catch(errorReply);
      if (request.reply !== undefined) await this.#reply(request.reply, value);
    } finally {
      for (const action of actions) action();
    }
  }

  async #reply({ to, ticket }: NonNullable<ControlRequest['reply']>, value: unknown): Promise<void> {
    const { broker, port, host } = this.#options;
    // An address elsewhere would make the worker write into any queue.
    if (to.exchange !== port.names.replies) {
      log.warning('A control command wants its answer at the exchange {exchange}; answers go to {replies} only.', {
        exchange: to.exchange,
        replies: port.names.replies,
      });
      return;
    }
    if (!this.#declared) await broker.declare(port.ear.replies);
    this.#declared = true;
    const { body, contentType, contentEncoding } = encoded(port, host.hostname, value);
    const message: Outgoing = {
      exchange: to.exchange,
      routingKey: to.routingKey,
      headers: { ticket, clock: ++this.#count },
      properties: { contentType, contentEncoding, deliveryMode: 1, priority: 0 },
      body,
    };
    await broker.publish([message], { signal: AbortSignal.timeout(REPLY_TIMEOUT * 1000) });
  }

  /** Answers under way get a moment. */
  async drain(signal: AbortSignal): Promise<void> {
    await orAborted(Promise.all(this.#answers), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new LovageError('LOVAGE_SHUTDOWN', 'The worker stops.'));
    this.#listening.resolve();
    await this.#subscription?.[Symbol.asyncDispose]();
    await this.#running;
  }
}

/** At once, and not only at the next look of the step pauses. */
export function lookForPauses({ consumer }: WorkerHost): void {
  consumer
    ?.lookForPauses()
    .catch((error: unknown) => log.debug('Whether queues are paused could not be found out: {error}', { error: String(error) }));
}

/** The answer; where a value does not fit into the wire's format, its text. */
function encoded(port: ControlPort, node: string, value: unknown): ReturnType<ControlPort['encode']> {
  try {
    return port.encode(writeControlReply(node, value ?? null));
  } catch {
    return port.encode(writeControlReply(node, saferepr(value)));
  }
}
