// A question at the terminal, before something that cannot be undone.
import { createInterface } from 'node:readline/promises';

/** Asks; only a yes is a yes. */
export async function confirmed(question: string): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-D and Ctrl-C are a no.
  const closed = new Promise<string>((done) => {
    prompt.once('close', () => {
      process.stderr.write('\n');
      done('');
    });
  });
  const answer = await Promise.race([prompt.question(`${question} [y/N] `).catch(() => ''), closed]);
  prompt.removeAllListeners('close');
  prompt.close();
  return /^y(es)?$/i.test(answer.trim());
}
