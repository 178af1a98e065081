// What `lovage doctor` finds: one sentence each, and for what is not well what to change.

export interface Finding {
  /** What was looked at: `node`, `broker`, `results`, `redis`, `rabbitmq`, `embedded`, `security`, `workers`, `settings`. */
  readonly area: string;
  /** `note` is worth knowing and no defect; `warn` may lose or leak something; `fail` does not work; `down` does not answer. */
  readonly level: 'ok' | 'note' | 'warn' | 'fail' | 'down';
  readonly text: string;
  /** What to change. */
  readonly cure?: string;
}

/** Findings of one area. */
export class Findings {
  readonly #area: string;
  readonly list: Finding[] = [];

  constructor(area: string) {
    this.#area = area;
  }

  ok(text: string): void {
    this.list.push({ area: this.#area, level: 'ok', text });
  }

  note(text: string, cure?: string): void {
    this.#add('note', text, cure);
  }

  warn(text: string, cure: string): void {
    this.#add('warn', text, cure);
  }

  fail(text: string, cure: string): void {
    this.#add('fail', text, cure);
  }

  down(text: string, cure: string): void {
    this.#add('down', text, cure);
  }

  #add(level: Finding['level'], text: string, cure: string | undefined): void {
    this.list.push({ area: this.#area, level, text, ...(cure === undefined ? {} : { cure }) });
  }
}
