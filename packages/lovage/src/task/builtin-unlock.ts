// The task celery.chord_unlock: joins a chord where results are kept but not counted, by looking whether all members have ended. Celery
// looks for ever; this one gives up when the members' results must have expired, and fails the body.
import { parseResultTuple, parseSignature, type ResultMeta, type ResultNode, type WireSignature } from '../protocol/index.ts';
import { type ChordPart, type CompleteChord, READY_STATES } from '../result/index.ts';
import { ChordError, InvalidTaskError } from '../util/index.ts';
import { endChord, failChord } from './chord-end.ts';
import type { TaskContext } from './context.ts';
import type { ExecuteEnvironment } from './environment.ts';
import type { Aftermath } from './job.ts';
import type { TaskPort } from './port.ts';

/** Seconds between looks, and after which it gives up where results live for ever. */
const INTERVAL = 1;
const PATIENCE = 86_400;

interface Looked {
  readonly groupId: string;
  readonly body: WireSignature;
  readonly members: readonly ResultNode[];
  /** Seconds. */
  readonly interval: number;
  readonly maxLooks: number;
}

function read({ request }: TaskContext, { settings, results }: ExecuteEnvironment): Looked {
  const [groupId, body] = request.args;
  const { interval, max_retries: max, result } = request.kwargs;
  if (typeof groupId !== 'string' || !Array.isArray(result))
    throw new InvalidTaskError("celery.chord_unlock needs the id of a group, a body, and 'result', the tuples of the header.");
  const every = typeof interval === 'number' && interval > 0 ? interval : (settings.chordRetryInterval ?? INTERVAL);
  return {
    groupId,
    body: parseSignature(body),
    members: result.map(parseResultTuple),
    interval: every,
    maxLooks: typeof max === 'number' ? max : Math.ceil((results.chords.expires ?? PATIENCE) / every),
  };
}

/** Looks once; asks to run again while a member has not ended. */
export async function unlockChord(port: TaskPort, context: TaskContext): Promise<void> {
  const environment = port.environment();
  const looked = read(context, environment);
  const ids = leaves(looked.members);
  const metas = await Promise.all(ids.map((id) => environment.results.meta(id)));
  const missing = metas.find(({ status }) => !READY_STATES.has(status));
  if (missing === undefined) {
    const { id, rootId } = context.request;
    const starter = { parentId: id, rootId: rootId === '' ? id : rootId };
    return carryOut(environment, await endChord(completeOf(looked, metas, environment), environment, starter));
  }
  if (context.request.retries < looked.maxLooks) context.retry({ countdown: looked.interval, maxRetries: null });
  const error = new ChordError(
    `Join error: ${missing.taskId} has not ended after ${looked.maxLooks} looks, every ${looked.interval} s; its result may have expired.`,
  );
  return carryOut(environment, await failChord(looked.body, error, environment));
}

function leaves(nodes: readonly ResultNode[]): readonly string[] {
  return nodes.flatMap(({ id, members }) => (members === undefined ? [id] : leaves(members)));
}

/** What was read, as if it had been counted. */
function completeOf(
  { groupId, body, members }: Looked,
  metas: readonly ResultMeta[],
  { results }: ExecuteEnvironment,
): CompleteChord {
  const { chords } = results;
  const callback = { body };
  const parts = metas.map(({ taskId: id, status, result }, index) =>
    chords.part({ groupId, index, id, state: status as ChordPart['state'], result, callback }),
  );
  const tuple = (node: ResultNode): readonly [readonly [string, null], unknown] => [
    [node.id, null],
    node.members === undefined ? null : node.members.map(tuple),
  ];
  const isNested = members.some((member) => member.members !== undefined);
  return {
    groupId,
    parts: parts.map((part) => part.body),
    callback: parts[0]?.callback ?? chords.callback(callback),
    structure: isNested ? chords.structure(tuple({ id: groupId, members })) : undefined,
    root: undefined,
  };
}

async function carryOut(environment: ExecuteEnvironment, { results, next, openings }: Aftermath): Promise<void> {
  if (results.length > 0) await environment.store(results);
  if (openings.length > 0) await environment.results.openChords(openings);
  if (next.length > 0) await environment.publisher.publish(next, { signal: AbortSignal.timeout(PUBLISH_MS) });
}

const PUBLISH_MS = 30_000;
