/** An object of a JSON text (no array, not null). */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a JSON text says, or line and column (both from 1) of the first character at which it is no JSON. */
export function parseJson(text: string): { value: unknown } | { line: number; column: number } {
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch {
    // JSON.parse names the place in some of its messages only, and in other ones from release to release.
    const lines = text.slice(0, whereItBreaks(text)).split('\n');
    return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
  }
}

const BLANK = /[ \t\n\r]*/y;
const MARK = /[{}[\],:]/y;
const LITERAL = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/y;

type Expected = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'more';

function whereItBreaks(text: string): number {
  const open: string[] = [];
  let expected: Expected = 'value';
  let at = endOf(BLANK, text, 0) ?? 0;
  while (at < text.length) {
    const mark = text.charAt(at);
    const isString = mark === '"';
    const end = isString ? endOfString(text, at) : (endOf(MARK, text, at) ?? endOf(LITERAL, text, at));
    if (end === undefined) return at;
    const next: Expected | undefined = after(
      expected,
      open,
      endOf(MARK, text, at) === undefined ? undefined : mark,
      isString,
    );
    if (next === undefined) return at;
    expected = next;
    at = endOf(BLANK, text, end) ?? end;
  }
  return at;
}

function endOf(sticky: RegExp, text: string, from: number): number | undefined {
  sticky.lastIndex = from;
  return sticky.test(text) ? sticky.lastIndex : undefined;
}

function endOfString(text: string, from: number): number | undefined {
  let at = from + 1;
  while (at < text.length && text.charAt(at) >= ' ') {
    if (text.charAt(at) === '"') return at + 1;
    const end = text.charAt(at) === '\\' ? endOf(ESCAPE, text, at) : at + 1;
    if (end === undefined) return undefined;
    at = end;
  }
  return undefined;
}

/** What may follow a token, or undefined if the token itself may not stand here. `open` is kept in step. */
function after(
  expected: Expected,
  open: string[],
  mark: string | undefined,
  isString: boolean,
): Expected | undefined {
  const inside = open.at(-1);
  if (mark === '}' || mark === ']') {
    const mayEnd = expected === 'more' || expected === (inside === '{' ? 'key or end' : 'value or end');
    return mayEnd && open.pop() === (mark === '}' ? '{' : '[') ? 'more' : undefined;
  }
  if (expected === 'colon') return mark === ':' ? 'value' : undefined;
  if (expected === 'more') return mark === ',' && inside ? (inside === '{' ? 'key' : 'value') : undefined;
  if (expected === 'key' || expected === 'key or end') return isString ? 'colon' : undefined;
  if (mark === '{' || mark === '[') {
    open.push(mark);
    return mark === '{' ? 'key or end' : 'value or end';
  }
  return mark === undefined ? 'more' : undefined;
}
