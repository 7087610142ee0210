/** Patterns of file names: `*`, `?`, `[a-z]`, `[!a-z]` and `{a,b}`, as shells have them. */

/** Whether a name has a character that makes it a pattern. */
export function isPattern(name: string): boolean {
  return /[*?{[]/.test(name);
}

/** Tells whether a file's name matches the pattern, which has no slash. A leading dot must be written. */
export function matcherOf(pattern: string): (name: string) => boolean {
  const expression = compile(pattern);
  const hidden = pattern.startsWith(".");
  return (name) =>
    (hidden || !name.startsWith(".")) && (expression ? expression.test(name) : name === pattern);
}

/** Nothing for a pattern such as [z-a]: it stands for itself. */
function compile(pattern: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${translate(pattern)})$`, "su");
  } catch {
    return undefined;
  }
}

function translate(pattern: string): string {
  let out = "";
  let braces = 0;
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]!;
    const set = character === "[" ? /^\[([!^]?)(\]?[^\]]+)\]/.exec(pattern.slice(i)) : null;
    if (set) {
      out += `[${set[1] ? "^" : ""}${set[2]!.replaceAll(/[\\[\]^]/g, "\\$&")}]`;
      i += set[0].length - 1;
    } else if (character === "{" && pattern.includes("}", i)) {
      braces++;
      out += "(?:";
    } else if (character === "}" && braces > 0) {
      braces--;
      out += ")";
    } else if (character === "," && braces > 0) {
      out += "|";
    } else {
      out += translateCharacter(character);
    }
  }
  return out + ")".repeat(braces);
}

function translateCharacter(character: string): string {
  if (character === "*") return "[^/]*";
  if (character === "?") return "[^/]";
  return character.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
}
