// Which watches are open, and on connections of which age: those from before the certificates were replaced are ended
// once the new ones have been seen to work.

export interface Watches {
  /** A watch that `cancel` ends. */
  add(cancel: () => void): Disposable & { isRenewed(): boolean };
  /** All that are there now are old. */
  age(): void;
  /** Ends the old ones. */
  renew(): void;
}

export function createWatches(): Watches {
  const open = new Set<{ isOld: boolean; isRenewed: boolean; readonly cancel: () => void }>();
  return {
    add(cancel) {
      const watch = { isOld: false, isRenewed: false, cancel };
      open.add(watch);
      return { isRenewed: () => watch.isRenewed, [Symbol.dispose]: () => void open.delete(watch) };
    },
    age() {
      for (const watch of open) watch.isOld = true;
    },
    renew() {
      for (const watch of [...open].filter(({ isOld }) => isOld)) {
        watch.isRenewed = true;
        watch.cancel();
      }
    },
  };
}
