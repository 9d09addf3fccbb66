/** PING ECHO HELLO AUTH SELECT QUIT RESET CLIENT: what concerns the connection alone. */
import { array, bulk, error, integer, map, nil, ok, simple, verbatim, type Reply } from '../resp/reply.ts';
import type { KvService } from '../server/service.ts';
import type { Session } from '../server/session.ts';
import { notAnInteger, syntaxError, unknownSubcommand, wrongArity } from './errors.ts';
import type { LocalSpec } from './spec.ts';

/** What clients take us for: a Redis of this version, as far as the commands go that are there. */
export const redisVersion = '7.2.0';

function local(
  name: string,
  arity: number,
  since: string,
  summary: string,
  run: LocalSpec['run'],
  flags: readonly string[] = ['fast'],
): LocalSpec {
  return { name, kind: 'local', arity, flags, group: 'connection', summary, since, run };
}

const badName = error('ERR Client names cannot contain spaces, newlines or special characters.');

export const connectionCommands: readonly LocalSpec[] = [
  local('ping', -1, '1.0.0', 'Answers PONG, or the argument.', (args) => {
    if (args.length > 1) return wrongArity('ping');
    return args[0] === undefined ? simple('PONG') : bulk(args[0]);
  }),
  local('echo', 2, '1.0.0', 'Answers the argument.', ([text = Buffer.alloc(0)]) => bulk(text)),
  local('hello', -1, '6.0.0', 'Chooses the protocol version and describes the server.', hello, [
    'noscript',
    'fast',
  ]),
  local('auth', -2, '1.0.0', 'Checks a user; there is only the default one, without a password.', auth, [
    'noscript',
    'fast',
  ]),
  local('select', 2, '1.0.0', 'Chooses a database; there is only 0.', ([index = Buffer.alloc(0)]) => {
    const text = index.toString('latin1');
    if (!/^-?[0-9]{1,9}$/.test(text)) return notAnInteger;
    return Number(text) === 0 ? ok : error('ERR DB index is out of range');
  }),
  local('quit', -1, '1.0.0', 'Closes the connection.', (_args, session) => {
    session.quit = true;
    return ok;
  }),
  local('reset', 1, '6.2.0', 'Puts the connection back to how it began.', (_args, session) => {
    session.proto = 2;
    session.name = '';
    return simple('RESET');
  }),
  local('client', -2, '2.4.0', 'Names and describes connections.', client, ['noscript', 'loading', 'stale']),
];

function hello(args: readonly Buffer[], session: Session, service: KvService): Reply {
  let proto = session.proto;
  let name: string | undefined;
  const wanted = args[0]?.toString('latin1');
  if (wanted !== undefined) {
    if (!/^-?[0-9]{1,18}$/.test(wanted))
      return error('ERR Protocol version is not an integer or out of range');
    if (wanted !== '2' && wanted !== '3') return error('NOPROTO unsupported protocol version');
    proto = wanted === '2' ? 2 : 3;
  }
  for (let i = 1; i < args.length; i += 1) {
    const word = args[i]?.toString('latin1') ?? '';
    if (word.toUpperCase() === 'AUTH' && i + 2 < args.length) {
      if (args[i + 1]?.toString() !== 'default') return wrongPassword;
      i += 2;
    } else if (word.toUpperCase() === 'SETNAME' && i + 1 < args.length) {
      name = args[i + 1]?.toString('latin1') ?? '';
      if (!isName(name)) return badName;
      i += 1;
    } else {
      return error(`ERR Syntax error in HELLO option '${word.slice(0, 128)}'`);
    }
  }
  session.proto = proto;
  session.name = name ?? session.name;
  // The role is always master: a client that looks for a writable node has found one on any member.
  return map([
    ['server', bulk('redis')],
    ['version', bulk(redisVersion)],
    ['proto', integer(proto)],
    ['id', integer(session.id)],
    ['mode', bulk('standalone')],
    ['role', bulk('master')],
    ['modules', array([])],
    ['balsa_node', integer(service.log.status().id)],
  ]);
}

const wrongPassword = error('WRONGPASS invalid username-password pair or user is disabled.');

function auth(args: readonly Buffer[]): Reply {
  if (args.length > 2) return syntaxError;
  if (args.length === 2) return args[0]?.toString() === 'default' ? ok : wrongPassword;
  return error(
    'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
  );
}

function isName(text: string): boolean {
  return /^[!-~]{0,256}$/.test(text);
}

function client(args: readonly Buffer[], session: Session, service: KvService): Reply {
  const [sub, first, second] = args;
  const word = sub?.toString('latin1').toLowerCase() ?? '';
  const wanted = clientArity.get(word);
  if (wanted === undefined) return unknownSubcommand('client', sub);
  if (args.length !== wanted && word !== 'list') return wrongArity(`client|${word}`);
  switch (word) {
    case 'id':
      return integer(session.id);
    case 'getname':
      return session.name === '' ? nil : bulk(session.name);
    case 'setname': {
      const name = first?.toString('latin1') ?? '';
      if (!isName(name)) return badName;
      session.name = name;
      return ok;
    }
    case 'setinfo':
      return setInfo(
        first?.toString('latin1').toLowerCase() ?? '',
        second?.toString('latin1') ?? '',
        session,
      );
    case 'info':
      return verbatim(`${describe(session)}\n`);
    case 'list':
      return verbatim(
        service
          .sessions()
          .map((each) => `${describe(each)}\n`)
          .join(''),
      );
    case 'help':
      return array([...clientArity.keys()].map((name) => simple(`CLIENT ${name.toUpperCase()}`)));
    default:
      // NO-EVICT and NO-TOUCH: nothing is ever evicted here, so there is nothing to turn off.
      return /^(?:on|off)$/i.test(first?.toString('latin1') ?? '') ? ok : syntaxError;
  }
}

/** Subcommands and their number of arguments, the subcommand included. */
const clientArity: ReadonlyMap<string, number> = new Map([
  ['id', 1],
  ['getname', 1],
  ['setname', 2],
  ['setinfo', 3],
  ['info', 1],
  ['list', 1],
  ['no-evict', 2],
  ['no-touch', 2],
  ['help', 1],
]);

function setInfo(attribute: string, value: string, session: Session): Reply {
  if (attribute !== 'lib-name' && attribute !== 'lib-ver') {
    return error(`ERR Unrecognized option '${attribute.slice(0, 128)}'`);
  }
  if (!isName(value)) return error(`ERR ${attribute} cannot contain spaces, newlines or special characters.`);
  if (attribute === 'lib-name') session.libName = value;
  else session.libVersion = value;
  return ok;
}

function describe(session: Session): string {
  const { id, address, name, proto, libName, libVersion } = session;
  return `id=${String(id)} addr=${address} name=${name} db=0 resp=${String(proto)} lib-name=${libName} lib-ver=${libVersion}`;
}
