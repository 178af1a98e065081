// What a complete chord leads to: its body with the results of the header, or the failure of all that waits for it. Called by whoever
// counted the last part, and again, with the same ids, by whoever finds that nobody has.
import type { Outgoing } from '../broker/index.ts';
import { formatTime, type ResultNode, saferepr, type WireException, type WireSignature } from '../protocol/index.ts';
import {
  attemptNumber,
  type ChordCallback,
  type CompleteChord,
  PROPAGATE_STATES,
  type ReadPart,
  type StoredResult,
} from '../result/index.ts';
import { ChordError, logger } from '../util/index.ts';
import { blankRequest } from './blank.ts';
import { casualties } from './casualties.ts';
import type { CurrentRequest } from './context.ts';
import type { CanvasPlan, ExecuteEnvironment } from './environment.ts';
import { afterError, derivedId, type Followed, runErrbacks, startSignature } from './follow.ts';
import type { Aftermath } from './job.ts';
import { exceptionOf, tracebackOf } from './meta.ts';
import { casualtyParts } from './parts.ts';

const log = logger('task');
const NOTHING: Aftermath = { results: [], next: [], openings: [], parts: [] };

/** Whom a body is sent by: the first task of its header, or the task that looked whether all have ended. */
export interface Starter {
  readonly rootId: string;
  readonly parentId: string;
}

/** Ends a chord. Never rejects: what cannot be done fails the body. */
export async function endChord(complete: CompleteChord, environment: ExecuteEnvironment, starter?: Starter): Promise<Aftermath> {
  let callback: ChordCallback;
  try {
    callback = environment.results.chords.readCallback(complete.callback ?? '');
  } catch (error) {
    log.error('The body of chord {id} is not known, so it ends without one: {error}', {
      id: complete.groupId,
      error: String(error),
    });
    return NOTHING;
  }
  try {
    const parts = readParts(complete, environment);
    const failed = parts.find(({ state }) => PROPAGATE_STATES.has(state));
    if (failed !== undefined) return await failBody(callback.body, dependencyError(failed), failed.result, environment);
    const values = await headerValues(complete, parts, environment);
    return await sentBody(callback, { ...beginnerOf(complete, parts), ...starter }, values, complete.groupId, environment);
  } catch (error) {
    const chordError = error instanceof ChordError ? error : new ChordError(`Join error: ${reprOf(error)}`, { cause: error });
    return failBody(callback.body, chordError, exceptionOf(chordError), environment);
  }
}

/** Fails a chord that will never be complete. Never rejects. */
export function failChord(body: WireSignature, error: ChordError, environment: ExecuteEnvironment): Promise<Aftermath> {
  return failBody(body, error, exceptionOf(error), environment);
}

function readParts({ parts }: CompleteChord, { results }: ExecuteEnvironment): readonly ReadPart[] {
  return parts.map((part) => results.chords.readPart(part));
}

const isWireException = (value: unknown): value is WireException =>
  typeof value === 'object' && value !== null && typeof (value as Partial<WireException>).exc_type === 'string';

/** An error as Python's repr shows it: `ValueError('boom', 3)`. */
function reprOf(error: unknown): string {
  if (isWireException(error)) {
    const args = Array.isArray(error.exc_message) ? error.exc_message : [error.exc_message];
    return `${error.exc_type}(${args.map((arg) => saferepr(arg)).join(', ')})`;
  }
  return error instanceof Error ? `${error.name}(${saferepr(error.message)})` : saferepr(error);
}

function dependencyError({ id, result }: ReadPart): ChordError {
  return new ChordError(`Dependency ${id} raised ${reprOf(result)}`);
}

/** The values in order; with a structure, nested as the header is. */
async function headerValues(
  { structure }: CompleteChord,
  parts: readonly ReadPart[],
  environment: ExecuteEnvironment,
): Promise<readonly unknown[]> {
  if (structure === undefined) return parts.map(({ result }) => result);
  const byId = new Map(parts.map(({ id, result }) => [id, result]));
  const valueAt = async ({ id, members }: ResultNode): Promise<unknown> => {
    if (members !== undefined) return Promise.all(members.map(valueAt));
    return byId.has(id) ? byId.get(id) : storedValue(id, environment);
  };
  return Promise.all((environment.results.chords.readStructure(structure).members ?? []).map(valueAt));
}

/** Not counted under this id: then its own record says what it gave. */
async function storedValue(id: string, { results }: ExecuteEnvironment): Promise<unknown> {
  const { status, result } = await results.meta(id);
  if (status === 'SUCCESS') return result;
  if (PROPAGATE_STATES.has(status)) throw dependencyError({ id, state: status, result });
  throw new ChordError(`Join error: no result of ${id} is stored, although all parts have come.`);
}

/** Celery's body has the root of the member that came last; ours that of the first member, so that it is the same whatever happens. */
function beginnerOf({ groupId, root }: CompleteChord, [first]: readonly ReadPart[]): Starter {
  const id = first?.id ?? groupId;
  return { parentId: id, rootId: root?.id === id ? root.rootId : id };
}

function sentBody(
  { body }: ChordCallback,
  starter: Starter,
  values: readonly unknown[],
  groupId: string,
  environment: ExecuteEnvironment,
): Promise<Aftermath> | Aftermath {
  const { chain, root_id: root, parent_id: named, ...options } = body.options;
  // Celery's chain takes no parent from its options: its first step has the member that completed the chord.
  const parent = body.subtask_type === 'chain' ? undefined : named;
  let plan: CanvasPlan;
  let next: readonly Outgoing[];
  try {
    plan = startSignature(
      environment,
      { ...body, options },
      {
        args: [values],
        rootId: typeof root === 'string' ? root : starter.rootId,
        parentId: typeof parent === 'string' ? parent : starter.parentId,
        chain: Array.isArray(chain) ? (chain as readonly WireSignature[]) : [],
        seed: derivedId(groupId, 'body'),
      },
    );
    next = messagesOf(environment, plan.calls);
  } catch (error) {
    const chordError = new ChordError(`Callback error: ${reprOf(error)}`, { cause: error });
    return failBody(body, chordError, exceptionOf(chordError), environment);
  }
  return { results: [], next, openings: plan.openings, parts: [] };
}

function messagesOf(environment: ExecuteEnvironment, calls: CanvasPlan['calls']): readonly Outgoing[] {
  return calls.length === 0 ? [] : environment.publisher.prepare(calls).map((prepared) => prepared.message);
}

/** Fails the body of a chord, everything inside and behind it, and the chords that wait for it. `cause` is what a member said. */
async function failBody(
  body: WireSignature,
  error: ChordError,
  cause: unknown,
  environment: ExecuteEnvironment,
): Promise<Aftermath> {
  const traceback = tracebackOf(error);
  // The members of a group that was never sent say what went wrong; a single body says whose fault it is.
  const result = body.subtask_type === 'group' ? cause : error;
  const fallen = casualties([body]);
  const dateDone = formatTime(environment.clock.now());
  const record = (id: string, groupId: string | undefined): StoredResult =>
    environment.results.encode(
      { taskId: id, status: 'FAILURE', result, traceback, children: [], dateDone, groupId },
      { attempt: attemptNumber(0, 1), correlationId: id },
    );
  const groupIds = body.subtask_type === 'group' && typeof body.options.task_id === 'string' ? [body.options.task_id] : [];
  const results = [...fallen.map(({ id, groupId }) => record(id, groupId)), ...groupIds.map((id) => record(id, undefined))];
  const parts = casualtyParts(environment, fallen, error, undefined);
  const told = await Promise.all(
    stranded(body, environment.hostname).map((request) => tellErrbacks({ environment, request }, error)),
  );
  return { results, parts, next: told.flatMap(({ next }) => next), openings: told.flatMap(({ openings }) => openings) };
}

/** Runs or sends the errbacks of a task that never ran. */
async function tellErrbacks(followed: Followed, error: Error): Promise<Pick<Aftermath, 'next' | 'openings'>> {
  const complain = (thrown: unknown): void =>
    log.error('An errback of {id} failed: {error}', { id: followed.request.id, error: thrown });
  // Nothing of it ran, so there is no traceback.
  await runErrbacks(followed, error, undefined, complain, 'worker');
  try {
    const { calls, openings } = afterError(followed);
    return { next: messagesOf(followed.environment, calls), openings };
  } catch (thrown) {
    complain(thrown);
    return { next: [], openings: [] };
  }
}

const isSignature = (value: unknown): value is WireSignature =>
  typeof value === 'object' && value !== null && typeof (value as Partial<WireSignature>).task === 'string';
const signatures = (value: unknown): readonly WireSignature[] => (Array.isArray(value) ? value : [value]).filter(isSignature);

/** Requests of those whose errbacks are told that the body failed, as if each had run and thrown. */
function stranded(body: WireSignature, hostname: string): readonly CurrentRequest[] {
  const own = signatures(body.options.link_error);
  const inner = (wires: readonly WireSignature[]): readonly WireSignature[] =>
    wires.flatMap((wire) => signatures(wire.options.link_error));
  const { tasks, body: last } = body.kwargs;
  if (body.subtask_type === 'group') {
    return signatures(tasks).flatMap((member) => strandedAs(member, endId(member), [...own, ...inner([member])], hostname));
  }
  const begins =
    body.subtask_type === 'chain' ? signatures(tasks).slice(0, 1) : body.subtask_type === 'chord' ? signatures(last) : [];
  return strandedAs(body, endId(body), [...own, ...inner(begins)], hostname);
}

function strandedAs(
  wire: WireSignature,
  id: string | undefined,
  links: readonly WireSignature[],
  hostname: string,
): readonly CurrentRequest[] {
  if (id === undefined || links.length === 0) return [];
  const once = [...new Map(links.map((link) => [JSON.stringify(link), link])).values()];
  const { task, args, kwargs } = wire;
  return [{ ...blankRequest({ id, task, hostname }, { args, kwargs }), errbacks: once, calledDirectly: false }];
}

/** The id under which a signature's value would be found. */
function endId(wire: WireSignature): string | undefined {
  const { tasks, body } = wire.kwargs;
  const last =
    wire.subtask_type === 'chain' ? signatures(tasks).at(-1) : wire.subtask_type === 'chord' ? signatures(body)[0] : undefined;
  const inner = last === undefined ? undefined : endId(last);
  if (inner !== undefined) return inner;
  return typeof wire.options.task_id === 'string' ? wire.options.task_id : undefined;
}
