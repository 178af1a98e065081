// Messages of a Redis list as deliveries. One that is like those before it is compared with them instead of parsed (see JsonMolds).
import { JsonMolds, type Molded, numberAt, textAt } from '../../util/index.ts';
import type { Delivery, HeaderLikeness, MessageProperties } from '../seam.ts';
import { type ReadEnvelope, readEnvelope } from './envelope.ts';
import type { HeldPlace } from './held.ts';
import type { Unpacked } from './packed.ts';
import type { HeldTag } from './settle.ts';

/** What each message of one kind has of its own. */
const PLACES = {
  body: ['body'],
  id: ['headers', 'id'],
  rootId: ['headers', 'root_id'],
  parentId: ['headers', 'parent_id'],
  groupId: ['headers', 'group'],
  argsRepr: ['headers', 'argsrepr'],
  kwargsRepr: ['headers', 'kwargsrepr'],
  correlationId: ['properties', 'correlation_id'],
  replyTo: ['properties', 'reply_to'],
  deliveryTag: ['properties', 'delivery_tag'],
} as const;

const NUMBERS = { groupIndex: ['headers', 'group_index'] } as const;

type Place = keyof typeof PLACES | keyof typeof NUMBERS;

/** What all messages of one kind have in common. */
interface Kind {
  readonly first: ReadEnvelope;
  readonly isBase64: boolean;
  readonly at: Readonly<Record<Place, number>>;
}

/** Reads what one holder takes. */
export class DeliveryReader {
  readonly #generation: number;
  readonly #molds = new JsonMolds<Kind>(PLACES, NUMBERS);

  constructor(generation: number) {
    this.#generation = generation;
  }

  read({ raw, isPlain }: Pick<Unpacked, 'raw' | 'isPlain'>, place: HeldPlace, queue: string): Delivery {
    const molded = this.#molds.read(raw, isPlain);
    if (molded !== undefined) return new AlikeDelivery(molded, raw, place, queue, this.#generation);
    const envelope = readEnvelope(raw, queue);
    this.#molds.learn(raw, (index) => kindOf(envelope, index));
    const { message, redelivered, started } = envelope;
    const tag: HeldTag = { ...place, raw };
    return {
      exchange: message.exchange,
      routingKey: message.routingKey,
      headers: message.headers,
      properties: message.properties,
      body: message.body,
      queue,
      redelivered,
      attempts: started + 1,
      generation: this.#generation,
      tag,
    };
  }
}

/** Undefined where messages may be alike without meaning the same. */
function kindOf(first: ReadEnvelope, index: (name: string) => number): Kind | undefined {
  const names = Object.keys({ ...PLACES, ...NUMBERS });
  const at = Object.fromEntries(names.map((name) => [name, index(name)])) as Record<Place, number>;
  if (at.body < 0 || at.id < 0 || at.rootId < 0 || first.bodyEncoding === undefined) return undefined;
  return { first, isBase64: first.bodyEncoding === 'base64', at };
}

/** A message of a kind that is known: its headers are read only if somebody asks for them. */
class AlikeDelivery implements Delivery, HeaderLikeness, HeldTag {
  readonly exchange: string;
  readonly routingKey: string;
  readonly properties: MessageProperties;
  readonly body: Uint8Array;
  readonly queue: string;
  readonly redelivered: boolean;
  readonly attempts: number;
  readonly generation: number;
  readonly turn: number;
  readonly place: number;
  readonly list: string;
  readonly raw: string;
  readonly kind: Kind;
  readonly id: string;
  readonly rootId: string;
  readonly parentId: string | undefined;
  readonly groupId: string | undefined;
  readonly groupIndex: number | undefined;
  readonly argsRepr: string | undefined;
  readonly kwargsRepr: string | undefined;

  constructor({ shape, texts }: Molded<Kind>, raw: string, { turn, place, list }: HeldPlace, queue: string, generation: number) {
    const { first, at, isBase64 } = shape;
    const { message } = first;
    this.exchange = message.exchange;
    this.routingKey = message.routingKey;
    this.body = Buffer.from(texts[at.body] ?? '', isBase64 ? 'base64' : 'utf8');
    this.queue = queue;
    this.redelivered = first.redelivered;
    this.attempts = first.started + 1;
    this.generation = generation;
    this.turn = turn;
    this.place = place;
    this.list = list;
    this.raw = raw;
    this.kind = shape;
    this.id = texts[at.id] ?? '';
    const same = (text: string | undefined): string | undefined => (text === this.id ? this.id : text);
    this.rootId = same(texts[at.rootId]) ?? '';
    this.parentId = textAt(texts, at.parentId);
    this.groupId = textAt(texts, at.groupId);
    this.groupIndex = numberAt(texts, at.groupIndex);
    this.argsRepr = textAt(texts, at.argsRepr);
    this.kwargsRepr = textAt(texts, at.kwargsRepr);
    this.properties = propertiesOf(message.properties, same(textAt(texts, at.correlationId)), textAt(texts, at.replyTo));
  }

  get headers(): Readonly<Record<string, unknown>> {
    return readEnvelope(this.raw, this.queue).message.headers;
  }

  get tag(): HeldTag {
    return this;
  }

  get likeness(): HeaderLikeness {
    return this;
  }
}

function propertiesOf(
  common: MessageProperties,
  correlationId: string | undefined,
  replyTo: string | undefined,
): MessageProperties {
  if (correlationId !== undefined && replyTo !== undefined) return { ...common, correlationId, replyTo };
  const own = { ...(correlationId === undefined ? {} : { correlationId }), ...(replyTo === undefined ? {} : { replyTo }) };
  return { ...common, ...own };
}
