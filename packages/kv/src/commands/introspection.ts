/** COMMAND INFO CONFIG, and BALSA.*: what the server says about itself. */
import {
  array,
  bulk,
  error,
  integer,
  map,
  nil,
  ok,
  simple,
  type ErrorReply,
  type Reply,
} from '../resp/reply.ts';
import { infoText } from '../server/info.ts';
import type { KvService } from '../server/service.ts';
import { syntaxError, unknownSubcommand, wrongArity } from './errors.ts';
import { globMatches } from './glob.ts';
import {
  keyArguments,
  noKeys,
  type CommandSpec,
  type LocalSpec,
  type ReadPlan,
  type ReadSpec,
} from './spec.ts';

type Table = ReadonlyMap<string, CommandSpec>;

/** `table` is looked at when a command runs, so it may hold what this function returns. */
export function introspectionCommands(table: () => Table): readonly CommandSpec[] {
  const command: LocalSpec = {
    name: 'command',
    kind: 'local',
    arity: -1,
    flags: ['loading', 'stale'],
    group: 'server',
    summary: 'Describes the commands.',
    since: '2.8.13',
    run: (args) => describeCommands(args, table()),
  };
  return [command, info, config, digest, status];
}

const info: ReadSpec = {
  name: 'info',
  kind: 'read',
  arity: -1,
  flags: ['loading', 'stale'],
  group: 'server',
  summary: 'Describes server, replication, Raft and keyspace.',
  since: '1.0.0',
  plan: (args, service, session): ReadPlan => ({
    kind: 'run',
    linearizable: false,
    run: async () => {
      const text = await infoText(
        service,
        args.map((arg) => arg.toString('latin1').toLowerCase()),
      );
      return session.proto === 3 ? { kind: 'verbatim', text } : bulk(text);
    },
  }),
};

const config: LocalSpec = {
  name: 'config',
  kind: 'local',
  arity: -2,
  flags: ['admin', 'noscript', 'loading', 'stale'],
  group: 'server',
  summary: 'GET shows a few settings that clients ask for.',
  since: '2.0.0',
  run: (args, _session, service) => runConfig(args, service),
};

const digest: ReadSpec = {
  name: 'balsa.digest',
  kind: 'read',
  arity: 1,
  flags: ['readonly'],
  group: 'server',
  summary: 'Returns applied index, SHA-256 over the whole state at it, and number of keys, of this node.',
  since: '7.2.0',
  plan: (_args, service): ReadPlan => ({
    kind: 'run',
    linearizable: false,
    run: async () => {
      const { appliedIndex, digest: hex, count } = await service.digest();
      return array([integer(appliedIndex), bulk(hex), integer(count)]);
    },
  }),
};

const status: ReadSpec = {
  name: 'balsa.status',
  kind: 'read',
  arity: 1,
  flags: ['readonly', 'fast'],
  group: 'server',
  summary: 'Returns the status of this node as JSON, as GET /status does.',
  since: '7.2.0',
  plan: (_args, service): ReadPlan => ({
    kind: 'run',
    linearizable: false,
    run: () => Promise.resolve(bulk(JSON.stringify(service.statusJson()))),
  }),
};

function runConfig(args: readonly Buffer[], service: KvService): Reply {
  const [sub, ...patterns] = args;
  const word = sub?.toString('latin1').toLowerCase() ?? '';
  if (word === 'get') {
    if (patterns.length === 0) return wrongArity('config|get');
    const settings = configSettings(service).filter(([name]) =>
      patterns.some((pattern) =>
        globMatches(Buffer.from(pattern.toString('latin1').toLowerCase()), Buffer.from(name)),
      ),
    );
    return map(settings.map(([name, value]) => [name, bulk(value)] as const));
  }
  if (word === 'set')
    return error('ERR CONFIG SET is not supported: settings are given when the server starts');
  return word === 'resetstat' ? ok : unknownSubcommand('config', sub);
}

/** `save` and `appendonly` are what redis-benchmark asks for before it begins. */
function configSettings(service: KvService): readonly (readonly [string, string])[] {
  return [
    ['appendonly', 'yes'],
    ['databases', '1'],
    ['maxclients', String(service.limits.maxClients)],
    ['maxmemory', '0'],
    ['maxmemory-policy', 'noeviction'],
    ['proto-max-bulk-len', String(service.limits.maxBulkBytes)],
    ['save', ''],
  ];
}

function describeCommands(args: readonly Buffer[], table: Table): Reply {
  const [sub, ...rest] = args;
  if (sub === undefined) return array([...table.values()].map(entry));
  const names = rest.map((name) => name.toString('latin1').toLowerCase());
  switch (sub.toString('latin1').toLowerCase()) {
    case 'count':
      return names.length > 0 ? wrongArity('command|count') : integer(table.size);
    case 'list':
      return names.length > 0 ? syntaxError : array([...table.keys()].map(bulk));
    case 'info':
      return array(
        (names.length === 0 ? [...table.keys()] : names).map((name) => entryOrNil(table.get(name))),
      );
    case 'docs': {
      const specs = names.length === 0 ? [...table.values()] : names.flatMap((name) => table.get(name) ?? []);
      return map(specs.map((spec) => [spec.name, docs(spec)] as const));
    }
    case 'getkeys':
      return getKeys(rest, table);
    case 'help':
      return array(
        ['COUNT', 'LIST', 'INFO', 'DOCS', 'GETKEYS', 'HELP'].map((name) => simple(`COMMAND ${name}`)),
      );
    default:
      return unknownSubcommand('command', sub);
  }
}

function getKeys(args: readonly Buffer[], table: Table): Reply | ErrorReply {
  const name = args[0];
  if (name === undefined) return wrongArity('command|getkeys');
  const spec = table.get(name.toString('latin1').toLowerCase());
  if (spec === undefined) return error('ERR Invalid command specified');
  const keys = keyArguments(spec.keys ?? noKeys, args);
  return keys.length === 0 ? error('ERR The command has no key arguments') : array(keys.map(bulk));
}

function docs(spec: CommandSpec): Reply {
  return map([
    ['summary', bulk(spec.summary)],
    ['since', bulk(spec.since)],
    ['group', bulk(spec.group)],
  ]);
}

function entryOrNil(spec: CommandSpec | undefined): Reply {
  return spec === undefined ? nil : entry(spec);
}

/** Name, arity, flags, key positions, ACL categories, and (empty) hints, key specifications and subcommands. */
function entry(spec: CommandSpec): Reply {
  const { first, last, step } = spec.keys ?? noKeys;
  const category = spec.kind === 'local' ? '@connection' : spec.kind === 'read' ? '@read' : '@write';
  return array([
    bulk(spec.name),
    integer(spec.arity),
    { kind: 'set', items: spec.flags.map(simple) },
    integer(first),
    integer(last),
    integer(step),
    { kind: 'set', items: [simple(category)] },
    array([]),
    array([]),
    array([]),
  ]);
}
