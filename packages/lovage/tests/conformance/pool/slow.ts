// An app whose module takes for ever to load.
import { Lovage } from '../../../src/index.ts';

export const app: Lovage = new Lovage('slow');
app.signals.on('onAfterFinalize', () => {
  for (;;);
});
