// What can be said without a broker: Node, the user, keys, addresses, settings that do nothing.
import { existsSync, statSync } from 'node:fs';
import { idleSettings, type Lovage, messageGuardOf } from '../../app/index.ts';
import { redactUrl, systemClock, version } from '../../util/index.ts';
import { type Finding, Findings } from './finding.ts';

/** The versions that package.json names in `engines`. */
const NODE_22 = [22, 22, 3] as const;
const NODE_24 = [24, 15, 0] as const;

function isBelow(own: readonly number[], least: readonly number[]): boolean {
  const at = least.findIndex((part, index) => part !== own[index]);
  return at >= 0 && (own[at] ?? 0) < (least[at] ?? 0);
}

export function judgeNode(node: string, findings: Findings): void {
  const own = node.split('.').map(Number);
  const least = own[0] === NODE_22[0] ? NODE_22 : NODE_24;
  if (isBelow(own, least))
    findings.fail(
      `Node ${node} is older than Lovage needs`,
      `Use Node ${NODE_22.join('.')} or later of its line, or ${NODE_24.join('.')} or later.`,
    );
  else findings.ok(`Lovage ${version()} on Node ${node}`);
}

function judgeUser(findings: Findings): void {
  if (process.getuid?.() === 0)
    findings.note(
      'this runs as root, as a worker started here would',
      'Give workers a user of their own: lovage worker --uid, --gid.',
    );
}

export function askMachine(): readonly Finding[] {
  const findings = new Findings('node');
  judgeNode(process.versions.node, findings);
  judgeUser(findings);
  return findings.list;
}

function judgeKeyFile(name: string, file: string, findings: Findings): void {
  if (!existsSync(file)) {
    findings.fail(`${name}: there is no file ${file}`, 'Name the file of the key.');
    return;
  }
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) !== 0)
    findings.warn(`others may read ${file} (mode ${mode.toString(8)}), the key of ${name}`, `chmod 600 ${file}`);
}

export function askSecurity({ settings }: Lovage): readonly Finding[] {
  const findings = new Findings('security');
  const { securityKey, signingKeys, signingKey, signingRequired } = settings;
  if (securityKey !== null) judgeKeyFile('securityKey', securityKey, findings);
  for (const [id, key] of Object.entries(signingKeys)) {
    if (typeof key === 'object' && 'file' in key) judgeKeyFile(`signingKeys.${id}`, key.file, findings);
  }
  if (signingKey !== null && signingKeys[signingKey] === undefined)
    findings.fail(`signingKey is '${signingKey}', which signingKeys does not have`, 'Add the key, or name another one.');
  if (signingRequired !== false && Object.keys(signingKeys).length === 0)
    findings.fail('signingRequired is on and signingKeys is empty: every message is refused', 'Add the keys, or switch it off.');
  try {
    messageGuardOf(settings, systemClock, () => false);
  } catch (error) {
    findings.fail(`the keys cannot be read: ${(error as Error).message}`, 'See docs/security.md.');
  }
  return findings.list;
}

const LOCAL = /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|)$/i;

/** A password that goes over a network in the clear. */
export function judgeAddress(name: string, url: string, hasTls: boolean, findings: Findings): void {
  for (const one of url.split(';')) {
    const [, scheme = '', login = '', host = ''] = /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/]*)@)?(\[[^\]]*\]|[^:/?]*)/i.exec(one) ?? [];
    if (!/^(redis|sentinel|amqp|pyamqp)$/i.test(scheme) || LOCAL.test(host) || hasTls) continue;
    findings.warn(
      `${name} ${redactUrl(one)} is not encrypted: ${login === '' ? 'messages go' : 'password and messages go'} over the network in the clear`,
      `Use ${/^redis$/i.test(scheme) ? 'rediss://' : 'TLS (amqps://, brokerUseSsl)'} where the network is not your own.`,
    );
  }
}

export function askSettings({ settings }: Lovage): readonly Finding[] {
  const findings = new Findings('settings');
  for (const line of idleSettings(settings)) findings.note(line.replace(/\.$/, ''));
  return findings.list;
}
