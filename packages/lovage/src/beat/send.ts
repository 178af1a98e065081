// Sending runs. Where the messages and what beat remembers lie in one database, both are written in one transaction, so that a run is sent
// once whatever happens. Elsewhere a run is claimed first, then sent, then noted, and what a crash leaves between is sent again under its
// id. Nobody can know there whether a run was sent before: a beat that was stopped while it sent goes on later, and another has done it
// meanwhile. So each of these messages says that it may be a repeat, and a Lovage worker looks first whether the task is over.
import { currentValue, type Lovage } from '../app/index.ts';
import { ATTEMPTS_HEADER, type Outgoing } from '../broker/index.ts';
import { listRepr } from '../protocol/index.ts';
import type { Call, PreparedCall } from '../task/index.ts';
import { BrokerConnectionError, deadline, LovageError, orAborted, reasonOf } from '../util/index.ts';
import type { Run } from './plan.ts';
import type { Change, ScheduleStore } from './store.ts';

/** How sending a run ended: undefined is sent. */
export type RunFailure = { readonly error: Error; readonly transient: boolean } | undefined;

/** Sends runs of an app. */
export interface Sender {
  /** Can message and memory be written together? */
  readonly isJoint: boolean;
  /** Both at once. Answers undefined when another leads, else a failure for each run that cannot be sent as it is; those are left out. Rejects when nothing was written. */
  sendJointly(
    token: number,
    runs: readonly Run[],
    changes: (failed: ReadonlySet<Run>) => readonly Change[],
  ): Promise<ReadonlyMap<Run, Error> | undefined>;
  /** Together, each for itself; each may have been sent before. */
  send(runs: readonly Run[]): Promise<readonly RunFailure[]>;
  /** Waits so long for the broker to answer; why it does not, or undefined. What is sent then is not held up by connecting. */
  whyNot(seconds: number, signal: AbortSignal | undefined): Promise<string | undefined>;
}

/** Seconds that a joint write waits for its queues to be declared. */
const DECLARE_SECONDS = 30;

/** The call of a run, as Celery's beat makes it; `inDoubt`: it may have been sent before. Throws what a lazy argument throws. */
export function callOf(app: Lovage, { entry, id }: Run, inDoubt: boolean): Call {
  const definition = app.tasks.find(entry.task);
  const headers = inDoubt ? { headers: { ...entry.options.headers, [ATTEMPTS_HEADER]: 0 } } : {};
  const args = entry.args.map(currentValue);
  return {
    task: entry.task,
    args,
    kwargs: Object.fromEntries(Object.entries(entry.kwargs).map(([name, value]) => [name, currentValue(value)])),
    options: { argsRepr: listRepr(args), ...entry.options, ...headers, taskId: id },
    ...(definition === undefined ? {} : { definition }),
  };
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Opens the app's broker; whether it is the store's database decides how runs are sent. */
export async function createSender(app: Lovage, store: ScheduleStore): Promise<Sender> {
  const broker = await app.openBroker('write');
  const { beforeTaskPublish, afterTaskPublish } = app.signals;
  // What is observed is told by the producer alone.
  const isWatched = beforeTaskPublish.observed || afterTaskPublish.observed || app.settings.taskSendSentEvent;
  const { jointPublish } = broker;
  const isJoint = !isWatched && jointPublish !== undefined && store.database !== undefined && store.database === broker.database;
  const declared = new Set<string>();

  async function declare(prepared: PreparedCall): Promise<void> {
    const { queue } = prepared;
    if (queue === undefined || declared.has(queue)) return;
    await orAborted(broker.declare(app.queues.topology([queue])), AbortSignal.timeout(DECLARE_SECONDS * 1000));
    declared.add(queue);
  }

  async function prepare(run: Run): Promise<Outgoing> {
    const [prepared] = app.publisher.prepare([callOf(app, run, false)]);
    if (prepared === undefined) throw new Error('A call became no message.');
    await declare(prepared);
    return prepared.message;
  }

  /** The messages of runs that can be sent, and why others cannot. Rejects with what may be over in a moment. */
  async function prepareAll(runs: readonly Run[]): Promise<{ messages: Outgoing[]; failed: Map<Run, Error> }> {
    const messages: Outgoing[] = [];
    const failed = new Map<Run, Error>();
    for (const run of runs) {
      try {
        messages.push(await prepare(run));
      } catch (error) {
        if (error instanceof LovageError && error.transient) throw error;
        failed.set(run, asError(error));
      }
    }
    return { messages, failed };
  }

  return {
    isJoint,
    sendJointly: async (token, runs, changes) => {
      const { messages, failed } = await prepareAll(runs);
      const writes = messages.length === 0 || jointPublish === undefined ? [] : [await jointPublish(messages)];
      const written = await store.commit(token, changes(new Set(failed.keys())), writes);
      return written ? failed : undefined;
    },
    whyNot: async (seconds, signal) => {
      const late = (): Error => new BrokerConnectionError(`${broker.url} does not answer`);
      using limit = deadline(seconds, late, signal, { ref: true });
      // The driver knows more than that the time is over.
      using last = deadline(seconds + 0.2, late, signal, { ref: true });
      try {
        await orAborted(broker.check(limit.signal, 'publish'), last.signal);
        return undefined;
      } catch (error) {
        return reasonOf(error);
      }
    },
    send: async (runs) => {
      const calls = runs.map((run) => {
        try {
          return callOf(app, run, true);
        } catch (error) {
          return { error: asError(error), transient: false };
        }
      });
      return Promise.all(
        calls.map(async (call): Promise<RunFailure> => {
          if ('error' in call) return call;
          try {
            await app.publisher.send([call]);
            return undefined;
          } catch (error) {
            return { error: asError(error), transient: error instanceof LovageError && error.transient };
          }
        }),
      );
    },
  };
}
