// The signature object as it goes over the wire (embed parts, canvas). Keys are Celery's; unknown keys are kept.

/** A call described as data, exactly as Celery writes it. */
export interface WireSignature {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly subtask_type: string | null;
  readonly immutable: boolean;
  readonly [key: string]: unknown;
}
