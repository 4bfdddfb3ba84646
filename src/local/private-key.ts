/** How much of a file's beginning `looksLikePrivateKey` wants to see, in bytes. */
export const PRIVATE_KEY_PROBE_BYTES = 16_384;

/** What the first line of a file of keys or certificates looks like: PEM armour, or what openssl writes above it. */
const KEY_FILE = /^(?:-----BEGIN |---- BEGIN |Bag Attributes|Key Attributes|#|[A-Za-z ]+: )/;
const PRIVATE_PART = /^-----? ?BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-?/m;

const OTHER_KEYS = [
  /^PuTTY-User-Key-File-\d/,
  /^SSH PRIVATE KEY FILE FORMAT/,
  /^(?:#[^\n]*\n\s*)*AGE-(?:PLUGIN-[A-Z0-9-]+-|SECRET-KEY-)/,
  // a service account of Google Cloud
  /^\{[^{}]*"private_key"\s*:\s*"-----BEGIN/,
];

/**
 * Whether a file whose content begins like this is a private key, whatever its name: PEM and OpenSSH (also
 * below a certificate in the same file), PuTTY, PGP, SSH2, age, a service account.
 */
export function looksLikePrivateKey(beginning: Uint8Array): boolean {
  const probe = beginning.subarray(0, PRIVATE_KEY_PROBE_BYTES);
  const text = Buffer.from(probe)
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .replace(/\r\n?/g, '\n')
    .trimStart();
  if (OTHER_KEYS.some((pattern) => pattern.test(text))) return true;
  return KEY_FILE.test(text) && PRIVATE_PART.test(text);
}
