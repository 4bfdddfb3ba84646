import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../src/pods/json.ts';

describe('parseJson', () => {
  it.each<[string, number, number]>([
    ['', 1, 1],
    ['{', 1, 2],
    ['{\n  "host": "a",\n  "port": 22,\n}', 4, 1],
    ['{"a": 1 "b": 2}', 1, 9],
    ["{'a': 1}", 1, 2],
    ['{"a": "b\n"}', 1, 7],
    ['{"a": 01}', 1, 7],
    ['{"a": tru}', 1, 7],
    ['{"a"}', 1, 5],
    ['[1, 2}', 1, 6],
    ['{} x', 1, 4],
    ['{}}', 1, 3],
    ['[1,]', 1, 4],
    ['{"a": "\\x"}', 1, 7],
    ['hello', 1, 1],
  ])('%j breaks in line %i, column %i', (text, line, column) => {
    expect(parseJson(text)).toEqual({ line, column });
  });

  it('finds no break before the end of what can still become JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), (value, cut) => {
        const text = JSON.stringify({ value }, null, 1);
        expect(parseJson(text)).toEqual({ value: JSON.parse(text) });
        const begun = text.slice(0, cut % text.length);
        const at = parseJson(begun);
        if ('value' in at) throw new Error('an object that is not closed was taken');
        // A string or a number that is cut off is pointed at as a whole.
        const lines = begun.split('\n');
        const before = (lines[at.line - 1] ?? '').slice(at.column - 1);
        expect(at.line).toBe(lines.length);
        expect(before).toMatch(/^(?:".*|[-+.\w]*)$/s);
      }),
    );
  });
});
