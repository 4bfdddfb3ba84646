/**
 * Lines of output that look like ours. The answers of the tools put lines of their own around what the pod said
 * (`[stderr]`, `[exit_code: 3]`, `(no output)` …); every such line begins in one of these ways.
 */
const LOOKS_LIKE_FRAMING =
  /^([ \t]*)(\\*(?:\(no output\)[ \t]*$|\[(?:stderr\][ \t]*$|exit_code:|signal:|still running|lost(?: contact)?:|job |until:|cursor:|watch by hand:|configuration:|the pod's |…)))/gm;

/**
 * Output in which no line can be taken for one of ours: a line that looks like it gets a backslash before it.
 * One that has backslashes there already gets one more, so that what stood in the output can always be told.
 */
export function markFraming(output: string): string {
  return output.replace(LOOKS_LIKE_FRAMING, '$1\\$2');
}
