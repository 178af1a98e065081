// The two fields of a certificate that make its id, as Celery spells them. Node gives the issuer as an escaped text, from which the
// values cannot be told apart again, so the few bytes are read here (X.690: tag, length, value).
import { Buffer } from 'node:buffer';

interface Element {
  readonly tag: number;
  readonly value: Buffer;
  /** What comes behind it. */
  readonly rest: Buffer;
}

const SEQUENCE = 0x30;
const CONTEXT_0 = 0xa0;

function element(bytes: Buffer): Element {
  const tag = bytes[0];
  const first = bytes[1];
  if (tag === undefined || first === undefined) throw new RangeError('the certificate ends too early');
  const long = first < 0x80 ? 0 : first & 0x7f;
  if (long > 4 || bytes.length < 2 + long) throw new RangeError('the certificate has a length that nobody reads');
  const length = long === 0 ? first & 0x7f : bytes.readUIntBE(2, long);
  const end = 2 + long + length;
  if (bytes.length < end) throw new RangeError('the certificate ends too early');
  return { tag, value: bytes.subarray(2 + long, end), rest: bytes.subarray(end) };
}

function* elements(bytes: Buffer): Generator<Element> {
  for (let left = bytes; left.length > 0; ) {
    const next = element(left);
    yield next;
    left = next.rest;
  }
}

function integer(bytes: Buffer): bigint {
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex') || '0'}`));
}

/** A text of any of the types that names have. */
function text({ tag, value }: Element): string {
  if (tag === 0x1e) return Buffer.from(value).swap16().toString('utf16le');
  if (tag === 0x1c)
    return String.fromCodePoint(...Array.from({ length: value.length / 4 }, (_, at) => value.readUInt32BE(at * 4)));
  return value.toString(tag === 0x14 ? 'latin1' : 'utf8');
}

/** The id under which Celery knows a certificate: the values of its issuer, in their order, and its serial number. */
export function certificateId(raw: Uint8Array): string {
  const certificate = element(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength));
  const fields = [...elements(element(certificate.value).value)];
  const [serial, , issuer] = fields[0]?.tag === CONTEXT_0 ? fields.slice(1) : fields;
  if (serial === undefined || issuer?.tag !== SEQUENCE) throw new RangeError('the certificate has no issuer');
  const values: string[] = [];
  for (const set of elements(issuer.value)) {
    for (const pair of elements(set.value)) values.push(text(element(element(pair.value).rest)));
  }
  return `${values.join(' ')} ${integer(serial.value)}`;
}
