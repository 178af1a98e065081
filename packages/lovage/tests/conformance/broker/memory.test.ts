import { openBroker } from '../../../src/broker/index.ts';
import { brokerOptions, unique } from './harness.ts';
import { describeBroker } from './suite.ts';

describeBroker(
  'memory',
  async () => {
    const url = `memory://${unique('space')}`;
    return {
      open: (options) => openBroker(brokerOptions(url, options)),
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
  {
    remembersQueues: true,
    countsParked: true,
    looksInside: true,
    handsOn: false,
    expires: false,
    earliness: 0.01,
    priorityArguments: {},
  },
);
