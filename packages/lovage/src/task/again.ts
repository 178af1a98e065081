// An execution as a signature that makes it once more: what `retry` sends, for those who want to change it or send it themselves.
import type { CurrentRequest } from './context.ts';
import type { Signature } from './flow.ts';
import { checkCallOptions } from './option-names.ts';
import type { CallOptions } from './options.ts';
import { kept, origin, present } from './retry.ts';
import { createSignature, type SignatureHost } from './signature.ts';

/** What a signature of a request may change: its arguments, and any option of its call. */
export interface AgainOptions extends CallOptions {
  /** @default those of the request */
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** The call of a request as a signature: same id, place, links, limits, headers and number of retries, unless `given` says otherwise. */
export function signatureFromRequest(
  request: CurrentRequest,
  given: AgainOptions,
  host: SignatureHost,
): Signature<readonly unknown[], unknown> {
  const { args = request.args, kwargs = request.kwargs, ...options } = given;
  checkCallOptions(request.task, options);
  const moved = options.queue !== undefined || options.exchange !== undefined || options.routingKey !== undefined;
  const { addToParent: _, ...same } = { ...kept(request), ...(moved ? {} : origin(request)) };
  const all = { ...present(same), retries: request.retries, ...options };
  return createSignature({ task: request.task, args, kwargs, options: all, immutable: false }, host);
}
