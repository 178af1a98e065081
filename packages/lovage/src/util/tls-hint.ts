// A line on which one side speaks TLS and the other does not ends in words that name neither: a reset, a silence, a line of OpenSSL. Said
// by whoever opens a connection, before anything has come over it.

/** What OpenSSL says of an answer that is no TLS. */
const NO_TLS = /wrong version number|packet length too long|http request|unknown protocol/i;
const ENDED = /ECONNRESET|EPIPE|socket hang up|closed abruptly|Connection is closed/i;
const SILENT = /no answer|timed? ?out/i;

export interface TlsSide {
  /** Do we speak TLS? */
  readonly isSecure: boolean;
  /** How addresses of the same kind begin: `redis://` and `rediss://`. */
  readonly plain: string;
  readonly secure: string;
}

/** The reason, and what it probably means where it may be of this kind. */
export function withTlsHint(reason: string, { isSecure, plain, secure }: TlsSide): string {
  if (isSecure && NO_TLS.test(reason)) return `the port answers without TLS, so its address begins with ${plain}`;
  if (isSecure && SILENT.test(reason)) return `${reason} (if the port speaks no TLS, the address begins with ${plain})`;
  if (!isSecure && ENDED.test(reason)) return `${reason} (if the port speaks TLS only, the address begins with ${secure})`;
  return reason;
}

/** The error of an attempt to connect, told with that. */
export function tlsHinted(error: Error, side: TlsSide): Error {
  const text = withTlsHint(error.message, side);
  if (text === error.message) return error;
  // Where it is put in other words, OpenSSL's are of no use to anybody.
  return new Error(text, text.startsWith(error.message) ? { cause: error } : {});
}
