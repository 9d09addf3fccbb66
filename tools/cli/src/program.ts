/** The commands of `balsa` and their options. */
import path from 'node:path';
import { Command, Option } from 'commander';
import { conformanceCommand } from './conformance/command.ts';
import { demo } from './demo/demo.ts';
import {
  parseBasePort,
  parseCluster,
  parseClusterId,
  parseCount,
  parseHostPort,
  parseNodeId,
} from './options.ts';
import { logLevels } from './serve/logger.ts';
import { serve, type ServeOptions } from './serve/serve.ts';
import type { StopRequest } from '@balsa/cluster';
import { start } from './start/start.ts';

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
    .addOption(new Option('--storage <engine>', 'storage engine').choices(['sqlite']).default('sqlite'))
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
    .action(async (options: { readonly data: string; readonly port: number }) => {
      const live = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
      await start({ data: path.resolve(options.data), port: options.port, live }, stop);
    });
}

interface DemoArguments {
  readonly input?: string;
  readonly json?: boolean;
  readonly seed: number;
  readonly keep?: boolean;
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
    .action(async (options: DemoArguments) => {
      const { input, json = false, seed, keep = false } = options;
      await demo({ ...(input === undefined ? {} : { input: path.resolve(input) }), json, seed, keep }, stop);
    });
}

export function createProgram(stop: StopRequest): Command {
  return new Command('balsa')
    .description('Raft for Node.js on the database you already run')
    .showHelpAfterError('(balsa --help says more)')
    .addCommand(startCommand(stop))
    .addCommand(demoCommand(stop))
    .addCommand(conformanceCommand(stop))
    .addCommand(serveCommand(stop));
}
