// A question at the terminal, before something that cannot be undone.
import { createInterface } from 'node:readline/promises';
import type { Output } from '../output.ts';

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

/** May this be destroyed? Where nobody can be asked only `--force` is a yes. Says so when the answer is no. */
export async function mayDestroy(question: string, force: boolean, out: Output): Promise<boolean> {
  if (force) return true;
  const isTerminal = process.stdin.isTTY === true;
  if (isTerminal && (await confirmed(`${question} There is no undo.`))) return true;
  const error = isTerminal ? 'Nothing was deleted.' : 'Nothing was deleted: nobody is there to be asked, so give --force.';
  if (out.json) out.answer({ error }, []);
  else out.warn(error);
  return false;
}
