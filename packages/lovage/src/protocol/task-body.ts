// The body of a task message, read: `[args, kwargs, embed]`, or a mapping as protocol 1 writes it.
import { InvalidTaskError } from '../util/index.ts';
import type { ChainText } from './chain-text.ts';
import { isRecord, kindOf, own } from './record.ts';
import type { Embed, TaskBody } from './request.ts';
import type { WireSignature } from './signature.ts';
import { EMPTY_EMBED } from './task-message.ts';

/** A signature as it came, with the keys that Celery may leave out filled in; all others are kept. */
export function parseSignature(value: unknown): WireSignature {
  if (!isRecord(value)) throw new InvalidTaskError(`A signature is a mapping, not ${kindOf(value)}`);
  const task = own(value, 'task');
  if (typeof task !== 'string' || task === '') throw new InvalidTaskError('A signature has no task name');
  const subtype = own(value, 'subtask_type');
  return {
    ...value,
    task,
    args: argsOf(own(value, 'args')),
    kwargs: kwargsOf(own(value, 'kwargs')),
    options: mapping(own(value, 'options'), 'options of a signature'),
    subtask_type: typeof subtype === 'string' ? subtype : null,
    immutable: own(value, 'immutable') === true,
  };
}

function mapping(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) throw new InvalidTaskError(`The ${what} must be a mapping, not ${kindOf(value)}`);
  return value;
}

const kwargsOf = (value: unknown): Readonly<Record<string, unknown>> => mapping(value, 'keyword arguments');

function argsOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new InvalidTaskError(`The arguments must be an array, not ${kindOf(value)}`);
  return value as unknown[];
}

/** Callbacks and errbacks may be one signature, a list, or absent. */
function signatures(value: unknown): readonly WireSignature[] | null {
  if (value === undefined || value === null) return null;
  return Array.isArray(value) ? value.map(parseSignature) : [parseSignature(value)];
}

/** The signatures of a chain that is text. */
export function chainSignatures(behind: ChainText): readonly WireSignature[] {
  return behind.values().map(parseSignature);
}

/** An embed whose chain is read when somebody looks at it. */
class LateEmbed implements Embed {
  readonly callbacks: Embed['callbacks'];
  readonly errbacks: Embed['errbacks'];
  readonly chord: Embed['chord'];
  readonly next: WireSignature;
  readonly behind: ChainText;
  #chain: readonly WireSignature[] | undefined;

  constructor({ callbacks, errbacks, chord }: Embed, next: WireSignature, behind: ChainText) {
    this.callbacks = callbacks;
    this.errbacks = errbacks;
    this.chord = chord;
    this.next = next;
    this.behind = behind;
  }

  get chain(): readonly WireSignature[] {
    this.#chain ??= [...chainSignatures(this.behind), this.next];
    return this.#chain;
  }
}

function parseEmbed(value: unknown, behind?: ChainText): Embed {
  if (value === undefined || value === null) return EMPTY_EMBED;
  const record = mapping(value, 'third part of the body');
  const chord = own(record, 'chord');
  const embed: Embed = {
    callbacks: signatures(own(record, 'callbacks')),
    errbacks: signatures(own(record, 'errbacks')),
    chain: signatures(own(record, 'chain')),
    chord: chord === undefined || chord === null ? null : parseSignature(chord),
  };
  const next = embed.chain?.at(-1);
  return behind === undefined || next === undefined ? embed : new LateEmbed(embed, next, behind);
}

/** A body that is a mapping: protocol 1, or protocol 2 headers over it (hybrid). */
export function parseMappingBody(body: Readonly<Record<string, unknown>>): TaskBody {
  return { args: argsOf(own(body, 'args')), kwargs: kwargsOf(own(body, 'kwargs')), embed: parseEmbed({ ...body, chain: null }) };
}

/** The decoded body of a task, and what is `behind` the chain in it. Throws InvalidTaskError when it has no shape that Celery writes. Protocol 1 may leave its args out. */
export function parseBody(decoded: unknown, protocol: 1 | 2 = 2, behind?: ChainText): TaskBody {
  if (isRecord(decoded) && (protocol === 1 || Object.hasOwn(decoded, 'args'))) return parseMappingBody(decoded);
  if (!Array.isArray(decoded) || decoded.length !== 3) {
    throw new InvalidTaskError(`The body of a task is an array of 3 (args, kwargs, embed), not ${kindOf(decoded)}`);
  }
  return { args: argsOf(decoded[0]), kwargs: kwargsOf(decoded[1]), embed: parseEmbed(decoded[2], behind) };
}
