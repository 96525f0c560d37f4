// @peculiar/x509 finds its algorithms through a container that reads decorator metadata with the three functions of
// the reflect-metadata proposal below. It refuses to load without them, so this file is imported before it, and
// touches nothing where a real implementation is present.

type Metadata = {
  getMetadata?: (key: string, target: object) => unknown;
  getOwnMetadata?: (key: string, target: object) => unknown;
  defineMetadata?: (key: string, value: unknown, target: object) => void;
};

const reflect = Reflect as Metadata;

if (reflect.getMetadata === undefined) {
  const values = new WeakMap<object, Map<string, unknown>>();
  reflect.getOwnMetadata = (key, target) => values.get(target)?.get(key);
  reflect.getMetadata = (key, target) => {
    let current: object | null = target;
    while (current !== null) {
      const own = values.get(current);
      if (own?.has(key)) return own.get(key);
      current = Object.getPrototypeOf(current);
    }
    return undefined;
  };
  reflect.defineMetadata = (key, value, target) => {
    const own = values.get(target) ?? new Map<string, unknown>();
    own.set(key, value);
    values.set(target, own);
  };
}
