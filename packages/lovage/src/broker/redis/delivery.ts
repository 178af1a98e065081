// Messages of a Redis list as deliveries. One that is like those before it is compared with them instead of parsed (see JsonMolds).
import { JsonMolds, type Molded } from '../../util/index.ts';
import type { Delivery, HeaderLikeness, MessageProperties } from '../seam.ts';
import { type ReadEnvelope, readEnvelope } from './envelope.ts';
import type { HeldTag } from './settle.ts';

/** What each message of one kind has of its own. */
const PLACES = {
  body: ['body'],
  id: ['headers', 'id'],
  rootId: ['headers', 'root_id'],
  parentId: ['headers', 'parent_id'],
  argsRepr: ['headers', 'argsrepr'],
  kwargsRepr: ['headers', 'kwargsrepr'],
  correlationId: ['properties', 'correlation_id'],
  replyTo: ['properties', 'reply_to'],
  deliveryTag: ['properties', 'delivery_tag'],
} as const;

type Place = keyof typeof PLACES;

/** What all messages of one kind have in common. */
interface Kind {
  readonly first: ReadEnvelope;
  readonly isBase64: boolean;
  readonly at: Readonly<Record<Place, number>>;
}

/** Where a delivery comes from. */
export interface Origin {
  readonly queue: string;
  readonly generation: number;
  readonly field: string;
}

/** Reads what one holder takes. */
export class DeliveryReader {
  readonly #molds = new JsonMolds<Kind>(PLACES);

  read(raw: string, origin: Origin): Delivery {
    const molded = this.#molds.read(raw);
    if (molded !== undefined) return new AlikeDelivery(molded, raw, origin);
    const envelope = readEnvelope(raw, origin.queue);
    this.#molds.learn(raw, (index) => kindOf(envelope, index));
    return deliveryOf(envelope, raw, origin);
  }
}

/** Undefined where messages may be alike without meaning the same. */
function kindOf(first: ReadEnvelope, index: (name: string) => number): Kind | undefined {
  const at = Object.fromEntries(Object.keys(PLACES).map((name) => [name, index(name)])) as Record<Place, number>;
  if (at.body < 0 || at.id < 0 || at.rootId < 0 || first.bodyEncoding === undefined) return undefined;
  return { first, isBase64: first.bodyEncoding === 'base64', at };
}

function deliveryOf({ message, redelivered, started }: ReadEnvelope, raw: string, origin: Origin): Delivery {
  const tag: HeldTag = { field: origin.field, raw };
  return {
    exchange: message.exchange,
    routingKey: message.routingKey,
    headers: message.headers,
    properties: message.properties,
    body: message.body,
    queue: origin.queue,
    redelivered: redelivered || started > 0,
    attempts: started + 1,
    generation: origin.generation,
    tag,
  };
}

/** A message of a kind that is known: its headers are read only if somebody asks for them. */
class AlikeDelivery implements Delivery {
  readonly exchange: string;
  readonly routingKey: string;
  readonly properties: MessageProperties;
  readonly body: Uint8Array;
  readonly queue: string;
  readonly redelivered: boolean;
  readonly attempts: number;
  readonly generation: number;
  readonly tag: HeldTag;
  readonly likeness: HeaderLikeness;

  constructor({ shape, texts }: Molded<Kind>, raw: string, origin: Origin) {
    const { first, at, isBase64 } = shape;
    const { message } = first;
    this.exchange = message.exchange;
    this.routingKey = message.routingKey;
    this.properties = propertiesOf(message.properties, texts[at.correlationId], texts[at.replyTo]);
    this.body = Buffer.from(texts[at.body] ?? '', isBase64 ? 'base64' : 'utf8');
    this.queue = origin.queue;
    this.redelivered = first.redelivered || first.started > 0;
    this.attempts = first.started + 1;
    this.generation = origin.generation;
    this.tag = { field: origin.field, raw };
    this.likeness = {
      kind: shape,
      id: texts[at.id] ?? '',
      rootId: texts[at.rootId] ?? '',
      parentId: texts[at.parentId],
      argsRepr: texts[at.argsRepr],
      kwargsRepr: texts[at.kwargsRepr],
    };
  }

  get headers(): Readonly<Record<string, unknown>> {
    return readEnvelope(this.tag.raw, this.queue).message.headers;
  }
}

function propertiesOf(
  common: MessageProperties,
  correlationId: string | undefined,
  replyTo: string | undefined,
): MessageProperties {
  if (correlationId === undefined || replyTo === undefined) {
    const own = { ...(correlationId === undefined ? {} : { correlationId }), ...(replyTo === undefined ? {} : { replyTo }) };
    return { ...common, ...own };
  }
  return { ...common, correlationId, replyTo };
}
