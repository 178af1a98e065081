// Messages of the file as deliveries. One that is like those before it is compared with them instead of parsed (see JsonMolds).
import { JsonMolds, type Molded, numberAt, textAt } from '../../util/index.ts';
import { isRepeat } from '../dead-letters.ts';
import type { Delivery, HeaderLikeness, Message, MessageProperties } from '../seam.ts';
import { readEnvelope } from './envelope.ts';

/** What each message of one kind has of its own, in the envelope's list. */
const PLACES = {
  id: ['2', 'id'],
  rootId: ['2', 'root_id'],
  parentId: ['2', 'parent_id'],
  groupId: ['2', 'group'],
  argsRepr: ['2', 'argsrepr'],
  kwargsRepr: ['2', 'kwargsrepr'],
  correlationId: ['3', 'correlationId'],
  replyTo: ['3', 'replyTo'],
} as const;

const NUMBERS = { groupIndex: ['2', 'group_index'] } as const;

type Place = keyof typeof PLACES | keyof typeof NUMBERS;

/** What all messages of one kind have in common. */
interface Kind {
  readonly first: Message;
  readonly isRepeat: boolean;
  readonly at: Readonly<Record<Place, number>>;
}

/** What the row of a message says beside its envelope and body. */
export type Standing = Pick<Delivery, 'queue' | 'redelivered' | 'attempts' | 'generation' | 'tag'>;

/** Reads what one holder takes. Never throws. */
export class DeliveryReader {
  readonly #molds = new JsonMolds<Kind>(PLACES, NUMBERS);

  read(envelope: unknown, body: unknown, standing: Standing): Delivery {
    const molded = typeof envelope === 'string' && body instanceof Uint8Array ? this.#molds.read(envelope) : undefined;
    if (molded !== undefined) return new AlikeDelivery(molded, envelope as string, body as Uint8Array, standing);
    const message = readEnvelope(envelope, body, standing.queue);
    if (typeof envelope === 'string') this.#molds.learn(envelope, (index) => kindOf(message, index));
    return { ...message, ...standing, redelivered: standing.redelivered || isRepeat(message.headers) };
  }
}

/** Undefined where messages may be alike without meaning the same. */
function kindOf(first: Message, index: (name: string) => number): Kind | undefined {
  const names = Object.keys({ ...PLACES, ...NUMBERS });
  const at = Object.fromEntries(names.map((name) => [name, index(name)])) as Record<Place, number>;
  return at.id < 0 || at.rootId < 0 ? undefined : { first, isRepeat: isRepeat(first.headers), at };
}

/** A message of a kind that is known: its headers are read only if somebody asks for them. */
class AlikeDelivery implements Delivery, HeaderLikeness {
  readonly exchange: string;
  readonly routingKey: string;
  readonly properties: MessageProperties;
  readonly body: Uint8Array;
  readonly queue: string;
  readonly redelivered: boolean;
  readonly attempts: number;
  readonly generation: number;
  readonly tag: unknown;
  readonly kind: Kind;
  readonly id: string;
  readonly rootId: string;
  readonly parentId: string | undefined;
  readonly groupId: string | undefined;
  readonly groupIndex: number | undefined;
  readonly argsRepr: string | undefined;
  readonly kwargsRepr: string | undefined;
  readonly #envelope: string;

  constructor({ shape, texts }: Molded<Kind>, envelope: string, body: Uint8Array, standing: Standing) {
    const { first, at } = shape;
    this.exchange = first.exchange;
    this.routingKey = first.routingKey;
    this.body = body;
    this.queue = standing.queue;
    this.redelivered = standing.redelivered || shape.isRepeat;
    this.attempts = standing.attempts;
    this.generation = standing.generation;
    this.tag = standing.tag;
    this.kind = shape;
    this.id = texts[at.id] ?? '';
    this.rootId = texts[at.rootId] ?? '';
    this.parentId = textAt(texts, at.parentId);
    this.groupId = textAt(texts, at.groupId);
    this.groupIndex = numberAt(texts, at.groupIndex);
    this.argsRepr = textAt(texts, at.argsRepr);
    this.kwargsRepr = textAt(texts, at.kwargsRepr);
    this.#envelope = envelope;
    const correlationId = textAt(texts, at.correlationId);
    const replyTo = textAt(texts, at.replyTo);
    this.properties = {
      ...first.properties,
      ...(correlationId === undefined ? {} : { correlationId }),
      ...(replyTo === undefined ? {} : { replyTo }),
    };
  }

  get headers(): Readonly<Record<string, unknown>> {
    return readEnvelope(this.#envelope, this.body, this.queue).headers;
  }

  get likeness(): HeaderLikeness {
    return this;
  }
}
