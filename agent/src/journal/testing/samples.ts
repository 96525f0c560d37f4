import { createHash } from 'node:crypto';
import type { PipelineName } from '@fairlead/shared/ids';
import type { Assignment, AuditEntry, UnitId, UnitReport } from '../../domain/link/index.ts';
import { type GitObject, hashGitObject } from '../index.ts';

/** Content of a folder for tests: text is a file, `{link}` a symbolic link, any other object a folder. */
export type Folder = { readonly [name: string]: string | { readonly link: string } | Folder };

export type BuiltCommit = {
  readonly commit: string;
  readonly objects: ReadonlyMap<string, GitObject>;
};

/** Makes the Git objects of one commit with SHA-1 ids, as `git` would. Names are written as they are, hostile or not. */
export function buildCommit(top: Folder, note = ''): BuiltCommit {
  const objects = new Map<string, GitObject>();
  const add = (object: GitObject): string => {
    const id = hashGitObject(object, 40);
    objects.set(id, object);
    return id;
  };
  const addFolder = (folder: Folder): string => {
    const entries = Object.entries(folder).map(([name, content]) => {
      if (typeof content === 'string') {
        return { mode: '100644', name, id: add({ kind: 'blob', data: Buffer.from(content) }) };
      }
      if (typeof content.link === 'string') {
        const data = Buffer.from(content.link);
        return { mode: '120000', name, id: add({ kind: 'blob', data }) };
      }
      return { mode: '40000', name, id: addFolder(content as Folder) };
    });
    entries.sort((left, right) => (left.name < right.name ? -1 : 1));
    const data = Buffer.concat(
      entries.flatMap(({ mode, name, id }) => [
        Buffer.from(`${mode} ${name}\0`),
        Buffer.from(id, 'hex'),
      ]),
    );
    return add({ kind: 'tree', data });
  };
  const tree = addFolder(top);
  const text = `tree ${tree}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\n${note}\n`;
  return { commit: add({ kind: 'commit', data: Buffer.from(text) }), objects };
}

export const someCommit = createHash('sha1').update('some').digest('hex');

export const assignmentOf = (changes: Partial<Assignment> = {}): Assignment =>
  ({
    pipeline: 'checkout' as PipelineName,
    stage: 'staging',
    project: 'default',
    epoch: 1,
    generation: 1,
    disposition: 'run',
    repository: 'shop',
    commit: someCommit,
    path: '',
    root: '',
    render: {
      helmReleaseName: '',
      helmValuesFiles: [],
      helmValues: {},
      substitution: undefined,
      sopsSecret: '',
    },
    apply: {
      namespace: '',
      createNamespace: false,
      prune: true,
      drift: 'repair',
      adopt: 'if-unowned',
      deletionBudget: { objectsMax: 10, percentMax: 30 },
      confirmedPruneGeneration: 0,
      serviceAccount: '',
      conflicts: 'fail',
      dependsOn: [],
      ignoreDifferences: [],
      healthChecks: [],
    },
    clusterName: 'east',
    clusterLabels: {},
    verification: { mode: 'none', keysName: '' },
    ...changes,
  }) as Assignment;

export const auditOf = (message: string, changes: Partial<AuditEntry> = {}): AuditEntry =>
  ({
    unit: 'checkout/staging' as UnitId,
    generation: 1,
    commit: someCommit,
    kind: 'ObjectsApplied',
    message,
    ...changes,
  }) as AuditEntry;

export const reportOf = (changes: Partial<UnitReport> = {}): UnitReport =>
  ({
    unit: 'checkout/staging' as UnitId,
    epoch: 1,
    generation: 1,
    commit: someCommit,
    phase: 'settled',
    health: 'Healthy',
    message: '',
    terminal: false,
    objectsTotal: 0,
    objectsHealthy: 0,
    objects: [],
    objectsTruncated: 0,
    pruneHeldObjects: 0,
    ...changes,
  }) as UnitReport;
