// A task message as TypeScript sees it: headers and properties parsed once (parseTask), body still in bytes.
import type { ChainText } from './chain-text.ts';
import type { WireSignature } from './signature.ts';

export interface DeliveryInfo {
  readonly exchange: string;
  readonly routingKey: string;
  readonly priority: number | undefined;
  readonly redelivered: boolean;
  /** The queue that it was taken from; unknown where nothing was taken (a task that runs in place). */
  readonly queue?: string | undefined;
}

/** The headers of a task message (protocol 2), or of the body of protocol 1. Times are the raw ISO texts beside parsed epoch seconds. */
export interface TaskHeaders {
  readonly id: string;
  readonly task: string;
  readonly lang: string | undefined;
  readonly shadow: string | undefined;
  readonly eta: string | undefined;
  readonly expires: string | undefined;
  readonly group: string | undefined;
  readonly groupIndex: number | undefined;
  readonly retries: number;
  /** Seconds. */
  readonly timeLimit: number | undefined;
  readonly softTimeLimit: number | undefined;
  readonly rootId: string;
  readonly parentId: string | undefined;
  readonly argsRepr: string;
  readonly kwargsRepr: string;
  readonly origin: string | undefined;
  /** undefined: the task's own setting decides. */
  readonly ignoreResult: boolean | undefined;
  readonly replacedTaskNesting: number;
  readonly stampedHeaders: readonly string[] | undefined;
  readonly stamps: Readonly<Record<string, unknown>>;
  /** User headers: every header that is not one of the above. */
  readonly headers: Readonly<Record<string, unknown>>;
}

/** What a worker knows of one execution before its body is read. Plain data: it travels to pool slots. */
export interface TaskRequest extends TaskHeaders {
  /** Further properties of its message (message_id, app_id …), as the sender named them. */
  readonly properties?: Readonly<Record<string, unknown>> | undefined;
  readonly correlationId: string | undefined;
  readonly replyTo: string | undefined;
  readonly deliveryInfo: DeliveryInfo;
  /** Delivery count, this one included. */
  readonly attempts: number;
  /** Epoch seconds. */
  readonly etaAt: number | undefined;
  readonly expiresAt: number | undefined;
  /** Node name of the worker. */
  readonly hostname: string;
  readonly contentType: string;
  readonly contentEncoding: string;
  /** MIME name from the header `compression`. */
  readonly compression: string | undefined;
  /** 1 when the whole task was in the body; then the body has been decoded already. */
  readonly protocol: 1 | 2;
}

/** The third part of a body. */
export interface Embed {
  readonly callbacks: readonly WireSignature[] | null;
  readonly errbacks: readonly WireSignature[] | null;
  /** In reverse: the LAST element is the next task. */
  readonly chain: readonly WireSignature[] | null;
  readonly chord: WireSignature | null;
  /** The next task of a chain whose rest is text: looking at `chain` reads all of it. */
  readonly next?: WireSignature;
  readonly behind?: ChainText;
}

/** A decoded body. */
export interface TaskBody {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly embed: Embed;
}

/** Everything that a producer knows of a call when it writes the message. */
export interface TaskMessageFields extends Omit<TaskHeaders, 'ignoreResult'> {
  readonly ignoreResult: boolean | undefined;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly embed: Embed;
}
