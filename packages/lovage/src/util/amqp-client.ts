// One connection to RabbitMQ: opened from a URL (failover lists, TLS, vhosts), watched while it lives, closed cleanly.
// It keeps no process alive unless somebody holds it busy. Called by broker/amqp and result/rpc; nothing reconnects here.
import { connect as connectTcp, type Socket } from 'node:net';
import { amqpLibrary } from './amqp-library.ts';
import type { AmqpPulse } from './amqp-pulse.ts';
import { amqpTls } from './amqp-tls.ts';
import type { AmqpChannel, AmqpConfirmChannel, AmqpInnerConnection, AmqpLibrary, AmqpModel } from './amqp-types.ts';
import { type AmqpEndpoint, parseAmqpUrl } from './amqp-url.ts';
import { deadline, orAborted } from './deadline.ts';
import { BrokerConnectionError, BrokerError, ConfigurationError, LovageError } from './errors.ts';
import { SocketSigns, serverLines } from './server-lines.ts';
import { tlsHinted } from './tls-hint.ts';

export type { AmqpChannel, AmqpConfirmChannel, AmqpDelivery, AmqpProperties } from './amqp-types.ts';

/** Seconds between TCP keep-alive probes start on a silent line. */
const KEEP_ALIVE_DELAY = 10;
/** Seconds that a clean close may take before the line is cut. */
const CLOSE_TIMEOUT = 3;
/** Part of a suspicious silence after which the server is asked: only its answer, or its absence, makes it one. */
const ASKED_AFTER = 0.75;
/** What the library says of a line on which no heartbeats come. */
const HEARTBEAT_MISSED = /heartbeat timeout/i;
/** What the library says when it has opened as many channels as RabbitMQ, or the URL, allows. */
const NO_CHANNEL = /no channels left/i;
/** RabbitMQ's replies to a wrong password and to a vhost that is missing or closed to this user. */
const REFUSALS = /ACCESS_REFUSED|ACCESS-REFUSED|NOT_ALLOWED|NOT-ALLOWED|\(403\)|\b403\b|\b530\b/;
/** And to one connection more than an operator allows: after a restart the lines that are dead still count for a while. */
const AT_LIMIT = /limit \(\d+\) is reached/i;

export interface AmqpOptions {
  readonly url: string;
  /** Seconds, for each server of a failover list. */
  readonly connectTimeout: number;
  /** Seconds; 0 switches heartbeats off. The URL's `heartbeat=` goes before it. */
  readonly heartbeat: number;
  readonly tls?: boolean | Readonly<Record<string, unknown>> | undefined;
  /** Shown by RabbitMQ as the connection's name. */
  readonly name: string;
  /**
   * Seconds of silence that are suspicious: the server is asked for a sign of life before, and the line given up when it stays silent as
   * long again. Earlier if a new connection is answered meanwhile.
   */
  readonly probe?: number | undefined;
  /** Heartbeats while the event loop is blocked. Where that cannot be, the line has heartbeats of `blockedHeartbeat` seconds instead. */
  readonly pulse?: { readonly of: AmqpPulse; readonly blockedHeartbeat: number } | undefined;
}

/** An open connection. */
export interface AmqpConnection extends AsyncDisposable {
  /** Password masked. */
  readonly url: string;
  /** Version of the server, as numbers: `[3, 10]`. */
  readonly version: readonly [major: number, minor: number];
  /** Resolves (never rejects) when the line is gone: with the reason, or with undefined after a close of our own. */
  readonly closed: Promise<BrokerConnectionError | undefined>;
  readonly isOpen: boolean;
  /** Why RabbitMQ takes no publishes (memory or disk alarm), while it does not. */
  readonly blocked: string | undefined;
  /** Resolves when the connection is not blocked (any more), or closed. */
  unblocked(): Promise<void>;
  /** Resolves when RabbitMQ blocks the connection from now on, or when the signal comes. */
  untilBlocked(signal: AbortSignal): Promise<void>;
  /** When bytes last came (performance.now()). */
  readonly lastHeard: number;
  channel(): Promise<AmqpChannel>;
  confirmChannel(): Promise<AmqpConfirmChannel>;
  /** Keeps the process alive until the returned function is called. */
  busy(): () => void;
}

function seconds(value: string | undefined, otherwise: number): number {
  const number = Number(value);
  return value !== undefined && Number.isFinite(number) && number >= 0 ? number : otherwise;
}

function login(library: AmqpLibrary, endpoint: AmqpEndpoint): { readonly mechanism: string; response(): Buffer } {
  const method = (endpoint.query.login_method ?? 'PLAIN').toUpperCase();
  if (method === 'EXTERNAL') return library.credentials.external();
  if (method === 'AMQPLAIN') return library.credentials.amqplain(endpoint.user, endpoint.password);
  if (method === 'PLAIN') return library.credentials.plain(endpoint.user, endpoint.password);
  throw new ConfigurationError(`The login_method "${method}" of ${endpoint.label} is unknown. Use PLAIN, AMQPLAIN or EXTERNAL.`);
}

async function openSocket(endpoint: AmqpEndpoint, options: AmqpOptions): Promise<Socket> {
  const target = { host: endpoint.host, port: endpoint.port };
  const secure = amqpTls(endpoint, options.tls);
  const socket = secure === undefined ? connectTcp(target) : (await import('node:tls')).connect({ ...target, ...secure });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once(secure === undefined ? 'connect' : 'secureConnect', resolve);
  socket.once('error', reject);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY * 1000);
  using limit = deadline(options.connectTimeout, () => new Error(`no answer within ${options.connectTimeout} s`), undefined, {
    ref: true,
  });
  try {
    await orAborted(promise, limit.signal);
    return socket;
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  } finally {
    socket.off('error', reject);
  }
}

/** The frames of the opening handshake, as amqplib wants them. */
function openingFields(library: AmqpLibrary, endpoint: AmqpEndpoint, options: AmqpOptions): Record<string, unknown> {
  const credentials = login(library, endpoint);
  return {
    clientProperties: {
      product: 'lovage',
      platform: `Node.js ${process.version}`,
      connection_name: options.name,
      capabilities: {
        publisher_confirms: true,
        exchange_exchange_bindings: true,
        'basic.nack': true,
        consumer_cancel_notify: true,
        'connection.blocked': true,
        authentication_failure_close: true,
      },
    },
    mechanism: credentials.mechanism,
    response: credentials.response(),
    locale: 'en_US',
    channelMax: seconds(endpoint.query.channel_max, 0),
    frameMax: seconds(endpoint.query.frame_max, 131_072),
    heartbeat: seconds(endpoint.query.heartbeat, options.heartbeat),
    virtualHost: endpoint.vhost,
    capabilities: '',
    insist: 0,
  };
}

/** amqplib takes the smaller of its heartbeat and the server's; RabbitMQ keeps to whatever the client answers, longer ones too. */
function insistOnHeartbeat(connection: AmqpInnerConnection, tuneOk: number, heartbeat: unknown): void {
  const send = connection.sendMethod.bind(connection);
  connection.sendMethod = (channel, method, fields) => {
    if (method === tuneOk) fields.heartbeat = heartbeat;
    return send(channel, method, fields);
  };
}

/** amqplib tells that the server closed during the handshake, but not why (a vhost that is missing, too many connections). */
function explainClose(connection: AmqpInnerConnection, connectionClose: number): (error: Error) => Error {
  const step = connection.step.bind(connection);
  let said: string | undefined;
  connection.step = (next) =>
    step((error, frame) => {
      if (frame?.id === connectionClose) said = frame.fields?.replyText;
      next(error, frame);
    });
  return (error) => (said === undefined ? error : new Error(said, { cause: error }));
}

/** All frames of one turn leave in one write to the socket. */
function joinWrites(connection: AmqpInnerConnection, socket: Socket): void {
  const write = connection.muxer._readIncoming.bind(connection.muxer);
  connection.muxer._readIncoming = () => {
    socket.cork();
    write();
    socket.uncork();
  };
}

async function shakeHands(
  endpoint: AmqpEndpoint,
  socket: Socket,
  options: AmqpOptions,
): Promise<{ inner: AmqpInnerConnection; model: AmqpModel }> {
  const library = amqpLibrary();
  const inner = new library.Connection(socket);
  const fields = openingFields(library, endpoint, options);
  insistOnHeartbeat(inner, library.tuneOk, fields.heartbeat);
  joinWrites(inner, socket);
  const explained = explainClose(inner, library.connectionClose);
  const model = new library.ChannelModel(inner);
  using limit = deadline(options.connectTimeout, () => new Error(`no greeting within ${options.connectTimeout} s`), undefined, {
    ref: true,
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  inner.open(fields, (error) => (error === null ? resolve() : reject(explained(error))));
  try {
    await orAborted(promise, limit.signal);
    return { inner, model };
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  }
}

/** The public face of one open connection, over amqplib's. */
class OpenConnection implements AmqpConnection {
  readonly url: string;
  readonly version: readonly [number, number];
  readonly closed: Promise<BrokerConnectionError | undefined>;
  isOpen = true;
  blocked: string | undefined;
  lastHeard: number = performance.now();
  readonly #model: AmqpModel;
  readonly #inner: AmqpInnerConnection;
  readonly #socket: Socket;
  readonly #channels = new Set<AmqpChannel>();
  #reason: Error | undefined;
  #holders = 0;
  #ending: Promise<void> | undefined;

  constructor(endpoint: AmqpEndpoint, socket: Socket, inner: AmqpInnerConnection, model: AmqpModel) {
    this.url = endpoint.label;
    this.#socket = socket;
    this.#inner = inner;
    this.#model = model;
    const [major = 0, minor = 0] = String(inner.serverProperties?.version ?? '')
      .split('.')
      .map(Number);
    this.version = [major, minor];
    this.closed = this.#watch();
    this.#letGo();
  }

  /** Neither the socket nor amqplib's heartbeat timers keep a process alive that has nothing else to do. */
  #letGo(): void {
    this.#socket.unref();
    this.#inner.heartbeater?.sendTimer.unref();
    this.#inner.heartbeater?.recvTimer.unref();
  }

  #watch(): Promise<BrokerConnectionError | undefined> {
    const { promise, resolve } = Promise.withResolvers<BrokerConnectionError | undefined>();
    this.#socket.on('readable', () => {
      this.lastHeard = performance.now();
    });
    this.#model.on('error', (error: Error) => {
      this.#reason ??= error;
    });
    this.#model.on('blocked', (reason: string) => {
      this.blocked = reason;
    });
    this.#model.on('unblocked', () => {
      this.blocked = undefined;
    });
    this.#model.on('close', (error: Error | undefined) => {
      this.isOpen = false;
      this.blocked = undefined;
      const reason = this.#reason ?? error;
      resolve(this.#ending !== undefined && reason === undefined ? undefined : lost(this.url, reason));
    });
    return promise;
  }

  untilBlocked(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#model.off('blocked', done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#model.once('blocked', done);
      signal.addEventListener('abort', done);
    });
  }

  async unblocked(): Promise<void> {
    if (this.blocked === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#model.once('unblocked', resolve);
    await Promise.race([promise, this.closed]);
    this.#model.off('unblocked', resolve);
  }

  channel(): Promise<AmqpChannel> {
    return this.#open(() => this.#model.createChannel());
  }

  confirmChannel(): Promise<AmqpConfirmChannel> {
    return this.#open(() => this.#model.createConfirmChannel());
  }

  async #open<Kind extends AmqpChannel>(create: () => Promise<Kind>): Promise<Kind> {
    if (!this.isOpen) throw lost(this.url, this.#reason);
    const release = this.busy();
    try {
      const channel = await create();
      // A channel that the server closes reports it here and to whoever waits on it; nobody listening would end the process.
      channel.on('error', () => undefined);
      settleClose(channel);
      this.#channels.add(channel);
      channel.once('close', () => this.#channels.delete(channel));
      return channel;
    } catch (error) {
      if (error instanceof Error && NO_CHANNEL.test(error.message))
        throw new BrokerError(`The connection to RabbitMQ at ${this.url} has no channel left: allow more (channel_max).`, {
          cause: error,
        });
      throw lost(this.url, error);
    } finally {
      release();
    }
  }

  busy(): () => void {
    if (this.#holders++ === 0) this.#socket.ref();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.#holders === 0) this.#socket.unref();
    };
  }

  /** Cuts the line: whoever waits on it learns `reason`. */
  abandon(reason: Error): void {
    this.#reason ??= reason;
    this.#socket.destroy(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#ending ??= this.#close();
    return this.#ending;
  }

  async #close(): Promise<void> {
    if (!this.isOpen) return;
    const release = this.busy();
    using limit = deadline(CLOSE_TIMEOUT, () => new Error('The close was not answered in time.'), undefined, { ref: true });
    try {
      // Channels first: what they have still to write (acks) would be overtaken by the close of the connection.
      if (this.blocked === undefined)
        await orAborted(Promise.allSettled([...this.#channels].map((channel) => channel.close())), limit.signal);
      await orAborted(this.#model.close(), limit.signal);
    } catch {
      // Dead or blocked lines do not answer; the socket is cut below in any case.
    }
    release();
    this.#socket.destroy();
  }
}

/** amqplib leaves a close for ever without an answer when the line breaks before RabbitMQ's: whoever declared something would wait for ever. */
function settleClose(channel: AmqpChannel): void {
  const close = channel.close.bind(channel);
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  channel.once('close', () => resolve());
  channel.close = () => Promise.race([close(), gone]);
}

/** Looks at a silence in the time in which it becomes suspicious. */
const LOOKS = 4;

/** Watches a line. TCP alone takes minutes to notice a cut one, and the heartbeats of a consumer may be far apart. */
function watchSilence(connection: OpenConnection, socket: Socket, every: number, { endpoint, options }: Place): void {
  const address = `amqp:${endpoint.host}:${endpoint.port}`;
  const signs = new SocketSigns(socket);
  const tick = (every * 1000) / LOOKS;
  let channel: Promise<AmqpChannel> | undefined;
  let isAsked = false;
  let last = performance.now();
  const ask = (): void => {
    isAsked = true;
    channel ??= connection.channel();
    channel
      .then((open) => open.prefetch(0))
      .catch(() => {
        // One that the server has closed asks nothing any more.
        channel = undefined;
      });
  };
  const cut = (reason: Error): void => connection.abandon(reason);
  const knock = async (): Promise<void> => {
    const { pulse: _, probe: __, ...plain } = options;
    await (await openOne(endpoint, plain))[Symbol.asyncDispose]();
  };
  const timer = setInterval(() => {
    const now = performance.now();
    // A late timer means that this process was stopped or blocked: what came meanwhile has to be read first.
    const isLate = now - last > tick + every * 500;
    last = now;
    if (signs.look()) isAsked = false;
    const silence = (now - connection.lastHeard) / 1000;
    // A blocked server takes nothing from this line, not even a question.
    if (isLate || silence < every * ASKED_AFTER || connection.blocked !== undefined) return;
    if (!isAsked) ask();
    else if (silence >= 2 * every) {
      leave();
      cut(new Error(`nothing was heard for ${Math.round(silence)} s`));
      void serverLines.gaveUp(address, knock);
    } else if (silence >= every) void serverLines.suspect(address, knock);
  }, tick);
  timer.unref();
  const leave = serverLines.join(address, {
    get received() {
      return signs.received;
    },
    get isExcused() {
      return signs.isBringing || connection.blocked !== undefined;
    },
    ask,
    cut,
  });
  void connection.closed.then((reason) => {
    clearInterval(timer);
    leave();
    // The library has counted missing heartbeats meanwhile, in larger steps.
    if (reason !== undefined && HEARTBEAT_MISSED.test(reason.message)) void serverLines.gaveUp(address, knock);
  });
}

interface Place {
  readonly endpoint: AmqpEndpoint;
  readonly options: AmqpOptions;
}

function lost(url: string, cause: unknown): BrokerConnectionError {
  if (cause instanceof BrokerConnectionError) return cause;
  const why = cause instanceof Error ? cause.message : 'the line was closed';
  return new BrokerConnectionError(`Lost the connection to RabbitMQ at ${url}: ${why}`, { cause });
}

function refused(endpoint: AmqpEndpoint, isSecure: boolean, thrown: unknown): LovageError {
  if (thrown instanceof ConfigurationError) return thrown;
  const error = thrown instanceof Error ? tlsHinted(thrown, { isSecure, plain: 'amqp://', secure: 'amqps://' }) : thrown;
  const why = error instanceof Error ? error.message || error.name : String(error);
  if (REFUSALS.test(why) && !AT_LIMIT.test(why)) {
    const message = `RabbitMQ at ${endpoint.label} refuses this login: ${why.replace(/\.+$/, '')}. Check user, password and the vhost "${endpoint.vhost}".`;
    return new BrokerConnectionError(message, { cause: error, transient: false });
  }
  return new BrokerConnectionError(`Cannot connect to RabbitMQ at ${endpoint.label}: ${why}`, { cause: error });
}

async function openOne(endpoint: AmqpEndpoint, options: AmqpOptions): Promise<AmqpConnection> {
  const limited = { ...options, connectTimeout: seconds(endpoint.query.connect_timeout, options.connectTimeout) };
  try {
    const socket = await openSocket(endpoint, limited);
    const line = options.pulse?.of.watch(socket);
    const heartbeat = line === undefined && options.pulse !== undefined ? options.pulse.blockedHeartbeat : options.heartbeat;
    const { inner, model } = await shakeHands(endpoint, socket, { ...limited, heartbeat });
    const agreed = seconds(endpoint.query.heartbeat, heartbeat);
    if (agreed > 0) line?.start(agreed);
    const connection = new OpenConnection(endpoint, socket, inner, model);
    if (options.probe !== undefined && options.probe > 0)
      watchSilence(connection, socket, options.probe, { endpoint, options: limited });
    return connection;
  } catch (error) {
    throw refused(endpoint, endpoint.tls || (options.tls ?? false) !== false, error);
  }
}

/** What is told when no server of a failover list can be used: each has its own reason, and one that may come back is worth another try. */
function noneOf(errors: readonly unknown[]): unknown {
  const [first] = errors;
  const wrong = errors.find((error) => error instanceof ConfigurationError);
  if (errors.length === 1 || wrong !== undefined) return wrong ?? first;
  const reasons = errors.map((error) => (error instanceof Error ? error.message : String(error)).replace(/\.?$/, '.'));
  return new BrokerConnectionError(`None of the ${errors.length} servers of the URL can be used. ${reasons.join(' ')}`, {
    cause: new AggregateError(errors),
    transient: errors.some((error) => error instanceof LovageError && error.transient),
  });
}

/**
 * Connects to the first server of the URL that answers. Throws BrokerConnectionError (not transient when each of them refuses the login),
 * ConfigurationError when the URL or a certificate cannot be used.
 */
export async function connectAmqp(options: AmqpOptions): Promise<AmqpConnection> {
  const endpoints = [...parseAmqpUrl(options.url)];
  if (endpoints[0]?.query.failover_strategy === 'shuffle') endpoints.sort(() => Math.random() - 0.5);
  // Said first: a server that is down would hide that the package is missing.
  amqpLibrary();
  if (endpoints.length === 0) throw new ConfigurationError('The URL of RabbitMQ is empty.');
  const errors: unknown[] = [];
  for (const endpoint of endpoints) {
    try {
      return await openOne(endpoint, options);
    } catch (error) {
      errors.push(error);
    }
  }
  throw noneOf(errors);
}
