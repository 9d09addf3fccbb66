/** The commands of `balsa` and their options. */
import path from 'node:path';
import { planStorages, type StopRequest } from '@balsa/cluster';
import { persistentEngineNames, type RawOptions } from '@balsa/engines';
import { Command, Option } from 'commander';
import { benchCommand } from '@balsa/bench';
import { conformanceCommand } from './conformance/command.ts';
import { demo } from './demo/demo.ts';
import { inspectCommand } from './inspect/command.ts';
import {
  addEngineOption,
  parseBasePort,
  parseCluster,
  parseClusterId,
  parseCount,
  parseHostPort,
  parseNodeId,
} from './options.ts';
import { logLevels } from './serve/logger.ts';
import { serve, type ServeOptions } from './serve/serve.ts';
import { start } from './start/start.ts';

const storageMeaning = `${persistentEngineNames.join(', ')}, or the path of a module (default: what the directory was made with; sqlite for a new one)`;
const storagesMeaning = `${persistentEngineNames.join(', ')}; or one for each node, as in sqlite,redis,rocksdb`;

/** May be repeated. */
function storageOption(): Option {
  return new Option(
    '--storage-option <key=value>',
    'of the engine, for example worker=true; may be repeated',
  ).argParser(addEngineOption);
}

function serveCommand(stop: StopRequest): Command {
  return new Command('serve')
    .description('run one node in this process')
    .requiredOption('--id <n>', 'id of this node, never used before in the cluster', parseNodeId)
    .requiredOption('--data <dir>', 'data directory of this node')
    .requiredOption('--raft <host:port>', 'where it listens for the other nodes', parseHostPort)
    .requiredOption('--resp <host:port>', 'where it listens for Redis clients', parseHostPort)
    .requiredOption(
      '--http <host:port>',
      'where it listens for health, metrics and administration',
      parseHostPort,
    )
    .requiredOption('--cluster <list>', 'members as ID=HOST:PORT,... (their --raft addresses)', parseCluster)
    .option('--cluster-id <hex>', 'sixteen hexadecimal digits, the same on all members', parseClusterId)
    .option('--bootstrap', 'found the cluster when the data directory is empty')
    .option('--join', 'wait to be added to a cluster when the data directory is empty')
    .option('--storage <engine>', storageMeaning)
    .addOption(storageOption())
    .option(
      '--log-keep <entries>',
      'entries that stay in the log for followers that are a little behind',
      parseCount,
    )
    .addOption(new Option('--log-level <level>', 'of the lines on stderr').choices(logLevels).default('info'))
    .action(async (options: ServeOptions) => {
      await serve({ ...options, data: path.resolve(options.data) }, stop);
    });
}

interface StartArguments {
  readonly data: string;
  readonly port: number;
  readonly storage?: string;
  readonly storageOption?: RawOptions;
}

function startCommand(stop: StopRequest): Command {
  return new Command('start')
    .description('run a cluster of three nodes on this machine, and show how it does')
    .option('--data <dir>', 'data directory of the cluster', '.balsa')
    .option(
      '--port <base>',
      'ports: base+1..3 RESP, base+101..103 HTTP, base+201..203 Raft',
      parseBasePort,
      7000,
    )
    .option(
      '--storage <engines>',
      `${storagesMeaning} (default: what the directory was made with; sqlite for a new one)`,
    )
    .addOption(storageOption())
    .action(async (options: StartArguments) => {
      const { data, port, storage, storageOption: raw = {} } = options;
      const live = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
      const storages = storage === undefined ? undefined : await planStorages(storage, raw, 3);
      await start({ data: path.resolve(data), port, live, storages }, stop);
    });
}

interface DemoArguments {
  readonly input?: string;
  readonly json?: boolean;
  readonly seed: number;
  readonly keep?: boolean;
  readonly storage: string;
  readonly storageOption?: RawOptions;
}

function demoCommand(stop: StopRequest): Command {
  return new Command('demo')
    .description(
      'tell the story of a cluster that loses its leader, a follower and a disk, and check every operation',
    )
    .option('--input <file>', 'lines of {"key":...,"value":...}; else the packages of package-lock.json')
    .option('--json', 'end with one line of JSON on stdout; the story goes to stderr')
    .option('--seed <n>', 'seed of the choices that the demo makes', parseCount, 1)
    .option('--keep', 'keep the temporary directory with data and logs')
    .option('--storage <engines>', storagesMeaning, 'sqlite')
    .addOption(storageOption())
    .action(async (options: DemoArguments) => {
      const { input, json = false, seed, keep = false } = options;
      const storages = await planStorages(options.storage, options.storageOption ?? {}, 3);
      const file = input === undefined ? {} : { input: path.resolve(input) };
      await demo({ ...file, json, seed, keep, storages }, stop);
    });
}

export function createProgram(stop: StopRequest): Command {
  return new Command('balsa')
    .description('Raft for Node.js on the database you already run')
    .showHelpAfterError('(balsa --help says more)')
    .addCommand(startCommand(stop))
    .addCommand(demoCommand(stop))
    .addCommand(conformanceCommand(stop))
    .addCommand(benchCommand(stop.signal))
    .addCommand(inspectCommand(stop))
    .addCommand(serveCommand(stop));
}
