// Is a broker or a result store within reach? Asked before a command uses one, so that nobody waits in vain for one that is down.
import type { Lovage } from '../../app/index.ts';
import type { Broker } from '../../broker/index.ts';
import {
  BackendError,
  BrokerConnectionError,
  deadline,
  isRefusedLogin,
  LovageError,
  orAborted,
  reasonOf,
} from '../../util/index.ts';

/** Something with an address that can be asked. */
export interface Reachable {
  readonly url: string;
  check(signal: AbortSignal): Promise<void>;
}

/** A driver that gives up by itself says more than our clock: it gets this much longer. */
const GRACE = 0.2;

const CURE = 'Start it, or name another one';
const BROKER = '(-b, LOVAGE_BROKER_URL, setting brokerUrl)';
const RESULTS = '(--result-backend, LOVAGE_RESULT_BACKEND, setting resultBackend)';

/** It is there, so neither starting it nor waiting helps. */
function refusal(what: string, error: unknown, url: string, where: string): string | undefined {
  if (!isRefusedLogin(error)) return undefined;
  const reason = reasonOf(error);
  const why = /\b(NOAUTH|WRONGPASS|NOPERM)\b/.exec(reason)?.[0];
  const said = why === undefined ? reason : `${why}, ${WHY[why]}`;
  return `The ${what} ${url} refuses this login: ${said}. Check user, password and database in its URL ${where}.`;
}

const WHY: Readonly<Record<string, string>> = {
  NOAUTH: 'it wants a password',
  WRONGPASS: 'user or password are wrong, or the user is switched off',
  NOPERM: 'this user may not do what is needed',
};

/** Does it answer, and says no for good? */
export function isRefusal(error: unknown): boolean {
  return isRefusedLogin(error) || (error instanceof LovageError && !error.transient);
}

/** Resolves when it answers; rejects with the reason in one line by the end of the time. */
export async function reach(part: Reachable, seconds: number): Promise<void> {
  const late = (): BrokerConnectionError => new BrokerConnectionError(`no answer within ${seconds} s`);
  using limit = deadline(seconds, late, undefined, { ref: true });
  using last = deadline(seconds + GRACE, late, undefined, { ref: true });
  await orAborted(part.check(limit.signal), last.signal);
}

/** The app's broker, once it has answered. Throws BrokerConnectionError. */
export async function reachBroker(app: Lovage, role: 'read' | 'write'): Promise<Broker> {
  const broker = await app.openBroker(role);
  try {
    await reach(broker, app.settings.brokerConnectionTimeout);
  } catch (error) {
    if (error instanceof LovageError && !error.transient) throw error;
    const refused = refusal('broker', error, broker.url, BROKER);
    if (refused !== undefined) throw new BrokerConnectionError(refused, { cause: error, transient: false });
    throw new BrokerConnectionError(`The broker ${broker.url} cannot be reached: ${reasonOf(error)}. ${CURE} ${BROKER}.`, {
      cause: error,
    });
  }
  return broker;
}

/** Resolves once the app's result store has answered. Throws BackendError. */
export async function reachBackend(app: Lovage): Promise<void> {
  const backend = await app.openBackend();
  try {
    await reach(backend, app.settings.brokerConnectionTimeout);
  } catch (error) {
    if (error instanceof LovageError && !error.transient) throw error;
    const refused = refusal('result store', error, backend.url, RESULTS);
    if (refused !== undefined) throw new BackendError(refused, { cause: error, transient: false });
    throw new BackendError(`The result store ${backend.url} cannot be reached: ${reasonOf(error)}. ${CURE} ${RESULTS}.`, {
      cause: error,
    });
  }
}
