// How a broken message gets into a queue past every check that a client makes: raw, on each broker's own way.
import { DatabaseSync } from 'node:sqlite';
import amqplib from 'amqplib';
import { Redis } from 'ioredis';
import type { Broker } from '../../../src/broker/index.ts';
import type { Random } from '../harness/random.ts';
import type { Wire } from './messages.ts';
import { brokenText } from './mutate.ts';

export interface Sender extends AsyncDisposable {
  /** Resolves when the broker has them all, to how many it took. */
  send(wires: readonly Wire[]): Promise<number>;
}

/** Messages whose envelope is broken as a whole, where there is one. */
const BROKEN_ENVELOPES = 0.3;

interface Place {
  readonly url: string;
  readonly queue: string;
  readonly random: Random;
}

export function memorySender(broker: Broker, { queue }: Place): Sender {
  return {
    send: async (wires) => {
      const messages = wires.map(({ headers, properties, contentType, contentEncoding, body }) => ({
        exchange: '',
        routingKey: queue,
        headers,
        properties: {
          ...(properties as object),
          contentType: contentType as string,
          contentEncoding: contentEncoding as string,
          correlationId: properties.correlation_id as string,
          replyTo: properties.reply_to as string,
          // What decides the place in the queue is the publisher's own, and no publisher gets past the driver with anything else.
          priority: typeof properties.priority === 'number' ? properties.priority : 0,
        },
        body,
      }));
      await broker.publish(messages, { signal: AbortSignal.timeout(10_000) });
      return wires.length;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function envelopeOf({ headers, properties, contentType, contentEncoding, body }: Wire, queue: string): string {
  const info = 'delivery_info' in properties ? {} : { delivery_info: { exchange: '', routing_key: queue } };
  return JSON.stringify({
    body: body.toString('base64'),
    'content-encoding': contentEncoding,
    'content-type': contentType,
    headers,
    properties: { body_encoding: 'base64', delivery_tag: `${Math.random()}`, ...info, ...properties },
  });
}

export async function redisSender({ url, queue, random }: Place): Promise<Sender> {
  const redis = new Redis(url);
  return {
    send: async (wires) => {
      const texts = wires.map((wire) => {
        const text = envelopeOf(wire, queue);
        return random.next() < BROKEN_ENVELOPES ? brokenText(text, random) : text;
      });
      await redis.lpush(queue, ...texts);
      return texts.length;
    },
    [Symbol.asyncDispose]: async () => redis.disconnect(),
  };
}

/** Writes rows beside the broker, as a broken program or a broken disk would. */
export function sqliteSender({ url, queue, random }: Place): Sender {
  const database = new DatabaseSync(url.replace('sqlite://', ''), { timeout: 5000 });
  const message = database.prepare('INSERT INTO lovage_messages (queue, rank, envelope, body) VALUES (?, 9, ?, ?)');
  const ready = database.prepare('INSERT INTO lovage_ready (queue, rank, id, attempts, redelivered) VALUES (?, 9, ?, 0, 0)');
  const found = database.prepare('SELECT id FROM lovage_queues WHERE name = ?');
  return {
    send: async (wires) => {
      const id = Number(found.get(queue)?.id);
      database.exec('BEGIN IMMEDIATE');
      for (const { headers, properties, contentType, contentEncoding, body } of wires) {
        const { correlation_id: correlationId, reply_to: replyTo, ...rest } = properties;
        const text = JSON.stringify(['', queue, headers, { ...rest, contentType, contentEncoding, correlationId, replyTo }]);
        const envelope = random.next() < BROKEN_ENVELOPES ? brokenText(text, random) : text;
        // A text column takes bytes, too, and no text at all.
        const { lastInsertRowid } = message.run(id, random.next() < 0.9 ? envelope.toString() : envelope, body);
        ready.run(id, lastInsertRowid);
      }
      database.exec('COMMIT');
      return wires.length;
    },
    [Symbol.asyncDispose]: async () => database.close(),
  };
}

/** Properties of a message that RabbitMQ itself checks or acts upon stay as they are. */
function amqpOptions({ headers, properties, contentType, contentEncoding }: Wire): amqplib.Options.Publish {
  const text = (value: unknown): string | undefined => (typeof value === 'string' && value.length < 200 ? value : undefined);
  return {
    headers,
    contentType: text(contentType),
    contentEncoding: text(contentEncoding),
    correlationId: text(properties.correlation_id),
    replyTo: text(properties.reply_to),
  } as amqplib.Options.Publish;
}

/** Values that only AMQP has, in places where nobody expects them. */
const AMQP_VALUES: readonly unknown[] = [
  Buffer.from([0, 255, 254]),
  { '!': 'timestamp', value: 1_700_000_000 },
  { '!': 'decimal', value: { digits: 12, places: 1 } },
  { '!': 'double', value: 3 },
  { '!': 'int64', value: 2 ** 40 },
  { '!': 'byte', value: 7 },
  { '!': 'void', value: null },
];

interface Line {
  readonly connection: amqplib.ChannelModel;
  readonly channel: amqplib.ConfirmChannel;
  readonly closed: Promise<'closed'>;
}

async function openLine(url: string): Promise<Line> {
  const connection = await amqplib.connect(url);
  const channel = await connection.createConfirmChannel();
  const { promise, resolve } = Promise.withResolvers<'closed'>();
  for (const part of [connection, channel]) part.on('error', () => undefined).on('close', () => resolve('closed'));
  return { connection, channel, closed: promise };
}

/** One message after another: RabbitMQ closes the connection on a header that it cannot read itself, and then it has no such message. */
export async function amqpSender({ url, queue, random }: Place): Promise<Sender> {
  let line = await openLine(url);

  async function sendOne(wire: Wire): Promise<number> {
    if (random.next() < 0.2)
      wire.headers[random.pick(['id', 'task', 'retries', 'eta', 'timelimit', 'x'])] = random.pick(AMQP_VALUES);
    try {
      line.channel.sendToQueue(queue, wire.body, amqpOptions(wire));
    } catch {
      // Nor can this client write everything.
      return 0;
    }
    const end = await Promise.race([line.channel.waitForConfirms(), line.closed]);
    if (end !== 'closed') return 1;
    line = await openLine(url);
    return 0;
  }

  return {
    send: async (wires) => {
      let sent = 0;
      for (const wire of wires) sent += await sendOne(wire);
      return sent;
    },
    [Symbol.asyncDispose]: () => line.connection.close(),
  };
}
