// Where a message lies while a holder has it: a field `<turn>.<place>.<list>` of the holder's hash.

export interface HeldPlace {
  /** Number of the turn that took it. */
  readonly turn: number;
  /** Its place in that turn, from 1. */
  readonly place: number;
  /** The list that it came from. */
  readonly list: string;
}

export function fieldOf({ turn, place, list }: HeldPlace): string {
  return `${turn}.${place}.${list}`;
}

export function placeOf(field: string): HeldPlace {
  const [turn = '', place = ''] = field.split('.', 2);
  return { turn: Number(turn), place: Number(place), list: field.slice(turn.length + place.length + 2) };
}

/** As they were taken: by turn, then by place in it. */
export function byPlace(a: HeldPlace, b: HeldPlace): number {
  return a.turn - b.turn || a.place - b.place;
}
