// The embedded database file: who may read it, whether its file system bears it, whether there is room.
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { sqliteLocation } from '../../util/index.ts';
import { type Finding, Findings } from './finding.ts';

/** File systems on which several machines, or programs of two systems, do not share the memory that the journal needs. */
const UNSAFE: ReadonlyMap<number, string> = new Map([
  [0x69_69, 'NFS'],
  [0xff_53_4d_42, 'SMB'],
  [0xfe_53_4d_42, 'SMB'],
  [0x51_7b, 'SMB'],
  [0x01_02_19_97, '9p'],
  [0x5b_4b_e3_84, 'AFS'],
  [0x73_75_72_45, 'Coda'],
  [0x0b_d0_0b_d0, 'Lustre'],
  [0x01_16_19_70, 'GFS2'],
  [0x00_c3_64_00, 'Ceph'],
]);
const FUSE = 0x65_73_55_46;
const LEAST_FREE = 200 * 2 ** 20;

export function judgeFileSystem(type: number, findings: Findings): void {
  const name = UNSAFE.get(type >>> 0);
  if (name !== undefined)
    findings.fail(
      `it lies on a network file system (${name}), on which SQLite's journal loses data`,
      'Put it on a local disk: sqlite:///path.',
    );
  else if (type >>> 0 === FUSE)
    findings.warn('it lies on a FUSE file system, which may or may not bear SQLite', 'Put it on a local disk: sqlite:///path.');
  else findings.ok('its file system bears it');
}

export interface EmbeddedQuestion {
  readonly url: string;
  readonly appName: string;
  readonly transportOptions: Readonly<Record<string, unknown>>;
  readonly isProduction: boolean;
}

export function askEmbedded({ url, appName, transportOptions, isProduction }: EmbeddedQuestion): readonly Finding[] {
  const { path } = sqliteLocation(url, appName, transportOptions);
  const findings = new Findings('embedded');
  let folder = dirname(path);
  while (!existsSync(folder)) folder = dirname(folder);
  findings.ok(`file ${path}${existsSync(path) ? '' : ' (not there yet)'}`);
  judgeRights(path, folder, findings);
  const { type, bavail, bsize } = statfsSync(folder);
  judgeFileSystem(type, findings);
  const free = bavail * bsize;
  if (free < LEAST_FREE)
    findings.warn(
      `only ${Math.round(free / 2 ** 20)} MiB are free on its disk`,
      'Make room: what does not fit cannot be published.',
    );
  if (isProduction)
    findings.note(
      'NODE_ENV is production: only programs of this machine can work on its tasks',
      'For several machines: redis:// or amqp://.',
    );
  return findings.list;
}

function judgeRights(path: string, folder: string, findings: Findings): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`].filter((name) => existsSync(name))) {
    const { mode, uid } = statSync(file);
    const rights = (mode & 0o777).toString(8);
    if ((mode & 0o077) !== 0)
      findings.warn(`others may read ${file} (mode ${rights}): messages and results`, `chmod 600 ${file}`);
    const own = process.getuid?.() ?? uid;
    if (own !== 0 && uid !== own)
      findings.fail(
        `${file} belongs to another user (${uid})`,
        'Run every program of the app as one user, or give each a file of its own.',
      );
  }
  try {
    accessSync(folder, constants.W_OK);
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
  } catch {
    findings.fail(`${folder} cannot be written`, `Give this user rights there, or name another file: -b sqlite:///path`);
  }
}
