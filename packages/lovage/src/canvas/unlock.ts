// Chords where results are kept but not counted: a task that looks, now and then, whether all members have ended. It is Celery's, so that
// its workers can run it too. And where results are not kept at all: the refusal.
import type { ResultTuple } from '../protocol/index.ts';
import type { BackendFeatures, ChordOpening } from '../result/index.ts';
import { type Call, type CallOptions, type CanvasPlan, derivedId } from '../task/index.ts';
import { ConfigurationError } from '../util/index.ts';
import { textOption } from './wire.ts';

/** Seconds before the first look. */
const FIRST_LOOK = 1;

/** What a backend can do for chords. */
export interface JoiningBackend {
  readonly name: string;
  readonly features: Pick<BackendFeatures, 'persistent'>;
  readonly chords?: unknown;
  /** Why it refuses chords although it keeps results. */
  readonly chordsNeed?: string;
}

/** The plan as this backend can join it: openings stay where parts are counted, become calls of `celery.chord_unlock` where results are only kept. Throws ConfigurationError where they are not. */
export function joinable<Plan extends Pick<CanvasPlan, 'calls' | 'openings'>>(plan: Plan, backend: JoiningBackend): Plan {
  if (plan.openings.length === 0 || backend.chords !== undefined) return plan;
  if (backend.chordsNeed !== undefined) throw new ConfigurationError(backend.chordsNeed);
  if (!backend.features.persistent) throw cannotJoin(backend);
  for (const opening of plan.openings) refuseIgnored(opening, plan.calls, backend);
  return { ...plan, calls: [...plan.openings.map(unlockCall), ...plan.calls], openings: [] };
}

function cannotJoin({ name }: JoiningBackend): ConfigurationError {
  return new ConfigurationError(
    `The result backend ${name} cannot join a chord: nobody but the sender can read its results. ` +
      'Set resultBackend to redis://host, sqlite://, a database or another store that keeps results.',
  );
}

/** A member whose result is not kept would be waited for for ever. */
function refuseIgnored({ groupId }: ChordOpening, calls: readonly Call[], { name }: JoiningBackend): void {
  const ignored = calls.find(({ options }) => options.groupId === groupId && options.ignoreResult === true);
  if (ignored === undefined) return;
  throw new ConfigurationError(
    `'${ignored.task}' is in the header of a chord with ignoreResult, but the result backend ${name} joins by reading results: leave ignoreResult out, or use redis.`,
  );
}

/** The task that looks whether all members of a header have ended. */
export function unlockCall({ groupId, body, header }: Pick<ChordOpening, 'groupId' | 'body' | 'header'>): Call {
  const { queue, priority } = body.options;
  const result: readonly ResultTuple[] = header[1] ?? [];
  return {
    task: 'celery.chord_unlock',
    args: [groupId, body],
    kwargs: { interval: null, max_retries: null, result },
    options: {
      taskId: derivedId(groupId, 'unlock'),
      countdown: typeof body.options.countdown === 'number' ? body.options.countdown : FIRST_LOOK,
      priority: typeof priority === 'number' ? priority : 0,
      ignoreResult: true,
      ...(typeof queue === 'string' ? { queue } : {}),
      ...placeOf(body.options),
    },
  };
}

/** It stands where the chord stands. */
function placeOf(options: Readonly<Record<string, unknown>>): Pick<CallOptions, 'rootId' | 'parentId' | 'replyTo'> {
  const rootId = textOption(options, 'root_id');
  const parentId = textOption(options, 'parent_id');
  const replyTo = textOption(options, 'reply_to');
  return {
    ...(rootId === undefined ? {} : { rootId }),
    ...(parentId === undefined ? {} : { parentId }),
    ...(replyTo === undefined ? {} : { replyTo }),
  };
}
