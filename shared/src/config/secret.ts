import { inspect } from 'node:util';

/** A value that does not print: logs, JSON and string templates show `[secret]`; only `reveal` gives it. */
export type Secret<Value = string> = { readonly reveal: () => Value };

export function secret<Value>(value: Value): Secret<Value> {
  const masked = () => '[secret]';
  return Object.freeze({
    reveal: () => value,
    toString: masked,
    toJSON: masked,
    [inspect.custom]: masked,
  });
}
