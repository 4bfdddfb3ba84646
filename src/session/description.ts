/** What the pod said of itself when the session began. */
export type Description = {
  /** The session's shell there, and when it started: together they name the process beyond doubt. */
  pid: string;
  started: string;
  /** The container's identity: changes when RunPod replaces or restarts it. */
  container: string;
  hostname: string;
  home: string;
  /** Where jobs lie: on the disk, and in memory when the disk takes nothing more. */
  disk: string;
  memory: string;
  /** Programs that are there, of those that we asked for. */
  has: ReadonlySet<string>;
};

/** Reads the lines `key value` that a session begins with. */
export function parseDescription(text: string): Description {
  const values = new Map<string, string>();
  const has = new Set<string>();
  for (const line of text.split('\n')) {
    const blank = line.indexOf(' ');
    if (blank < 0) continue;
    const [key, value] = [line.slice(0, blank), line.slice(blank + 1)];
    if (key === 'has') has.add(value);
    else values.set(key, value);
  }
  const get = (key: string): string => values.get(key) ?? '';
  return {
    pid: get('pid'),
    started: get('started'),
    container: get('container'),
    hostname: get('hostname'),
    home: get('home'),
    disk: get('disk'),
    memory: get('memory'),
    has,
  };
}
