// The words of a Python file, by logical line. Reads text, runs nothing. Called by python.ts.

export interface Token {
  readonly kind: 'name' | 'number' | 'text' | 'bytes' | 'formatted' | 'computed' | 'mark';
  readonly text: string;
  readonly line: number;
}

/** A logical line: what Python would run as one statement, or the head of a block. */
export interface LogicalLine {
  readonly line: number;
  readonly indent: number;
  readonly tokens: readonly Token[];
}

/** A file that is no Python, as far as can be seen without running it. */
export class PythonSyntaxError extends Error {
  readonly line: number;
  constructor(what: string, line: number) {
    super(what);
    this.line = line;
  }
}

const STRING = /([A-Za-z]{0,2})('''|"""|'|")/y;
const NUMBER = /(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)[jJ]?/y;
const NAME = /[\p{L}_][\p{L}\p{N}_]*/uy;
const MARK = /\*\*=?|\/\/=?|[-+*/%@&|^=!<>:]=|->|[^\s]/uy;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0', a: '\x07', b: '\b', f: '\f', v: '\v' };

function unescaped(text: string): string {
  return text.replaceAll(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r?\n|[\s\S])/g, (_, after: string) => {
    if (/^[xuU][0-9a-fA-F]+$/.test(after)) {
      const code = Number.parseInt(after.slice(1), 16);
      return code <= 0x10_ff_ff ? String.fromCodePoint(code) : '\uFFFD';
    }
    if (/^\r?\n$/.test(after)) return '';
    if ('\\\'"'.includes(after)) return after;
    return ESCAPES[after] ?? `\\${after}`;
  });
}

class Scanner {
  readonly #source: string;
  #at = 0;
  #line = 1;
  readonly lines: LogicalLine[] = [];
  #tokens: Token[] = [];
  #indent = 0;
  #depth = 0;
  #isStart = true;

  constructor(source: string) {
    this.#source = source.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  }

  scan(): readonly LogicalLine[] {
    while (this.#at < this.#source.length) this.#step();
    if (this.#depth > 0) throw new PythonSyntaxError('a bracket is not closed', this.#tokens[0]?.line ?? this.#line);
    this.#end();
    return this.lines;
  }

  #end(): void {
    const [first] = this.#tokens;
    if (first !== undefined) this.lines.push({ line: first.line, indent: this.#indent, tokens: this.#tokens });
    this.#tokens = [];
    this.#isStart = true;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source) ?? undefined;
  }

  #step(): void {
    if (this.#isStart) {
      const blank = /[ \t\f]*/y;
      this.#indent = (this.#match(blank)?.[0] ?? '').length;
      this.#at += this.#indent;
      this.#isStart = false;
      return;
    }
    const character = this.#source[this.#at] ?? '';
    if (character === '\n') {
      this.#at++;
      this.#line++;
      if (this.#depth === 0) this.#end();
    } else if (character === '\\' && this.#source[this.#at + 1] === '\n') {
      this.#at += 2;
      this.#line++;
    } else if (character === '#') {
      const end = this.#source.indexOf('\n', this.#at);
      this.#at = end < 0 ? this.#source.length : end;
    } else if (character === ';' && this.#depth === 0) {
      this.#at++;
      const { length } = this.lines;
      this.#end();
      this.#isStart = false;
      this.#indent = this.lines[length]?.indent ?? this.#indent;
    } else if (/\s/.test(character)) this.#at++;
    else this.#token();
  }

  #token(): void {
    const string = this.#match(STRING);
    if (string !== undefined && /^(|[rbuft]|[fbt]r|r[fbt])$/i.test(string[1] ?? '')) {
      this.#string(string);
      return;
    }
    for (const [kind, pattern] of [
      ['number', NUMBER],
      ['name', NAME],
      ['mark', MARK],
    ] as const) {
      const found = this.#match(pattern)?.[0];
      if (found === undefined) continue;
      if (kind === 'mark' && '([{'.includes(found)) this.#depth++;
      if (kind === 'mark' && ')]}'.includes(found)) this.#depth = Math.max(0, this.#depth - 1);
      this.#tokens.push({ kind, text: found, line: this.#line });
      this.#at += found.length;
      return;
    }
    this.#at++;
  }

  #string([whole, prefix = '', quote = '']: RegExpExecArray): void {
    const start = this.#at + whole.length;
    let end = start;
    while (!this.#source.startsWith(quote, end)) {
      if (end >= this.#source.length || (quote.length === 1 && this.#source[end] === '\n'))
        throw new PythonSyntaxError('a text is not closed', this.#line);
      end += this.#source[end] === '\\' ? 2 : 1;
    }
    const raw = this.#source.slice(start, end);
    const isRaw = /r/i.test(prefix);
    const kind = /t/i.test(prefix) ? 'computed' : /f/i.test(prefix) ? 'formatted' : /b/i.test(prefix) ? 'bytes' : 'text';
    this.#tokens.push({ kind, text: isRaw ? raw : unescaped(raw), line: this.#line });
    this.#line += raw.split('\n').length - 1;
    this.#at = end + quote.length;
  }
}

/** The logical lines of a file. Throws PythonSyntaxError. */
export function logicalLines(source: string): readonly LogicalLine[] {
  return new Scanner(source).scan();
}
