// Members that a running task adds to the chord in whose header it stands.
import type { WireSignature } from '../protocol/index.ts';
import { ConfigurationError } from '../util/index.ts';
import type { Attempt } from './attempt.ts';
import { derivedId, startSignature } from './follow.ts';
import type { SignatureLike } from './options.ts';
import { changeEnd } from './replace.ts';
import { sendPlan } from './send.ts';

/** A member about to be added. */
export interface ChordMember {
  readonly groupId: string;
  /** Under which it counts. It follows from who adds it, so that an attempt that runs again adds the same. */
  readonly id: string;
  readonly signature: WireSignature;
}

/** A signature as a member of the chord of an attempt: the `number`th that it adds. Throws ConfigurationError outside of a header. */
export function chordMember({ request }: Attempt, signature: SignatureLike, number: number): ChordMember {
  const { chord, group: groupId, groupIndex, id: adder, rootId } = request;
  if (chord === null || groupId === undefined)
    throw new ConfigurationError(
      `Task ${adder} is in the header of no chord, so nothing can be added to it. Call addToChord in a task that a chord runs in its header.`,
    );
  const found: { id?: string } = {};
  const member = changeEnd(signature.toWire(), (end) => {
    const { task_id: own } = end.options;
    found.id = typeof own === 'string' ? own : derivedId(adder, `added ${number}`);
    const place = { task_id: found.id, group_id: groupId, chord, root_id: rootId === '' ? adder : rootId };
    return { ...end, options: { ...end.options, ...place, ...(groupIndex === undefined ? {} : { group_index: groupIndex }) } };
  });
  return { groupId, id: found.id ?? '', signature: member };
}

/** Sends a member that its chord waits for already. */
export async function sendMember({ environment, request }: Attempt, { id, signature }: ChordMember): Promise<void> {
  const rootId = request.rootId === '' ? request.id : request.rootId;
  const plan = startSignature(environment, signature, {
    args: [],
    rootId,
    parentId: request.id,
    chain: [],
    seed: derivedId(id, 'added'),
  });
  await sendPlan(environment, plan);
}
