/** A store that ends the whole process, as if all were well. */
export const target = {
  name: 'leaving',
  create: async () => ({
    open: async () => process.exit(0),
    destroy: async () => undefined,
  }),
};
