// The seam of saved groups: which tasks belong together, kept beside their results. A backend that can keep a record under a key
// implements it; one that only hands results on (rpc) has none, and saving a group says so.

/** A saved group at rest. */
export interface StoredGroup {
  readonly id: string;
  /** `{"result": [[id, parent], members]}` as the result serializer wrote it. */
  readonly body: Uint8Array;
  /** Empty where the store keeps none: then the reader's own serializer is meant. */
  readonly contentType: string;
  readonly contentEncoding: string;
  /** Seconds until it may be deleted; undefined: never. */
  readonly expires?: number | undefined;
}

/** Keeps groups by id. On key-value stores the key is Celery's: `celery-taskset-meta-<id>`. */
export interface GroupStore {
  /** A group that is there already is replaced. */
  put(groups: readonly StoredGroup[]): Promise<void>;
  /** Absent from the map: not saved, or expired. */
  get(ids: readonly string[]): Promise<ReadonlyMap<string, StoredGroup>>;
  /** Deletes the groups, not the results of their members. */
  delete(ids: readonly string[]): Promise<void>;
}
