// Reads pickles of plain values, as Python writes them up to protocol 5. Whatever would load a class or call something is refused: this
// reader only ever makes null, booleans, numbers, text, bytes, arrays and plain records.
import { DecodeError } from '../../util/index.ts';

/** What MARK leaves on the stack. */
const MARK = Symbol('mark');
/** What a pickle may make at most, with what it makes by repeating itself. */
const MAX_VALUES = 10_000_000;

/** Opcodes that name a class, call something or ask the program for an object; with the word that the error uses. */
const REFUSED: Readonly<Record<number, string>> = {
  99: 'GLOBAL',
  147: 'STACK_GLOBAL',
  82: 'REDUCE',
  98: 'BUILD',
  105: 'INST',
  111: 'OBJ',
  129: 'NEWOBJ',
  146: 'NEWOBJ_EX',
  130: 'EXT1',
  131: 'EXT2',
  132: 'EXT4',
  80: 'PERSID',
  81: 'BINPERSID',
  151: 'NEXT_BUFFER',
  152: 'READONLY_BUFFER',
};

/** The value of a pickle. Throws DecodeError, which names the class where there is one, for all that is not plain. */
export function unpickle(bytes: Uint8Array): unknown {
  return new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).read();
}

class Reader {
  readonly #bytes: Buffer;
  readonly #stack: unknown[] = [];
  readonly #memo = new Map<number, unknown>();
  #at = 0;
  #left = MAX_VALUES;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  read(): unknown {
    for (;;) {
      const opcode = this.#take(1)[0] ?? 0;
      if (opcode === 0x2e) return this.#pop();
      if (--this.#left < 0) throw new DecodeError('The pickle is too large to be read.');
      this.#step(opcode);
    }
  }

  #step(opcode: number): void {
    const refused = REFUSED[opcode];
    if (refused !== undefined) throw this.#refusal(opcode, refused);
    const step = STEPS[opcode];
    if (step === undefined) throw new DecodeError(`The pickle has the opcode 0x${opcode.toString(16)}, which is not read here.`);
    step(this.machine);
  }

  readonly machine: Machine = {
    take: (count) => this.#take(count),
    line: () => this.#line(),
    push: (value) => this.#stack.push(value),
    pop: () => this.#pop(),
    top: () => this.#stack.at(-1),
    slice: () => this.#slice(),
    remember: (index) => this.#memo.set(index ?? this.#memo.size, this.#stack.at(-1)),
    recall: (index) => {
      if (!this.#memo.has(index)) throw new DecodeError('The pickle is damaged: it recalls what it never made.');
      this.#stack.push(this.#memo.get(index));
    },
  };

  #take(count: number): Buffer {
    const end = this.#at + count;
    if (count < 0 || end > this.#bytes.length) throw new DecodeError('The pickle ends too early.');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw new DecodeError('The pickle ends too early.');
    const text = this.#bytes.toString('latin1', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  #pop(): unknown {
    if (this.#stack.length === 0) throw new DecodeError('The pickle is damaged: it takes what it never made.');
    return this.#stack.pop();
  }

  /** Everything since the last mark, which goes too. */
  #slice(): unknown[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw new DecodeError('The pickle is damaged: it has no mark.');
    const items = this.#stack.splice(mark);
    items.shift();
    return items;
  }

  #refusal(opcode: number, word: string): DecodeError {
    const names =
      opcode === 0x93
        ? this.#stack.slice(-2)
        : opcode === 0x63 || opcode === 0x69
          ? this.#bytes.toString('latin1', this.#at).split('\n', 2)
          : [];
    const what =
      names.length === 2 && names.every((name) => typeof name === 'string')
        ? `a Python object (${names.join('.')})`
        : 'a Python object';
    return new DecodeError(
      `The record holds ${what}, which only Python can make: ${word} is not read here, for it would run code that the writer chose. ` +
        'Have the Python task return plain values: numbers, text, bytes, lists and dictionaries.',
    );
  }
}

/** What a step may do. */
interface Machine {
  take(count: number): Buffer;
  line(): string;
  push(value: unknown): void;
  pop(): unknown;
  top(): unknown;
  slice(): unknown[];
  remember(index?: number): void;
  recall(index: number): void;
}

type Step = (machine: Machine) => void;

const utf8 = (bytes: Buffer): string => bytes.toString('utf8');
const bytesOf = (bytes: Buffer): Uint8Array => new Uint8Array(bytes);
const u8 = (m: Machine): number => m.take(1).readUInt8();
const u32 = (m: Machine): number => m.take(4).readUInt32LE();
const u64 = (m: Machine): number => Number(m.take(8).readBigUInt64LE());

/** Two's complement, the lowest byte first. */
function long(bytes: Buffer): number | bigint {
  if (bytes.length === 0) return 0;
  const value = BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`));
  return narrow(value);
}

/** Protocol 0 writes text in Latin-1, with \uXXXX for the rest. */
function unescaped(line: string): string {
  return line.replaceAll(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, four?: string, eight?: string) => {
    const point = Number.parseInt(four ?? eight ?? '', 16);
    if (point > 0x10ffff) throw new DecodeError('The pickle is damaged: it has text that is no Unicode.');
    return String.fromCodePoint(point);
  });
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function decimal(text: string): number | bigint | boolean {
  if (text === '00' || text === '01') return text === '01';
  if (!/^-?\d+L?$/.test(text)) throw new DecodeError('The pickle is damaged: it has a number without digits.');
  return narrow(BigInt(text.replace('L', '')));
}

function setItems(target: unknown, items: readonly unknown[]): void {
  if (typeof target !== 'object' || target === null || Array.isArray(target))
    throw new DecodeError('The pickle is damaged: it fills what is no dictionary.');
  for (let at = 0; at + 1 < items.length; at += 2) {
    const key = items[at];
    if (!['string', 'number', 'bigint', 'boolean'].includes(typeof key) && key !== null)
      throw new DecodeError('The record holds a dictionary whose keys are neither text nor numbers.');
    const name = String(key);
    // Not by assignment: '__proto__' is a key like any other.
    Object.defineProperty(target, name, { value: items[at + 1], enumerable: true, writable: true, configurable: true });
  }
}

function append(target: unknown, items: readonly unknown[]): void {
  if (!Array.isArray(target)) throw new DecodeError('The pickle is damaged: it fills what is no list.');
  for (const item of items) target.push(item);
}

const STEPS: Readonly<Record<number, Step>> = {
  128: (m) => {
    const version = u8(m);
    if (version > 5) throw new DecodeError(`The pickle has protocol ${version}; up to 5 is read here.`);
  },
  149: (m) => void m.take(8),
  40: (m) => m.push(MARK),
  48: (m) => void m.pop(),
  49: (m) => void m.slice(),
  50: (m) => m.push(m.top()),
  78: (m) => m.push(null),
  136: (m) => m.push(true),
  137: (m) => m.push(false),
  74: (m) => m.push(m.take(4).readInt32LE()),
  75: (m) => m.push(u8(m)),
  77: (m) => m.push(m.take(2).readUInt16LE()),
  73: (m) => m.push(decimal(m.line())),
  76: (m) => m.push(decimal(m.line())),
  138: (m) => m.push(long(m.take(u8(m)))),
  139: (m) => m.push(long(m.take(u32(m)))),
  70: (m) => m.push(Number(m.line())),
  71: (m) => m.push(m.take(8).readDoubleBE()),
  86: (m) => m.push(unescaped(m.line())),
  140: (m) => m.push(utf8(m.take(u8(m)))),
  88: (m) => m.push(utf8(m.take(u32(m)))),
  141: (m) => m.push(utf8(m.take(u64(m)))),
  67: (m) => m.push(bytesOf(m.take(u8(m)))),
  66: (m) => m.push(bytesOf(m.take(u32(m)))),
  142: (m) => m.push(bytesOf(m.take(u64(m)))),
  150: (m) => m.push(bytesOf(m.take(u64(m)))),
  93: (m) => m.push([]),
  41: (m) => m.push([]),
  125: (m) => m.push({}),
  143: (m) => m.push([]),
  108: (m) => m.push(m.slice()),
  116: (m) => m.push(m.slice()),
  145: (m) => m.push(m.slice()),
  133: (m) => m.push([m.pop()]),
  134: (m) => m.push(popped(m, 2)),
  135: (m) => m.push(popped(m, 3)),
  100: (m) => {
    const items = m.slice();
    const made = {};
    setItems(made, items);
    m.push(made);
  },
  97: (m) => {
    const item = m.pop();
    append(m.top(), [item]);
  },
  101: (m) => {
    const items = m.slice();
    append(m.top(), items);
  },
  144: (m) => {
    const items = m.slice();
    append(m.top(), items);
  },
  115: (m) => {
    const items = popped(m, 2);
    setItems(m.top(), items);
  },
  117: (m) => {
    const items = m.slice();
    setItems(m.top(), items);
  },
  113: (m) => m.remember(u8(m)),
  114: (m) => m.remember(u32(m)),
  112: (m) => m.remember(Number(m.line())),
  148: (m) => m.remember(),
  104: (m) => m.recall(u8(m)),
  106: (m) => m.recall(u32(m)),
  103: (m) => m.recall(Number(m.line())),
};

function popped(m: Machine, count: number): unknown[] {
  const items: unknown[] = [];
  for (let left = count; left > 0; left--) items.unshift(m.pop());
  return items;
}
