// What Lovage uses of amqplib, in Lovage's own words: programs without amqplib still type-check against Lovage.
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

/** Basic properties under amqplib's names. */
export interface AmqpProperties {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
  readonly deliveryMode?: number | undefined;
  readonly priority?: number | undefined;
  readonly correlationId?: string | undefined;
  readonly replyTo?: string | undefined;
  readonly expiration?: string | undefined;
  readonly messageId?: string | undefined;
  readonly timestamp?: number | undefined;
  readonly type?: string | undefined;
  readonly userId?: string | undefined;
  readonly appId?: string | undefined;
}

export interface AmqpDelivery {
  readonly content: Buffer;
  readonly properties: AmqpProperties;
  readonly fields: {
    readonly deliveryTag: number;
    readonly redelivered: boolean;
    readonly exchange: string;
    readonly routingKey: string;
    /** How many still wait, when it was asked for by itself. */
    readonly messageCount?: number;
  };
}

export interface AmqpQueueOptions {
  readonly durable?: boolean;
  readonly exclusive?: boolean;
  readonly autoDelete?: boolean;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

type Tagged = { readonly fields: { readonly deliveryTag: number } };

/** A channel, with promises. */
export interface AmqpChannel extends EventEmitter {
  close(): Promise<void>;
  assertQueue(queue: string, options: AmqpQueueOptions): Promise<{ readonly messageCount: number }>;
  checkQueue(queue: string): Promise<{ readonly messageCount: number; readonly consumerCount: number }>;
  deleteQueue(
    queue: string,
    options?: { readonly ifUnused?: boolean; readonly ifEmpty?: boolean },
  ): Promise<{ readonly messageCount: number }>;
  purgeQueue(queue: string): Promise<{ readonly messageCount: number }>;
  bindQueue(queue: string, exchange: string, routingKey: string): Promise<unknown>;
  unbindQueue(queue: string, exchange: string, routingKey: string): Promise<unknown>;
  assertExchange(
    exchange: string,
    type: string,
    options: { readonly durable: boolean; readonly autoDelete: boolean },
  ): Promise<unknown>;
  checkExchange(exchange: string): Promise<unknown>;
  deleteExchange(exchange: string, options: { readonly ifUnused: boolean }): Promise<unknown>;
  bindExchange(destination: string, source: string, routingKey: string): Promise<unknown>;
  consume(
    queue: string,
    receive: (message: AmqpDelivery | null) => void,
    options: {
      readonly noAck: boolean;
      readonly exclusive?: boolean;
      readonly arguments?: Readonly<Record<string, unknown>> | undefined;
    },
  ): Promise<{ readonly consumerTag: string }>;
  cancel(consumerTag: string): Promise<unknown>;
  get(queue: string, options?: { readonly noAck: boolean }): Promise<AmqpDelivery | false>;
  ack(message: Tagged, allUpTo?: boolean): void;
  nack(message: Tagged, allUpTo: boolean, requeue: boolean): void;
  reject(message: Tagged, requeue: boolean): void;
  prefetch(count: number, global?: boolean): Promise<unknown>;
}

/** A channel with publisher confirms. */
export interface AmqpConfirmChannel extends AmqpChannel {
  publish(
    exchange: string,
    routingKey: string,
    body: Buffer,
    options: AmqpProperties & { readonly mandatory: boolean },
    confirmed: (error: Error | null) => void,
  ): boolean;
}

/** amqplib's connection model. */
export interface AmqpModel extends EventEmitter {
  close(): Promise<void>;
  createChannel(): Promise<AmqpChannel>;
  createConfirmChannel(): Promise<AmqpConfirmChannel>;
}

/** amqplib's inner connection (lib/connection.js), as far as it is touched. */
export interface AmqpInnerConnection extends EventEmitter {
  open(fields: Readonly<Record<string, unknown>>, done: (error: Error | null) => void): void;
  /** Reads the next frame of the opening handshake. */
  step(
    next: (
      error: Error | null,
      frame: { readonly id?: number; readonly fields?: { readonly replyText?: string } } | null,
    ) => void,
  ): void;
  sendMethod(channel: number, method: number, fields: Record<string, unknown>): boolean;
  readonly serverProperties?: Readonly<Record<string, unknown>>;
  readonly heartbeater?: { readonly sendTimer: NodeJS.Timeout; readonly recvTimer: NodeJS.Timeout } | null;
  readonly muxer: { _readIncoming: () => void };
}

/** The parts of amqplib that are loaded. */
export interface AmqpLibrary {
  readonly Connection: new (socket: Socket) => AmqpInnerConnection;
  readonly ChannelModel: new (connection: AmqpInnerConnection) => AmqpModel;
  readonly credentials: Readonly<
    Record<'plain' | 'amqplain', (user: string, password: string) => { readonly mechanism: string; response(): Buffer }>
  > & {
    external(): { readonly mechanism: string; response(): Buffer };
  };
  readonly tuneOk: number;
  readonly connectionClose: number;
}
