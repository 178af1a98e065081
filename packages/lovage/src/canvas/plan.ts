// From a canvas to what is sent: flat calls with all ids fixed, chords to open before them, and the shape of the result. Pure: the client
// plans what it sends, a worker what follows a task, and the same input gives the same plan.
import type { WireSignature } from '../protocol/index.ts';
import type { ChordOpening } from '../result/index.ts';
import { type Call, type CanvasPlan, derivedId, type ExpandInput, type TaskRegistry } from '../task/index.ts';
import { uuid } from '../util/index.ts';
import { type Frozen, frozen, type Planning } from './freeze.ts';
import type { LinkRules } from './link.ts';
import { kindOf, mergeWireOptions, withOptions } from './wire.ts';

/** What a plan depends on besides its canvas. */
export interface PlanInput {
  /** Given at the call: put before the arguments of whatever starts. */
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  /** Options of the call as the wire has them, over those of the canvas. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly rules: LinkRules;
  /** Tasks known here, so that their calls are checked and routed as such. */
  readonly registry?: Pick<TaskRegistry, 'find'>;
  /** @default a new UUID each */
  readonly newId?: () => string;
  /** Where results are sent when their backend sends them. */
  readonly replyTo?: string | undefined;
  /** Seconds that the bookkeeping of a chord lives; undefined: for ever. */
  readonly expires?: number | undefined;
  /** Of calls that say nothing of their own. */
  readonly priority?: number | undefined;
  readonly rootId?: string | undefined;
  readonly parentId?: string | undefined;
  /** The rest of the chain around the canvas, in reverse. */
  readonly chain?: readonly WireSignature[];
}

/** What a canvas sends. Throws ConfigurationError for one that cannot be sent, InvalidTaskError for what is no signature. */
export function plan(signature: WireSignature, input: PlanInput): CanvasPlan {
  const calls: Call[] = [];
  const openings: ChordOpening[] = [];
  const planning = planningOf(input, calls, openings);
  const { args = [], kwargs = {}, options = {}, rootId, parentId, chain = [] } = input;
  // Options of a container say what its parts get, so the call's are laid over them before it is taken apart.
  const isTask = kindOf(signature) === 'task';
  const whole = isTask ? signature : withOptions(signature, mergeWireOptions(signature.options, options));
  const start = { args, kwargs, options: isTask ? options : {}, chain, rootId, parentId };
  const made = frozen(whole, { start }, planning);
  return { calls, openings, result: made.node, children: made.children };
}

/** The signature with its ids fixed, and its result; nothing starts. What is frozen can be sent later under these ids. */
export function freeze(
  signature: WireSignature,
  input: PlanInput & { readonly id?: string },
): Pick<Frozen, 'signature' | 'node' | 'size'> {
  const { signature: made, node, size } = frozen(signature, { id: input.id }, planningOf(input, [], []));
  return { signature: made, node, size };
}

function planningOf(input: PlanInput, calls: Call[], openings: ChordOpening[]): Planning {
  const { rules, registry, newId = uuid, replyTo, expires, priority } = input;
  return { rules, registry, newId, replyTo, expires, priority, calls, openings };
}

/** What plans share in one process. */
export interface ExpandOptions extends Pick<PlanInput, 'rules' | 'registry' | 'replyTo' | 'expires'> {}

/** The hook of a worker's environment: its ids follow from the seed, so that a task that is delivered twice sends the same messages. */
export function expanded(signature: WireSignature, input: ExpandInput, options: ExpandOptions): CanvasPlan {
  const { args, chain, rootId, parentId, priority, seed } = input;
  let count = 0;
  const newId = (): string => derivedId(seed, `canvas ${count++}`);
  return plan(signature, { ...options, args, chain, rootId, parentId, priority, newId });
}
