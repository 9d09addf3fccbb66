/** It comes without typings. What this package calls of it stands in native-binding.ts, which goes to whoever installs it. */
declare module '@nxtedition/rocksdb/binding.js' {
  const binding: object;
  export { binding as default };
}
