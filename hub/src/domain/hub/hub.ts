import { err, ok, type Result, unreachable } from '@fairlead/shared/result';
import type { HubEvent } from '../events.ts';
import { mayDo, type Owned, type Person, personOf } from './people.ts';

export type HubToken = Owned & {
  readonly tokenId: string;
  /** SHA-256 of the token in hex. */
  readonly hash: string;
};

export type HubState = {
  readonly identity?: { readonly hubId: string; readonly epoch: number };
  /** Those that are good, by id. */
  readonly tokens: ReadonlyMap<string, HubToken>;
};

export type HubCommand =
  | { type: 'initialise'; hubId: string; epoch: number }
  | { type: 'advance-epoch'; epoch: number; reason: string }
  /** `by` is absent where the hub itself issues its first token. */
  | ({ type: 'issue-token'; by?: Person } & HubToken)
  | { type: 'revoke-token'; tokenId: string };

export type HubRejection = {
  readonly code:
    | 'hub_already_initialised'
    | 'hub_not_initialised'
    | 'epoch_not_newer'
    | 'token_already_exists'
    | 'token_not_found'
    | 'permission_missing';
  readonly detail: string;
};

type Decision = Result<HubEvent[], HubRejection>;

export const initialHubState: HubState = { tokens: new Map() };

const refuse = (code: HubRejection['code'], detail: string): Decision => err({ code, detail });

export function decideHub(state: HubState, command: HubCommand): Decision {
  switch (command.type) {
    case 'initialise':
      return state.identity
        ? refuse('hub_already_initialised', `This hub is ${state.identity.hubId} already.`)
        : ok([{ type: 'HubInitialised', hubId: command.hubId, epoch: command.epoch }]);
    case 'advance-epoch': {
      const { epoch, reason } = command;
      if (!state.identity) return refuse('hub_not_initialised', 'Start the hub once first.');
      return epoch > state.identity.epoch
        ? ok([{ type: 'EpochAdvanced', epoch, reason }])
        : refuse('epoch_not_newer', `The epoch is ${state.identity.epoch}; it only ever grows.`);
    }
    case 'issue-token':
      return issueToken(state, command);
    case 'revoke-token':
      return state.tokens.has(command.tokenId)
        ? ok([{ type: 'TokenRevoked', tokenId: command.tokenId }])
        : refuse('token_not_found', 'No token has this id, or it is revoked already.');
    default:
      return unreachable(command);
  }
}

/** Nobody gives away a right that they do not have, so that the right to issue tokens is not every right. */
function issueToken(
  state: HubState,
  { by, type: _, ...token }: Extract<HubCommand, { type: 'issue-token' }>,
): Decision {
  const { tokenId, name } = token;
  const taken = [...state.tokens.values()].some(
    (known) => known.tokenId === tokenId || known.name === name,
  );
  if (taken)
    return refuse('token_already_exists', `A token named ${name} exists. Revoke it first.`);
  const missing = by && personOf(token).permissions.filter((one) => !mayDo(by, one));
  if (by && missing && missing.length > 0) {
    return refuse(
      'permission_missing',
      `${by.subject} cannot give away what they may not do themselves: ${missing.join(', ')}.`,
    );
  }
  return ok([{ type: 'TokenIssued', ...token }]);
}

export function evolveHub(state: HubState, event: HubEvent): HubState {
  switch (event.type) {
    case 'HubInitialised':
      return { ...state, identity: { hubId: event.hubId, epoch: event.epoch } };
    case 'EpochAdvanced':
      return state.identity
        ? { ...state, identity: { ...state.identity, epoch: event.epoch } }
        : state;
    case 'TokenIssued': {
      const { type: _, ...token } = event;
      return { ...state, tokens: new Map(state.tokens).set(token.tokenId, token) };
    }
    case 'TokenRevoked': {
      const tokens = new Map(state.tokens);
      tokens.delete(event.tokenId);
      return { ...state, tokens };
    }
    default:
      return unreachable(event);
  }
}
