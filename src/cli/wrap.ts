/** Lines that fit into narrow terminals. */

/** Columns that lines of a result may take: as many as there are on a terminal, any number elsewhere. */
export function resultColumns(): number {
  const asked = Number(process.env.COLUMNS);
  if (Number.isInteger(asked) && asked > 0) return asked;
  return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
}

/** Cuts a line at blanks; what follows is indented. A word longer than a line stays whole. */
export function wrapLine(line: string, columns: number, indent = "  "): string[] {
  if (line.length <= columns) return [line];
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    const next = current === "" ? word : `${current} ${word}`;
    if (next.length <= columns || current.trim() === "") current = next;
    else {
      lines.push(current);
      current = `${indent}${word}`;
    }
  }
  return [...lines, current];
}
