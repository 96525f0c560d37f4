import { type Person, permissions } from '../../../hub/src/domain/hub/index.ts';
import type { PersonName } from './scenario.ts';

const names: readonly PersonName[] = ['ada', 'bob', 'cyn'];

export const personOf = (name: PersonName): Person => ({
  subject: name,
  groups: [],
  emails: [`${name}@example.com`],
  permissions,
});

/** Everybody whom the hub knows. */
export const people: readonly Person[] = names.map(personOf);
