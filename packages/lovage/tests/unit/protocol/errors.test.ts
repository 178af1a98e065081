import { describe, expect, it } from 'vitest';
import {
  createErrorRegistry,
  notRegisteredException,
  readException,
  revokedException,
  writeException,
} from '../../../src/protocol/index.ts';
import { RemoteTaskError, SoftTimeLimitExceededError } from '../../../src/util/index.ts';

const registry = createErrorRegistry();
const encodable = (value: unknown): boolean => typeof value !== 'object';

class CardRefused extends Error {
  readonly amount: number;
  constructor(message: string, amount: number) {
    super(message);
    this.amount = amount;
  }
}

describe('an error on its way out', () => {
  it.each([
    [new Error('a'), 'builtins', 'Exception'],
    [new TypeError('a'), 'builtins', 'TypeError'],
    [new RangeError('a'), 'builtins', 'ValueError'],
    [new SoftTimeLimitExceededError('a'), 'billiard.exceptions', 'SoftTimeLimitExceeded'],
    [new CardRefused('a', 1), 'lovage.errors', 'CardRefused'],
    [Object.assign(new Error('a'), { name: 'AbortError' }), 'lovage.errors', 'AbortError'],
  ])('%s goes as %s.%s', (error, module, type) => {
    expect(writeException(error, encodable, registry)).toEqual({ exc_type: type, exc_module: module, exc_message: ['a'] });
  });

  it('may be anything that was thrown', () => {
    expect(writeException('text', encodable, registry).exc_message).toEqual(['text']);
    expect(writeException(undefined, encodable, registry).exc_message).toEqual(['None']);
    expect(writeException({ a: 1 }, encodable, registry).exc_message).toEqual(["{'a': 1}"]);
    const hostile = new Proxy(new Error('x'), {
      get: () => {
        throw new Error('no');
      },
    });
    expect(writeException(hostile, encodable, registry)).toMatchObject({ exc_module: 'lovage.errors' });
  });

  it('that came from elsewhere goes on as it came', () => {
    const wire = { exc_type: 'Outer.Inner', exc_module: 'proj', exc_message: ['a', 2] };
    expect(writeException(readException(wire, registry), encodable, registry)).toEqual(wire);
  });
});

describe('an error on its way in', () => {
  it('is a RemoteTaskError that tells what it was', () => {
    const error = readException(
      { exc_type: 'KeyError', exc_module: 'builtins', exc_message: ['bad', [1, 'x']] },
      registry,
      'Traceback …',
    );
    expect(error).toBeInstanceOf(RemoteTaskError);
    expect(error).toMatchObject({
      name: 'KeyError',
      message: "bad, [1, 'x']",
      excModule: 'builtins',
      excMessage: ['bad', [1, 'x']],
      remoteTraceback: 'Traceback …',
    });
  });

  it('is never built by a name that nobody registered', () => {
    for (const [module, type] of [
      ['os', 'system'],
      ['builtins', '__proto__'],
      ['', 'constructor'],
      ['lovage.errors', 'Function'],
    ] as const) {
      expect(readException({ exc_type: type, exc_module: module, exc_message: ['rm -rf'] }, registry)).toBeInstanceOf(
        RemoteTaskError,
      );
    }
  });

  it.each([
    [null],
    ['text'],
    [{}],
    [{ exc_type: 3 }],
    [{ exc_type: 'E', exc_message: 'no list' }],
    [[1]],
    [{ exc_type: 'E', exc_message: null, exc_module: 5 }],
  ])('is an Error whatever the record says: %j', (wire) => expect(readException(wire, registry)).toBeInstanceOf(RemoteTaskError));

  it('has the text of the record as its message when it is no list', () => {
    expect(readException({ exc_type: 'E', exc_message: 'no list' }, registry).message).toBe('no list');
  });
});

describe('a registered pair', () => {
  const own = createErrorRegistry();
  own.register({
    class: CardRefused,
    module: 'shop.errors',
    type: 'CardError',
    toArgs: (error) => [error.message, error.amount],
    fromArgs: ([message, amount]) => new CardRefused(String(message), Number(amount)),
  });

  it('goes both ways with its arguments', () => {
    const wire = writeException(new CardRefused('declined', 12), encodable, own);
    expect(wire).toEqual({ exc_type: 'CardError', exc_module: 'shop.errors', exc_message: ['declined', 12] });
    const error = readException(wire, own);
    expect(error).toBeInstanceOf(CardRefused);
    expect(error).toMatchObject({ message: 'declined', amount: 12, excType: 'CardError' });
  });

  it('covers classes below it', () => {
    class Worse extends CardRefused {}
    expect(writeException(new Worse('x', 1), encodable, own).exc_type).toBe('CardError');
  });

  it('whose constructor fails becomes a RemoteTaskError', () => {
    const failing = createErrorRegistry();
    failing.register({
      class: CardRefused,
      module: 'm',
      type: 'T',
      fromArgs: () => {
        throw new Error('no');
      },
    });
    expect(readException({ exc_type: 'T', exc_module: 'm', exc_message: [] }, failing)).toBeInstanceOf(RemoteTaskError);
  });
});

describe('the exceptions that workers write of their own', () => {
  it('are named as Celery names them', () => {
    expect(revokedException('expired')).toEqual({
      exc_type: 'TaskRevokedError',
      exc_message: ['expired'],
      exc_module: 'celery.exceptions',
    });
    expect(notRegisteredException('nope')).toEqual({
      exc_type: 'NotRegistered',
      exc_message: ['nope'],
      exc_module: 'celery.exceptions',
    });
  });
});
