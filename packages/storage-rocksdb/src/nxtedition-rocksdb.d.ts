/** It comes without typings. What this package calls of it stands where whoever installs this package gets it, too. */
declare module '@nxtedition/rocksdb/binding.js' {
  const binding: import('./native-binding.ts').Binding;
  export { binding as default };
}
