import { type PipelineName, parseName } from '@fairlead/shared/ids';
import type { RenderPolicy } from './definition.ts';
import { checkPath } from './paths.ts';
import {
  fault,
  isAbsent,
  type Node,
  readEntries,
  readList,
  readMapping,
  readText,
} from './reader.ts';

const helmReleaseNameMax = 53;
const substitutionsMax = 200;
const substitutionPattern = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const substitutionLengthMax = 4_096;

export function parseRender(node: Node, pipeline: PipelineName): RenderPolicy {
  const at = readMapping(node, { known: ['helm', 'substitute', 'decrypt'] });
  const substitution = parseSubstitution(at('substitute'));
  const sopsSecretName = parseSopsSecret(at('decrypt'));
  return {
    helm: parseHelm(at('helm'), pipeline),
    ...(substitution === undefined ? {} : { substitution }),
    ...(sopsSecretName === undefined ? {} : { sopsSecretName }),
  };
}

function parseHelm(node: Node, pipeline: PipelineName): RenderPolicy['helm'] {
  const helm = readMapping(node, { known: ['releaseName', 'valuesFiles', 'values'] });
  // Helm takes at most 53 characters. Ownership never goes by this name, so a shortened one may repeat.
  const fallback = pipeline.slice(0, helmReleaseNameMax).replace(/-+$/, '');
  const releaseName = readText(helm('releaseName'), fallback);
  const isGiven = !isAbsent(helm('releaseName'));
  if (isGiven && (!parseName(releaseName).ok || releaseName.length > helmReleaseNameMax)) {
    fault(
      helm('releaseName'),
      `must have at most ${helmReleaseNameMax} characters a-z, 0-9 and "-"`,
    );
  }
  const valuesFiles = readList(helm('valuesFiles')).map((each) => {
    const file = readText(each);
    if (file !== '') checkPath(each, file);
    return file;
  });
  const values = helm('values');
  if (!isAbsent(values) && (typeof values.value !== 'object' || Array.isArray(values.value))) {
    fault(values, 'must be a mapping');
  }
  return { releaseName, valuesFiles, values: (values.value ?? {}) as Record<string, unknown> };
}

/** `true` substitutes the cluster's name and labels only; a mapping brings values of the stage's own. */
function parseSubstitution(node: Node): Record<string, string> | undefined {
  if (isAbsent(node) || node.value === false) return undefined;
  if (node.value === true) return {};
  const values = readMapping(node, { known: ['values'] })('values');
  const entries = readEntries(values);
  if (entries.length > substitutionsMax) {
    fault(values, `may have at most ${substitutionsMax} values`);
  }
  return Object.fromEntries(
    entries.map((entry) => {
      const name = entry.path.slice(values.path.length + 1);
      if (!substitutionPattern.test(name)) {
        fault(entry, 'must be named by letters, digits and "_", and not begin with a digit');
      }
      const { value } = entry;
      if (typeof value !== 'string') fault(entry, 'must be text; quote it');
      else if (value.length > substitutionLengthMax) {
        fault(entry, `must have at most ${substitutionLengthMax} characters`);
      }
      return [name, String(value)];
    }),
  );
}

function parseSopsSecret(node: Node): string | undefined {
  if (isAbsent(node)) return undefined;
  const sops = readMapping(node, { known: ['sops'] })('sops');
  const name = readMapping(sops, { known: ['secretRef'] })('secretRef');
  const parsed = parseName(readText(name));
  if (!parsed.ok && !isAbsent(name)) fault(name, parsed.error);
  return String(name.value);
}
