// The worker dies after a task's body and before its result is stored, or after that and before the message is acknowledged: the body
// runs at most twice, and there is one result. Where both are one commit there is no moment between them.
import { openArena } from '../harness/arena.ts';
import { endedIds, takenOverAfter } from '../harness/gestures.ts';
import { beforeAck, type Trap } from '../harness/proxy.ts';
import type { Scenario } from '../harness/scenario.ts';

/** The result of a task of the ledger, on its way. */
const RESULT = '"attempt"';

/** Before the result's first byte leaves: nothing more passes. */
const beforeResult = (): Trap => ({
  direction: 'up',
  act: 'freeze',
  here: ({ bytes }, direction) => direction === 'up' && bytes.includes(RESULT),
});

/** The result was stored; its answer does not arrive. */
function afterResult(): Trap {
  let line: number | undefined;
  return {
    direction: 'down',
    act: 'freeze',
    here: ({ bytes }, direction, at) => {
      if (direction === 'up' && bytes.includes(RESULT)) line = at;
      return direction === 'down' && at === line;
    },
  };
}

export const settleKill: Scenario = {
  id: 'settle-kill',
  title: 'Worker `kill -9` between body and result, and between result and ack',
  applies: ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['redis', 'rabbitmq-classic'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort } = arena;
    const isRabbit = stack.rabbit !== undefined;
    const producer = await stack.producer({ name: 'producer' });
    const recoverySeconds: number[] = [];
    const violations: string[] = [];
    let mayRepeat = 0;
    for (let death = 0; death < (isShort ? 2 : 10); death++) {
      const isStored = death % 2 === 1;
      const name = `victim${death}`;
      const victim = await stack.worker({ name, concurrency: 1, broker: 'proxy', results: 'proxy' });
      const trap = isStored ? (isRabbit ? beforeAck(1) : afterResult()) : beforeResult();
      const proxy = isRabbit && isStored ? stack.brokerProxy : stack.resultProxy;
      const sprung = proxy?.trap({ ...trap, act: 'freeze' });
      await producer.produce({ prefix: `k${death}`, count: 1, perSecond: 100, args: [50] });
      await sprung;
      victim.signal('SIGKILL');
      await victim.ended;
      const at = Date.now();
      stack.brokerProxy?.cut();
      stack.resultProxy?.cut();
      const heir = await stack.worker({ name: `heir${death}`, concurrency: 1 });
      const again = (): number | undefined => takenOverAfter(arena, new Set([`k${death}-0`]), at);
      if (!isStored)
        await arena.until('the body runs again', stack.takeover + 30, () => again() !== undefined).catch(() => undefined);
      await arena.quiesce(stack.takeover + 30);
      // Without a stored result the body runs again; with one it never does.
      if (!isStored) mayRepeat++;
      else if (again() !== undefined) violations.push(`k${death} ran again although its result was stored`);
      if (!isStored) recoverySeconds.push(again() ?? Number.POSITIVE_INFINITY);
      if (!endedIds(arena).has(`k${death}-0`)) violations.push(`k${death} did not run`);
      heir.signal('SIGTERM');
      await heir.ended;
    }
    return await arena.result({ inFlight: mayRepeat, recoverySeconds, violations });
  },
};
