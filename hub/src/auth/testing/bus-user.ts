import { createUser } from '@nats-io/nkeys';

export function newBusUser(): { publicKey: string; seed: Uint8Array } {
  const keys = createUser();
  return { publicKey: keys.getPublicKey(), seed: keys.getSeed() };
}
