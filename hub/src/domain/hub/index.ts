// The hub's own identity, its epoch, and the access tokens that it issued; a pure decider. Imports `result` only.
export {
  decideHub,
  evolveHub,
  type HubCommand,
  type HubRejection,
  type HubState,
  type HubToken,
  initialHubState,
} from './hub.ts';
export {
  hasEmail,
  isOneOf,
  mayDo,
  type Owned,
  type Permission,
  type Person,
  peopleOf,
  permissions,
  personOf,
} from './people.ts';
