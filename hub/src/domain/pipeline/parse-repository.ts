import type { ProjectName, RepositoryName } from '@fairlead/shared/ids';
import type { RepositoryDefinition, VerificationPolicy } from './definition.ts';
import { isSecretName, readSecretName } from './names.ts';
import {
  fault,
  isAbsent,
  type Node,
  readBoolean,
  readChoice,
  readDuration,
  readMapping,
  readText,
} from './reader.ts';

const pollIntervalMsDefault = 60_000;
const pollIntervalMsMin = 5_000;
const scpForm = /^[\w.-]+@[\w.-]+:[^\s:]+$/;
const branchPattern = /^(?![-/.])(?!.*(\.\.|\/\/|@\{|\.lock$))[^\s~^:?*[\\]{1,244}(?<![/.])$/;

export function parseRepositorySpec(
  spec: Node,
  { name, project }: { name: RepositoryName; project: ProjectName },
): RepositoryDefinition {
  const at = readMapping(spec, {
    known: ['url', 'branch', 'credentials', 'webhook', 'pollInterval', 'stageRefs', 'verify'],
  });
  const url = readText(at('url'));
  if (url !== '' && !isRemoteUrl(url)) {
    fault(
      at('url'),
      'must be https://…, http://…, ssh://…, file:///… or user@host:path, without a password',
    );
  }
  const branch = readText(at('branch'), 'main');
  if (!branchPattern.test(branch)) fault(at('branch'), 'is no name of a Git branch');
  const credentialsSecretName = readSecretName(at('credentials'));
  const webhookSecretName = readSecretName(at('webhook'));
  const verification = verificationPolicy(at('verify'));
  return {
    name,
    project,
    url,
    branch,
    pollIntervalMs: readDuration(at('pollInterval'), {
      fallbackMs: pollIntervalMsDefault,
      minMs: pollIntervalMsMin,
    }),
    ...(credentialsSecretName === undefined ? {} : { credentialsSecretName }),
    ...(webhookSecretName === undefined ? {} : { webhookSecretName }),
    ...(readBoolean(at('stageRefs'), false) ? { stageRefs: true } : {}),
    ...(verification === undefined ? {} : { verification }),
  };
}

function verificationPolicy(node: Node): VerificationPolicy | undefined {
  if (isAbsent(node)) return undefined;
  const at = readMapping(node, { known: ['mode', 'keysRef'] });
  // Whoever writes the block wants signatures.
  const mode = readChoice(at('mode'), ['none', 'warn', 'required'], 'required');
  const keysRef = at('keysRef');
  const keysName = isAbsent(keysRef) ? undefined : readText(keysRef);
  if (keysName && !isSecretName(keysName)) {
    fault(keysRef, 'is no name of a ConfigMap or Secret');
  }
  if (mode === 'none') return undefined;
  return { mode, ...(keysName ? { keysName } : {}) };
}

function isRemoteUrl(text: string): boolean {
  if (scpForm.test(text)) return true;
  const match = /^(https?|ssh|file):\/\/(?<authority>[^/\s]*)\/\S+$/.exec(text);
  // Credentials belong into a secret, never into an address that everybody may read.
  return match !== null && !/:.*@/.test(match.groups?.authority ?? '');
}
