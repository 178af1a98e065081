// What is said of messages that wait, whatever keeps them: the id by which they are asked for, and their header `eta`. All stores use this.
import { formatTime } from '../protocol/index.ts';
import type { Message, Waiting } from './seam.ts';

/** Task id of a message, as far as it is told outside of the body. */
export function taskIdOf({ headers, properties }: Message): string | undefined {
  const { id } = headers;
  if (typeof id === 'string' && id !== '') return id;
  return properties.correlationId === '' ? undefined : properties.correlationId;
}

/** A message as it is shown. */
export function waitingOf(message: Message, dueAt: number | undefined): Waiting {
  return { message, id: taskIdOf(message), dueAt };
}

/** Does the header `eta` count for it? That of protocol 1 is in the body, and stays as it is. */
export function followsHeader(headers: Message['headers']): boolean {
  return typeof headers.task === 'string';
}

/** The header of a message that is due then: a worker that reads an older one would park it again. */
export function etaHeader(dueAt: number | undefined): string | null {
  return dueAt === undefined ? null : formatTime(dueAt);
}

/** Headers with that time. */
export function withEta(headers: Message['headers'], dueAt: number | undefined): Message['headers'] {
  return followsHeader(headers) ? { ...headers, eta: etaHeader(dueAt) } : headers;
}
