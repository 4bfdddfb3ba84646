/**
 * The names inside a tree that a pod sends, before anything is written: what a malicious pod could say.
 * They are bytes, since not every legal name is UTF-8.
 */

const SLASH = '/';

/**
 * Whether a relative name can only mean something below the folder it is put into: no absolute name, no empty
 * name, no `.`, `..`, `//` or NUL. Whether one of its folders is a symlink, only the disk can tell: create
 * folders one by one, and see with lstat that each is one.
 */
export function isSafeTreeName(name: Uint8Array): boolean {
  const text = Buffer.from(name).toString('latin1');
  if (text.includes('\0')) return false;
  return text.split(SLASH).every((part) => part !== '' && part !== '.' && part !== '..');
}

/**
 * Whether a symlink named `name` (relative to the tree's root, and safe) that points to `target` stays in the
 * tree, whatever other links are in it that stay there too. So `..` may only stand at the beginning of a target,
 * where it goes up from a real folder: after a name it would go up from wherever that name leads.
 */
export function linkStaysInTree(name: Uint8Array, target: Uint8Array): boolean {
  const to = Buffer.from(target).toString('latin1');
  if (to === '' || to.startsWith(SLASH) || to.includes('\0')) return false;
  const depth = Buffer.from(name).toString('latin1').split(SLASH).length - 1;
  let ups = 0;
  let hasGoneDown = false;
  for (const part of to.split(SLASH)) {
    if (part === '' || part === '.') continue;
    if (part !== '..') hasGoneDown = true;
    else if (hasGoneDown || ++ups > depth) return false;
  }
  return true;
}
