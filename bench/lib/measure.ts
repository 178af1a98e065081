// One measurement of one peer: a number (tasks a second, or milliseconds) and what came with it.
import { setTimeout } from 'node:timers/promises';
import type { Options } from '../programs/protocol.ts';
import { type Answer, startProgram } from './child.ts';
import type { Kind, Places } from './place.ts';

/** A peer in a row: its program, where it works, and what is asked of it. */
export interface Peer {
  readonly name: string;
  readonly program: string;
  readonly broker: Kind;
  readonly count: number;
  readonly options?: Partial<Options>;
  /** The role that answers `ready`, for rows of the start. @default 'worker' */
  readonly role?: string;
}

export type Measure = (peer: Peer, places: Places) => Promise<Answer>;

type Place = { readonly url: string; readonly queue: string };
const optionsOf = (peer: Peer, place: Place): Options => ({ ...place, count: peer.count, ...peer.options });
/** After which an idle worker is at rest. */
const SETTLED_MS = 3000;
const plain = ({ url, queue }: Place): Place => ({ url, queue });

/** Calls a second of one producer. */
export const enqueue: Measure = async (peer, places) => {
  await using place = await places.open(peer.broker);
  await using program = startProgram(peer.program, 'enqueue', optionsOf(peer, plain(place)));
  return await program.next();
};

/** Twice as many as are counted, so that half only warms up; the filler makes a quarter more for its own warming up. */
async function fill(peer: Peer, options: Options): Promise<void> {
  const count = Math.ceil((peer.count * 8) / 5);
  await using filler = startProgram(peer.program, 'enqueue', { ...options, mode: 'bulk', count });
  await filler.next();
}

/** Tasks a second of one warm worker: the second half of what waited before it was started. */
export const drain: Measure = async (peer, places) => {
  await using place = await places.open(peer.broker);
  const options = optionsOf(peer, plain(place));
  await fill(peer, options);
  await using worker = startProgram(peer.program, 'worker', options);
  await worker.next();
  return await worker.next();
};

/** The same while somebody reads every event that the worker sends. */
export const drainHeard: Measure = async (peer, places) => {
  const listens = peer.options?.settings?.workerSendTaskEvents === true;
  await using place = await places.open(peer.broker);
  const options = optionsOf(peer, plain(place));
  await fill(peer, options);
  await using listener = listens ? startProgram(peer.program, 'listen', options) : undefined;
  await listener?.next();
  await using worker = startProgram(peer.program, 'worker', options);
  await worker.next();
  const answer = await worker.next();
  // A listener that hears nothing costs nothing.
  await listener?.next();
  return answer;
};

/** Memory of a worker that nobody but it has (PSS, MiB): at rest, or when it has run what waited for it. */
export const memory: Measure = async (peer, places) => {
  await using place = await places.open(peer.broker);
  const options = optionsOf(peer, plain(place));
  const isBusy = peer.options?.figure === 'busy';
  if (isBusy) await fill(peer, options);
  await using worker = startProgram(peer.program, 'worker', options);
  await worker.next();
  if (isBusy) await worker.next();
  else await setTimeout(SETTLED_MS);
  return { mebibytes: worker.mebibytes() };
};

/** Calls with their results, one after the other, against an idle worker in another process. */
export const sequentialGets: Measure = async (peer, places) => {
  await using place = await places.open(peer.broker);
  const options = { ...optionsOf(peer, plain(place)), results: true };
  await using worker = peer.program.startsWith('raw')
    ? undefined
    : startProgram(peer.program, 'worker', { ...options, count: 2 ** 40 });
  await worker?.next();
  await using client = startProgram(peer.program, 'get', options);
  return await client.next();
};

/** Milliseconds from the call of a canvas to its result, against an idle worker in another process. */
export const canvasTime: Measure = async (peer, places) => {
  await using place = await places.open(peer.broker);
  const options = { ...optionsOf(peer, plain(place)), results: true };
  await using worker = startProgram(peer.program, 'worker', { ...options, count: 2 ** 40 });
  await worker.next();
  await using client = startProgram(peer.program, 'canvas', options);
  return await client.next();
};

/** Milliseconds by which periodic tasks that are all due in one moment begin late, on an idle worker in another process. */
export const beatLateness: Measure = async (peer, places) => {
  await using place = await places.open(peer.broker);
  const options = optionsOf(peer, plain(place));
  await using worker = startProgram(peer.program, 'worker', options);
  await worker.next();
  await using beat = startProgram(peer.program, 'beat', options);
  const { left = 0 } = await beat.next();
  if (left < 500) throw new Error(`Beat was ready only ${left} ms before its runs were due: on this machine it needs longer.`);
  return await worker.next();
};

/** Milliseconds from the start of the process to its word that it is ready. */
export const startToReady: Measure = async (peer, places) => {
  await using place = await places.open(peer.broker);
  await using program = startProgram(peer.program, peer.role ?? 'worker', optionsOf(peer, plain(place)));
  await program.next();
  return { milliseconds: performance.now() - program.started };
};
