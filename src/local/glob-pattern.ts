/** Patterns for names as shells have them: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, and `\` before what stands for itself. */

/** More alternatives than anybody means. */
const MAX_ALTERNATIVES = 1000;

/** Whether a pattern (or one name of it) stands for anything but itself. */
export function isPattern(text: string): boolean {
  return /[*?[\]{}\\]/.test(text);
}

/** The patterns without braces that a pattern stands for, in their order; undefined when there are too many. */
export function expandBraces(pattern: string): string[] | undefined {
  const group = firstGroup(pattern);
  if (!group) return [pattern];
  const { start, end, commas } = group;
  const before = pattern.slice(0, start);
  const after = pattern.slice(end + 1);
  const bounds = [start, ...commas, end];
  const expanded: string[] = [];
  const tails = expandBraces(after);
  if (!tails) return undefined;
  for (let i = 0; i + 1 < bounds.length; i++) {
    const alternatives = expandBraces(pattern.slice((bounds[i] ?? 0) + 1, bounds[i + 1]));
    if (!alternatives || expanded.length + alternatives.length * tails.length > MAX_ALTERNATIVES)
      return undefined;
    for (const alternative of alternatives) {
      for (const tail of tails) expanded.push(before + alternative + tail);
    }
  }
  return expanded;
}

/** The first `{…}` that has a comma of its own; braces without one stand for themselves, as in a shell. */
function firstGroup(pattern: string): { start: number; end: number; commas: number[] } | undefined {
  const open: { start: number; commas: number[] }[] = [];
  let found: { start: number; end: number; commas: number[] } | undefined;
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i];
    if (character === '\\') i++;
    else if (character === '{') open.push({ start: i, commas: [] });
    else if (character === ',') open.at(-1)?.commas.push(i);
    else if (character === '}') {
      const group = open.pop();
      if (group && group.commas.length > 0 && (!found || group.start < found.start))
        found = { ...group, end: i };
      if (found && open.length === 0) return found;
    }
  }
  return found;
}

/**
 * Whether a name (no slash in it) matches a pattern without braces. A dot at the beginning must be written out, as
 * in a shell. Accents match however they are composed. Time is bounded by the product of the two lengths.
 */
export function matchesName(pattern: string, name: string): boolean {
  if (name.startsWith('.') && !/^\\?\./.test(pattern)) return false;
  const tokens = tokensOf(pattern.normalize('NFC'));
  const characters = [...name.normalize('NFC')];
  let token = 0;
  let at = 0;
  let star = -1;
  let starAt = 0;
  while (at < characters.length) {
    const current = tokens[token];
    if (current === ANY_RUN) {
      star = token++;
      starAt = at;
    } else if (current?.(characters[at] ?? '')) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (tokens[token] === ANY_RUN) token++;
  return token === tokens.length;
}

/** The name that a pattern without wildcards stands for. */
export function unescaped(pattern: string): string {
  return pattern.replace(/\\(.)/gsu, '$1');
}

/** Whether a pattern without braces has wildcards. */
export function hasWildcard(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\./gsu, ''));
}

type Token = (character: string) => boolean;

const ANY_RUN: Token = () => true;
const ANY_ONE: Token = () => true;

function tokensOf(pattern: string): Token[] {
  const characters = [...pattern];
  const tokens: Token[] = [];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? '';
    if (character === '*') {
      tokens.push(ANY_RUN);
    } else if (character === '?') {
      tokens.push(ANY_ONE);
    } else if (character === '[') {
      const set = characterSet(characters, i);
      tokens.push(set?.token ?? ((other) => other === '['));
      i = set?.end ?? i;
    } else {
      const literal = character === '\\' ? (characters[++i] ?? '\\') : character;
      tokens.push((other) => other === literal);
    }
  }
  return tokens;
}

/** The set that begins at `[`, and where its `]` is; undefined when it has none and `[` stands for itself. */
function characterSet(
  characters: readonly string[],
  start: number,
): { token: Token; end: number } | undefined {
  let i = start + 1;
  const negated = characters[i] === '!' || characters[i] === '^';
  if (negated) i++;
  const ranges: [number, number][] = [];
  for (let isFirst = true; i < characters.length; isFirst = false) {
    if (characters[i] === ']' && !isFirst) {
      const token: Token = (character) => {
        const code = character.codePointAt(0) ?? 0;
        return ranges.some(([first, last]) => code >= first && code <= last) !== negated;
      };
      return { token, end: i };
    }
    if (characters[i] === '\\') i++;
    const first = characters[i++]?.codePointAt(0);
    let last = first;
    if (characters[i] === '-' && i + 1 < characters.length && characters[i + 1] !== ']') {
      if (characters[++i] === '\\') i++;
      last = characters[i++]?.codePointAt(0);
    }
    if (first === undefined || last === undefined) return undefined;
    ranges.push([first, last]);
  }
  return undefined;
}
