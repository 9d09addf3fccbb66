/** In the making. */
export {};
