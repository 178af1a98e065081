// Signatures: a call as immutable data, with what sends it. Nothing here knows chains, groups or chords; the canvas room adds them.

import { isDeepStrictEqual } from 'node:util';
import type { WireSignature } from '../protocol/index.ts';
import type { AsyncResult, EagerResult } from '../result/index.ts';
import { ConfigurationError } from '../util/index.ts';
import type { ExecuteEnvironment } from './environment.ts';
import type { ApplyOptions, ErrbackLike, LinkOf, Signature } from './handle.ts';
import { checkCallOptions } from './option-names.ts';
import type { Call, CallOptions, SignatureLike } from './options.ts';
import { linkList, mergeOptions, readOptions, writeOptions } from './wire-options.ts';

/** What sends a signature; task.ts and remote.ts give it. */
export interface SignatureHost {
  environment(): ExecuteEnvironment;
  send(call: Call): Promise<AsyncResult<unknown>>;
  apply(call: Call, options: ApplyOptions | undefined): Promise<EagerResult<unknown>>;
}

/** A signature's data. */
export interface SignatureFields {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<CallOptions>;
  readonly immutable: boolean;
}

/** The one class behind all signatures; its types are erased. */
class PlainSignature implements Signature<readonly unknown[], unknown> {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<CallOptions>;
  readonly immutable: boolean;
  readonly #host: SignatureHost;

  constructor(fields: SignatureFields, host: SignatureHost) {
    this.task = fields.task;
    this.args = Object.freeze([...fields.args]);
    this.kwargs = Object.freeze({ ...fields.kwargs });
    this.options = Object.freeze({ ...fields.options });
    this.immutable = fields.immutable;
    this.#host = host;
    Object.freeze(this);
  }

  set(options: CallOptions): PlainSignature {
    checkCallOptions(this.task, options);
    return this.#copy({ options: { ...this.options, ...options } });
  }

  link(next: LinkOf<unknown>): PlainSignature {
    return this.#copy({ options: { ...this.options, link: added(this.options.link, next) } });
  }

  linkError(next: ErrbackLike): PlainSignature {
    return this.#copy({ options: { ...this.options, linkError: added(this.options.linkError, next) } });
  }

  with(...missing: readonly unknown[]): PlainSignature {
    return this.immutable ? this : this.#copy({ args: [...missing, ...this.args] });
  }

  delay(...missing: readonly unknown[]): Promise<AsyncResult<unknown>> {
    return this.applyAsync(missing);
  }

  async applyAsync(missing: readonly unknown[], options?: CallOptions): Promise<AsyncResult<unknown>> {
    if (options !== undefined) checkCallOptions(this.task, options);
    return this.#host.send(this.#call(missing, options));
  }

  async apply(missing: readonly unknown[], options?: ApplyOptions): Promise<EagerResult<unknown>> {
    return this.#host.apply(this.#call(missing, undefined), options);
  }

  toWire(): WireSignature {
    const { task, args, kwargs, immutable } = this;
    return { task, args, kwargs, options: writeOptions(this.#wireOptions()), subtask_type: null, immutable };
  }

  /** Which end of the scale is urgent is the broker's affair, and whoever reads the signature cannot ask ours. */
  #wireOptions(): CallOptions {
    if (typeof this.options.priority !== 'string') return this.options;
    const priority = this.#host.environment().priorityOf?.(this.#call([], undefined));
    return priority === undefined ? this.options : { ...this.options, priority };
  }

  toJSON(): WireSignature {
    return this.toWire();
  }

  #call(missing: readonly unknown[], given: CallOptions | undefined): Call {
    const args = this.immutable ? this.args : [...missing, ...this.args];
    const definition = this.#host.environment().registry.find(this.task);
    const call = { task: this.task, args, kwargs: this.kwargs, options: mergeOptions(this.options, given) };
    return definition === undefined ? call : { ...call, definition };
  }

  #copy(changed: Partial<SignatureFields>): PlainSignature {
    const { task, args, kwargs, options, immutable } = this;
    return new PlainSignature({ task, args, kwargs, options, immutable, ...changed }, this.#host);
  }
}

/** A link that is there already is not added twice. */
function added(links: CallOptions['link'], next: SignatureLike): readonly SignatureLike[] {
  const list = linkList(links);
  const wire = next.toWire();
  return list.some((known) => isDeepStrictEqual(known.toWire(), wire)) ? list : [...list, next];
}

/** A signature, with the types that its maker vouches for. */
export function createSignature<Kind>(fields: SignatureFields, host: SignatureHost): Kind {
  return new PlainSignature(fields, host) as Kind;
}

/** A signature that came over the wire or out of a store, as one that can be sent. */
export function signatureFromWire(wire: WireSignature, host: SignatureHost): Signature<readonly unknown[], unknown> {
  if (wire.subtask_type !== null && wire.subtask_type !== undefined) {
    throw new ConfigurationError(`The signature of ${wire.task} is a ${wire.subtask_type}; only a plain task can be read here.`);
  }
  const { task, args, kwargs, immutable } = wire;
  return new PlainSignature({ task, args, kwargs, options: readOptions(wire.options), immutable }, host);
}
