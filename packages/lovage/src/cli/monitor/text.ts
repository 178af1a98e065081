// Text on a terminal: how wide it is, cut and padded to a width. Wide characters take two cells.
import { printable } from '../output.ts';

/** East Asian wide characters and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const COMBINING = /\p{Mn}|\p{Me}|\u200d/u;

function cells(character: string): number {
  if (COMBINING.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Cells that a text without control characters takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += cells(character);
  return width;
}

/** Exactly that wide: cut with an ellipsis, or padded. What would move the cursor is made visible. */
export function fit(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const safe = printable(text);
  const own = widthOf(safe);
  if (own <= width) return align === 'left' ? safe + ' '.repeat(width - own) : ' '.repeat(width - own) + safe;
  if (width <= 1) return '…'.slice(0, width);
  let cut = '';
  let used = 0;
  for (const character of safe) {
    if (used + cells(character) > width - 1) break;
    cut += character;
    used += cells(character);
  }
  return `${cut}…${' '.repeat(width - 1 - used)}`;
}

/** Lines of at most that width. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    let current = '';
    let used = 0;
    for (const character of printable(line.replaceAll('\t', '    '))) {
      if (used + cells(character) > width) {
        lines.push(current);
        current = '';
        used = 0;
      }
      current += character;
      used += cells(character);
    }
    lines.push(current);
  }
  return lines;
}
