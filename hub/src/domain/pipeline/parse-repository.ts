import type { ProjectName, RepositoryName } from '@fairlead/shared/ids';
import type { RepositoryDefinition, VerificationPolicy } from './definition.ts';
import {
  fault,
  isAbsent,
  type Node,
  readChoice,
  readDuration,
  readMapping,
  readText,
} from './reader.ts';

const pollIntervalMsDefault = 60_000;
const pollIntervalMsMin = 5_000;
const scpForm = /^[\w.-]+@[\w.-]+:[^\s:]+$/;
const branchPattern = /^(?![-/.])(?!.*(\.\.|\/\/|@\{|\.lock$))[^\s~^:?*[\\]{1,244}(?<![/.])$/;
const secretNamePattern = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

export function parseRepositorySpec(
  spec: Node,
  { name, project }: { name: RepositoryName; project: ProjectName },
): RepositoryDefinition {
  const at = readMapping(spec, {
    known: ['url', 'branch', 'credentials', 'webhook', 'pollInterval', 'verify'],
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
  const credentialsSecretName = secretName(at('credentials'));
  const webhookSecretName = secretName(at('webhook'));
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
  if (keysName && !secretNamePattern.test(keysName)) {
    fault(keysRef, 'is no name of a ConfigMap or Secret');
  }
  if (mode === 'none') return undefined;
  return { mode, ...(keysName ? { keysName } : {}) };
}

function secretName(node: Node): string | undefined {
  if (isAbsent(node)) return undefined;
  const place = readMapping(node, { known: ['secretRef'] })('secretRef');
  const name = readText(place);
  if (name !== '' && !secretNamePattern.test(name)) fault(place, 'is no name of a secret');
  return name;
}

function isRemoteUrl(text: string): boolean {
  if (scpForm.test(text)) return true;
  const match = /^(https?|ssh|file):\/\/(?<authority>[^/\s]*)\/\S+$/.exec(text);
  // Credentials belong into a secret, never into an address that everybody may read.
  return match !== null && !/:.*@/.test(match.groups?.authority ?? '');
}
