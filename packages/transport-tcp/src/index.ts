/**
 * The network between Balsa processes, on TCP.
 * @packageDocumentation
 */
export { createTcpTransport, type TcpTransport, type TcpTransportStats } from './tcp-transport.ts';
export {
  defaultLimits,
  formatAddress,
  parseAddress,
  type Authenticator,
  type ServerFactory,
  type SocketFactory,
  type TcpLimits,
  type TcpTransportOptions,
} from './options.ts';
