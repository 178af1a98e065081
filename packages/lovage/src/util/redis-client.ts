// One line to a Redis that mends itself: a fresh ioredis client for each life of the connection, calls that never wait in a hidden
// queue, and an idle line that lets the process end. Shared by broker/redis and result/redis.
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { backoff } from './backoff.ts';
import { after, orAborted, type Timer } from './deadline.ts';
import { BrokerConnectionError, ConfigurationError, type LovageError } from './errors.ts';
import { logger } from './logger.ts';
import { commandText, type Frames, frames, type RedisArg, sendPlain } from './redis-command.ts';
import { addressOf, cutClient, openClient, REFUSED, type RedisOpenOptions, SilentServerError } from './redis-open.ts';
import { createPush, type RedisPush } from './redis-push.ts';
import type { RedisTarget } from './redis-url.ts';
import { SocketSigns, serverLines } from './server-lines.ts';

export type { Frames, RedisArg } from './redis-command.ts';

/** A Lua text and its SHA1, so that a call sends the digest only. */
export interface RedisScript {
  readonly lua: string;
  readonly sha: string;
  /** The digest as it is sent. */
  readonly frames: Frames;
}

/** Prepares a Lua text for `RedisLine.script`. Its digest is made when it is asked for: most programs run few of them. */
export function redisScript(lua: string): RedisScript {
  let sha: string | undefined;
  let digest: Frames | undefined;
  return {
    lua,
    get sha() {
      sha ??= createHash('sha1').update(lua).digest('hex');
      return sha;
    },
    get frames() {
      digest ??= frames([this.sha]);
      return digest;
    },
  };
}

export interface RedisLineOptions extends RedisOpenOptions {
  /**
   * Seconds without a byte while calls wait, after which the line is given up (reported through `wrap`). Earlier if a new connection is
   * answered meanwhile. @default none
   */
  readonly replyTimeout?: number;
  /** Seconds without a byte after which an idle line is asked for a sign of life; needs `replyTimeout`. @default never */
  readonly healthCheck?: number | undefined;
  /** TCP keep-alive. @default true */
  readonly keepAlive?: boolean | undefined;
  /** Which error a lost line is. @default BrokerConnectionError */
  readonly wrap?: (message: string, cause: unknown) => LovageError;
}

/** Thrown as the cause of a failed call: was anything sent before the line broke? */
export class RedisLineError extends Error {
  readonly sent: boolean;
  constructor(message: string, sent: boolean, cause: unknown) {
    super(message, { cause });
    this.name = 'RedisLineError';
    this.sent = sent;
  }
}

/** A line to one Redis. The first call connects; later it reconnects by itself until disposed. */
export interface RedisLine extends AsyncDisposable {
  readonly target: RedisTarget;
  readonly isConnected: boolean;
  /** Why it is not, as far as that is known. */
  readonly trouble: Error | undefined;
  /** When the server last answered (performance.now()). */
  readonly lastHeard: number;
  /** Resolves to the connected client; rejects with the signal's reason, or at once when the server refuses the login. */
  ready(signal?: AbortSignal): Promise<Redis>;
  /** One command. Rejects with the server's ReplyError, or with a wrapped RedisLineError when the line is lost. */
  call(command: string, args: readonly RedisArg[], signal?: AbortSignal): Promise<unknown>;
  /** LPUSH of `count` texts; `textOf` is asked for one after the other, once, and must not throw. */
  push(list: string, count: number, textOf: (index: number) => string, signal?: AbortSignal): Promise<unknown>;
  /** The same, with replies as Buffers. */
  callBuffer(command: string, args: readonly RedisArg[], signal?: AbortSignal): Promise<unknown>;
  /** EVAL at the first call, then EVALSHA, or EVAL again where the server does not know the script. */
  script(script: RedisScript, keys: readonly RedisArg[], args: readonly RedisArg[], signal?: AbortSignal): Promise<unknown>;
  /** The same for scripts that run all the time: keys (behind their number) and arguments are written already, replies are Buffers. */
  evaluate(script: RedisScript, keys: Frames, args: Frames): Promise<unknown>;
  /** What `send` sends leaves in one write: each costs as much as the work on either side. */
  together<T>(send: () => T): T;
  /** Called at each connection that is ready, and with the error at each loss. Returns how to stop. */
  observe(observer: { readonly up?: (client: Redis) => void; readonly down?: (error: Error) => void }): () => void;
}

/** Is this an answer of the server (as against a lost line)? */
export function isReplyError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Seconds between looks at the silence of a line. */
const LOOK = 1;
/** A look that is later by as much means that this process was stopped or blocked: what came meanwhile has to be read first. */
const LATE = 1;
/** Seconds of silence while calls wait that are suspicious, where so many more are borne that looking into it is worth while. */
const SUSPICIOUS = 5;
const WORTH_A_LOOK = 8;

/** A line to `target`. Opens nothing yet. */
export function openRedis(options: RedisLineOptions): RedisLine {
  return new Line(options);
}

const isUnknownScript = (error: unknown): boolean => isReplyError(error) && error.message.startsWith('NOSCRIPT');

/** Scripts whose text this process sent already. */
const sent = new WeakSet<RedisScript>();

/**
 * The first call sends the text, which a server keeps: a short program that makes one needs no digest, and the first digest of a process
 * takes four milliseconds. Later ones send it only when the server does not know it.
 */
async function evaluate(
  call: (command: string, all: RedisArg[]) => Promise<unknown>,
  script: RedisScript,
  keys: readonly RedisArg[],
  args: readonly RedisArg[],
): Promise<unknown> {
  const rest = [keys.length, ...keys, ...args];
  if (!sent.has(script)) {
    sent.add(script);
    return call('EVAL', [script.lua, ...rest]);
  }
  try {
    return await call('EVALSHA', [script.sha, ...rest]);
  } catch (error) {
    if (!isUnknownScript(error)) throw error;
    return await call('EVAL', [script.lua, ...rest]);
  }
}

const EVALSHA = frames(['EVALSHA']);
const EVAL = frames(['EVAL']);

/** What a server that speaks no TLS makes of a handshake: it waits for the rest of a command. */
const NO_TLS_HINT = 'if the port speaks no TLS, the address begins with redis://';

type Observer = Parameters<RedisLine['observe']>[0];

class Line implements RedisLine {
  readonly target: RedisTarget;
  lastHeard: number = performance.now();
  readonly #options: RedisLineOptions;
  readonly #observers = new Set<Observer>();
  /** Ref'ed while somebody waits for an answer: the sockets themselves never keep the process alive. */
  readonly #keepAlive: NodeJS.Timeout = setInterval(() => this.#watch(), LOOK * 1000).unref();
  #looked: number = performance.now();
  #signs: SocketSigns | undefined;
  /** Takes this connection out of those of its server. */
  #leave: (() => void) | undefined;
  /** Attempts in a row on which a server that was there said nothing. */
  #unanswered = 0;
  readonly #closing = new AbortController();
  #connecting: Promise<Redis> | undefined;
  #client: Redis | undefined;
  #attempts = 0;
  #retry: Timer | undefined;
  #failure: Error | undefined;
  readonly #pusher: RedisPush = createPush();
  #pending = 0;
  /** An idle line was asked for a sign of life. */
  #probing = false;
  #disposed = false;
  #wakers: { readonly resolve: (client: Redis) => void; readonly reject: (error: Error) => void }[] = [];

  constructor(options: RedisLineOptions) {
    this.#options = options;
    this.target = options.target;
  }

  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  get trouble(): Error | undefined {
    return this.#client === undefined ? this.#failure : undefined;
  }

  async ready(signal?: AbortSignal): Promise<Redis> {
    if (this.#client !== undefined) return this.#client;
    if (this.#disposed) throw this.#lost('The line is closed', undefined, false);
    const { promise, resolve, reject } = Promise.withResolvers<Redis>();
    const waker = { resolve, reject };
    this.#wakers.push(waker);
    this.#connect();
    this.#hold(1);
    try {
      return await orAborted(promise, signal);
    } catch (error) {
      // Whoever gave up learns what stood in the way.
      if (error instanceof Error && error === signal?.reason)
        error.cause ??= this.#failure ?? (this.target.tls === undefined ? undefined : new Error(NO_TLS_HINT));
      throw error;
    } finally {
      this.#hold(-1);
      this.#wakers = this.#wakers.filter((each) => each !== waker);
    }
  }

  call(command: string, args: readonly RedisArg[], signal?: AbortSignal): Promise<unknown> {
    return this.#run((client) => client.call(command, args as RedisArg[]), signal);
  }

  callBuffer(command: string, args: readonly RedisArg[], signal?: AbortSignal): Promise<unknown> {
    return this.#run((client) => client.callBuffer(command, args as RedisArg[]), signal);
  }

  push(list: string, count: number, textOf: (index: number) => string, signal?: AbortSignal): Promise<unknown> {
    return this.#run((client) => this.#pusher(client, list, count, textOf), signal);
  }

  script(script: RedisScript, keys: readonly RedisArg[], args: readonly RedisArg[], signal?: AbortSignal): Promise<unknown> {
    return this.#run((client) => evaluate((command, all) => client.call(command, all), script, keys, args), signal);
  }

  evaluate(script: RedisScript, keys: Frames, args: Frames): Promise<unknown> {
    const client = this.#client;
    if (client === undefined) return this.ready().then(() => this.evaluate(script, keys, args));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const again = (error: Error): void => {
      if (isUnknownScript(error))
        this.#plain(client, 'eval', commandText(EVAL, frames([script.lua]), keys, args), resolve, reject);
      else reject(error);
    };
    this.#plain(client, 'evalsha', commandText(EVALSHA, script.frames, keys, args), resolve, again);
    return promise;
  }

  #plain(
    client: Redis,
    name: string,
    text: string | Buffer,
    resolve: (reply: unknown) => void,
    reject: (error: Error) => void,
  ): void {
    this.#asks();
    sendPlain(client, name, text, {
      resolve: (reply) => {
        this.#answered();
        resolve(reply);
      },
      reject: (error) => {
        this.#hold(-1);
        reject(this.#failed(client, error));
      },
    });
  }

  together<T>(send: () => T): T {
    const stream = this.#client?.stream;
    stream?.cork();
    try {
      return send();
    } finally {
      stream?.uncork();
    }
  }

  observe(observer: Observer): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  async #run<T>(send: (client: Redis) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const client = this.#client ?? (await this.ready(signal));
    this.#asks();
    try {
      const reply = await (signal === undefined ? send(client) : orAborted(send(client), signal));
      this.lastHeard = performance.now();
      return reply;
    } catch (error) {
      throw signal?.aborted && !isReplyError(error) ? error : this.#failed(client, error);
    } finally {
      this.#hold(-1);
    }
  }

  #asks(): void {
    if (this.#pending === 0) this.lastHeard = performance.now();
    this.#hold(1);
  }

  #answered(): void {
    this.lastHeard = performance.now();
    this.#hold(-1);
  }

  /** What a call that failed rejects with. */
  #failed(client: Redis, error: unknown): Error {
    if (isReplyError(error)) {
      this.lastHeard = performance.now();
      // A replica answers: the master has moved. The next connection asks the sentinels (or the address) again.
      if (/^(READONLY|MASTERDOWN|LOADING)/.test(error.message)) client.disconnect();
      return error;
    }
    const unsent = error instanceof Error && error.message.startsWith("Stream isn't writeable");
    return this.#lost('The connection was lost while a call was under way', error, !unsent);
  }

  #hold(by: 1 | -1): void {
    this.#pending += by;
    if (this.#pending === 1 && by === 1) this.#keepAlive.ref();
    else if (this.#pending === 0) this.#keepAlive.unref();
  }

  #lost(what: string, cause: unknown, sent: boolean): LovageError {
    // The client only says that the connection is closed.
    const reason = this.#failure?.message ?? (cause instanceof Error ? cause.message : undefined);
    const message = `${what} (${this.target.url})${reason === undefined ? '' : `: ${reason}`}`;
    const inner = new RedisLineError(message, sent, cause);
    return this.#options.wrap?.(message, inner) ?? new BrokerConnectionError(message, { cause: inner });
  }

  #connect(): void {
    if (this.#connecting !== undefined || this.#retry !== undefined || this.#disposed) return;
    this.#connecting = this.#open();
    this.#connecting.then(
      (client) => this.#up(client),
      (error: unknown) => this.#down(error instanceof Error ? error : new Error(`${error}`)),
    );
  }

  #open(): Promise<Redis> {
    const failed = (error: Error): void => {
      this.#failure = error;
    };
    // Each attempt on a server that says nothing waits twice as long as the last one, up to what it may take for an answer later on.
    const { connectTimeout, replyTimeout = connectTimeout } = this.#options;
    const patience = Math.max(connectTimeout, Math.min(replyTimeout, connectTimeout * 2 ** this.#unanswered));
    return openClient(this.#options, { failed, patience, signal: this.#closing.signal });
  }

  #up(client: Redis): void {
    this.#connecting = undefined;
    if (this.#disposed) {
      client.disconnect();
      return;
    }
    if (client.status !== 'ready') {
      this.#down(new Error('The connection closed while it was set up'));
      return;
    }
    client.stream?.unref();
    // The client itself only ever switches it on.
    if (this.#options.keepAlive === false) client.stream?.setKeepAlive(false);
    this.#client = client;
    this.#probing = false;
    this.#attempts = 0;
    this.#failure = undefined;
    this.lastHeard = performance.now();
    this.#leave = this.#join(client);
    client.once('end', () => {
      this.#leave?.();
      this.#client = undefined;
      this.#down(this.#failure ?? new Error('The server closed the connection'));
    });
    for (const { resolve } of this.#wakers.splice(0)) resolve(client);
    for (const observer of [...this.#observers]) observer.up?.(client);
  }

  #down(error: Error): void {
    this.#connecting = undefined;
    this.#failure = error;
    this.#unanswered = error instanceof SilentServerError ? this.#unanswered + 1 : 0;
    if (this.#disposed) return;
    for (const observer of [...this.#observers]) observer.down?.(error);
    if (error instanceof ConfigurationError || REFUSED.test(error.message)) {
      for (const { reject } of this.#wakers.splice(0)) {
        reject(error instanceof ConfigurationError ? error : this.#lost('The server refused the login', error, false));
      }
    }
    // The very first retry comes at once: most losses are one cut socket, not a server that is away.
    const wait = this.#attempts === 0 ? 0.01 : backoff(this.#attempts - 1, { first: 0.1, cap: 5 });
    this.#attempts++;
    logger('redis').debug('Connection to {url} lost ({reason}); next attempt in {wait} s', {
      url: this.target.url,
      reason: error.message,
      wait,
    });
    this.#retry = after(wait, () => {
      this.#retry = undefined;
      this.#connect();
    });
  }

  /** What happens to the lines of one server together. */
  #join(client: Redis): () => void {
    const signs = new SocketSigns(client.stream);
    this.#signs = signs;
    return serverLines.join(addressOf(this.target), {
      get received() {
        return signs.received;
      },
      get isExcused() {
        return signs.isBringing;
      },
      ask: () => {
        if (this.#client === client && this.#pending === 0 && !this.#probing) this.#probe(client);
      },
      cut: (reason) => this.#cut(client, reason),
    });
  }

  #cut(client: Redis, reason: Error): void {
    this.#failure = reason;
    this.#leave?.();
    cutClient(client);
  }

  /** A connection of its own shows whether the server answers at all. */
  async #knock(): Promise<void> {
    const { prepare: _, ...plain } = this.#options;
    cutClient(await openClient(plain, { failed: () => undefined, signal: this.#closing.signal }));
  }

  /** A server that is silent while calls wait may be slow or stopped, or the line cut without a word. */
  #watch(): void {
    const { replyTimeout: limit, healthCheck } = this.#options;
    const client = this.#client;
    const now = performance.now();
    const isLate = now - this.#looked > (LOOK + LATE) * 1000;
    this.#looked = now;
    if (limit === undefined || client === undefined) return;
    // Part of an answer is a sign of life.
    if (this.#signs?.look() === true) this.lastHeard = now;
    const silence = (now - this.lastHeard) / 1000;
    if (this.#pending === 0 && !this.#probing) {
      if (healthCheck !== undefined && silence >= healthCheck) this.#probe(client);
      return;
    }
    if (isLate) return;
    const knock = (): Promise<void> => this.#knock();
    if (silence >= limit) {
      this.#cut(client, new Error(`No answer for ${limit} s`));
      void serverLines.gaveUp(addressOf(this.target), knock);
    } else if (silence >= SUSPICIOUS && limit >= WORTH_A_LOOK) void serverLines.suspect(addressOf(this.target), knock);
  }

  /** Asks an idle line for a sign of life. Unlike a call it does not keep the process alive. */
  #probe(client: Redis): void {
    this.#probing = true;
    this.lastHeard = performance.now();
    const answered = (): void => {
      if (this.#client !== client) return;
      this.#probing = false;
      this.lastHeard = performance.now();
    };
    client.ping().then(answered, () => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#retry?.cancel();
    clearInterval(this.#keepAlive);
    for (const { reject } of this.#wakers.splice(0)) reject(this.#lost('The line is closed', undefined, false));
    this.#closing.abort();
    this.#client?.disconnect();
    this.#client = undefined;
  }
}

const warned = new Set<string>();

/** Warns once for each server that may throw away keys when it runs out of memory: queues and leases are keys. */
export async function warnOfEviction(line: RedisLine): Promise<void> {
  if (warned.has(line.target.url)) return;
  warned.add(line.target.url);
  const info = await line.call('INFO', ['memory']).catch(() => '');
  const policy = /maxmemory_policy:(\S+)/.exec(`${info}`)?.[1];
  if (policy === undefined || policy === 'noeviction') return;
  logger('redis').warn(
    "The Redis at {url} runs with maxmemory-policy '{policy}': when it is full it deletes messages and results without a word. Set it to 'noeviction'.",
    { url: line.target.url, policy },
  );
}
