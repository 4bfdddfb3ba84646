import { checkedHost, checkedPort } from './address-rules.ts';
import { badInput, shown } from './bad-input.ts';
import type { Login } from './login.ts';

/**
 * The logins in lines such as `TCP port -> 69.48.159.6:25634 -> :22` (the web page's “Direct TCP Ports”) and
 * `69.48.159.6:25634->22 (pub,tcp)` (runpodctl's table): the user is root. Lines for other ports than 22 are no
 * logins; `others` names them.
 */
export function loginsInTcpPorts(text: string): { logins: Login[]; others: string[] } {
  const logins: Login[] = [];
  const others: string[] = [];
  const words = text
    .replace(/->|=>|[→➔➜⟶⇒]/g, ' -> ')
    .replace(/\),/g, ') ')
    .split(/\s+/)
    .map((word) => word.replace(/^[`"'(*]{1,9}(?=[A-Za-z0-9[])/, ''));
  words.forEach((word, at) => {
    const place = /^([A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\]):(\d{1,9})$/.exec(word);
    const arrow = words[at + 1] === '->';
    const inner = words[at + (arrow ? 2 : 1)] ?? '';
    const port = /^:?(\d{1,5})[.,;`"')*]{0,9}$/.exec(inner);
    // `prv` in runpodctl's table: reachable inside RunPod's network only.
    const isPrivate = words[at + 3]?.startsWith('prv') || words[at + 3]?.startsWith('(prv');
    if (!place || !port || isPrivate || !(arrow || inner.startsWith(':'))) return;
    if (port[1] !== '22') {
      others.push(word);
    } else {
      const host = checkedHost((place[1] ?? '').replace(/^\[|\]$/g, ''));
      logins.push({ host, port: checkedPort(place[2] ?? ''), user: 'root', remarks: [] });
    }
  });
  return { logins, others };
}

/** The failure for a list of ports without SSH's among them. */
export function noSshPort(others: string[]) {
  return badInput(
    `${shown(others[0] ?? '')} leads to another port of the pod than 22, where SSH listens.`,
    'Paste the line that ends in :22. If there is none, the pod doesn’t expose TCP port 22: add it in the pod’s settings, or paste the string under “SSH”.',
  );
}
