// Stamps as users write them: labels that travel with tasks, and visitors that say which part of a canvas gets which.

/** Labels by name. */
export type Stamps = Readonly<Record<string, unknown>>;

export interface StampOptions {
  /** Collect values of stamps that are there already into a list, the new first, instead of replacing them. @default false */
  readonly append?: boolean;
}

/** A signature as stamps see it: the wire's words. */
export interface Stampable {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly subtask_type: string | null;
  readonly immutable: boolean;
}

/** What a hook gives: stamps; with the key `stamped_headers` only those it lists are stamps, the others plain options. */
type Given = Stamps | undefined;

/** Walks over a canvas and says with what its parts are stamped. What a start hook gives, all members get. */
export interface StampVisitor {
  /** Every plain signature. */
  onSignature(signature: Stampable, headers: Stamps): Given;
  onGroupStart?(group: Stampable, headers: Stamps): Given;
  onGroupEnd?(group: Stampable, headers: Stamps): void;
  onChainStart?(chain: Stampable, headers: Stamps): Given;
  onChainEnd?(chain: Stampable, headers: Stamps): void;
  /** @default what onGroupStart gives for the header */
  onChordHeaderStart?(chord: Stampable, headers: Stamps): Given;
  onChordHeaderEnd?(chord: Stampable, headers: Stamps): void;
  /** Before the body is stamped. */
  onChordBody?(chord: Stampable, headers: Stamps): Given;
  /** Each callback, before `onSignature` of it. */
  onCallback?(callback: Stampable, headers: Stamps): Given;
  onErrback?(errback: Stampable, headers: Stamps): Given;
}
