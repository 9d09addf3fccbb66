/** What a figure was measured on: without it a figure means nothing. */
import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly kernel: string;
  readonly node: string;
  readonly directory: string;
  readonly fileSystem: string;
  readonly device: string;
  readonly mountOptions: string;
  /** Of the device: `write back` or `write through`, when the kernel says. */
  readonly writeCache: string;
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly commit: string;
}

interface Mount {
  readonly device: string;
  readonly point: string;
  readonly type: string;
  readonly options: string;
}

/** A load above this says that others used the machine meanwhile. */
const quietLoad = 0.3;

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Only Linux has it; the report then says "unknown".
    return undefined;
  }
}

/** The mount that holds a path: the longest point that begins it, and of several there the last. */
function mountOf(path: string): Mount | undefined {
  let found: Mount | undefined;
  for (const line of (readText('/proc/self/mounts') ?? '').split('\n')) {
    const [device, point, type, options] = line.split(' ');
    if (device === undefined || point === undefined || type === undefined || options === undefined) continue;
    const below = path === point || path.startsWith(point === '/' ? '/' : `${point}/`);
    if (below && point.length >= (found?.point.length ?? 0)) found = { device, point, type, options };
  }
  return found;
}

function commitOf(): string {
  try {
    const text = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.trim();
  } catch {
    // A package that was installed has no history.
    return 'unknown';
  }
}

export function describeMachine(directory: string): Machine {
  const path = realpathSync(directory);
  const mount = mountOf(path);
  const disk = /^\/dev\/([a-z]+|nvme\d+n\d+|mmcblk\d+)/.exec(mount?.device ?? '')?.[1];
  const cache = disk === undefined ? undefined : readText(`/sys/block/${disk}/queue/write_cache`)?.trim();
  const load = loadavg()[0] ?? 0;
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    kernel: release(),
    node: process.version,
    directory: path,
    fileSystem: mount?.type ?? 'unknown',
    device: mount?.device ?? 'unknown',
    mountOptions: mount?.options ?? 'unknown',
    writeCache: cache ?? 'unknown',
    loadBefore: load,
    loadAfter: load,
    commit: commitOf(),
  };
}

/** What makes the figures doubtful, in sentences. */
export function machineWarnings(machine: Machine): string[] {
  const warnings: string[] = [];
  if (['tmpfs', 'ramfs'].includes(machine.fileSystem)) {
    warnings.push(
      `${machine.directory} lies in memory (${machine.fileSystem}): a sync costs nothing there; name a place on a disk with --directory`,
    );
  }
  if (machine.loadBefore > quietLoad) {
    warnings.push(
      `the load average was ${machine.loadBefore.toFixed(2)} before the run, above ${quietLoad}: something else used the machine, and the ratios of a round are worth more than the figures`,
    );
  }
  if (process.platform !== 'linux')
    warnings.push('CPU of servers, bytes written and the durability probe are known on Linux only');
  return warnings;
}
