import { z } from '@hono/zod-openapi';
import { permissions } from '../domain/hub/index.ts';
import { bypassableGates } from '../domain/pipeline/index.ts';
import { rolloutKinds } from '../domain/promotion/index.ts';
import {
  installNamespacesMax,
  pageItemsMax,
  personEmailsMax,
  personGroupsMax,
  statusDescriptionCharactersMax,
  statusNameCharactersMax,
  subjectNameCharactersMax,
  urlCharactersMax,
} from '../limits.ts';

// What the API says and takes, as schemas: the OpenAPI document is made of them, and clients use their inferred types.
// Times are ISO 8601 in UTC and always the hub's, but for those that say otherwise.

const time = z.iso.datetime().openapi({ example: '2026-03-02T09:30:00.000Z' });
const name = z.string().openapi({ example: 'checkout' });
/** A name that a request gives: an RFC 1123 label. */
export const resourceName = z
  .string()
  .max(63)
  .regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    'must consist of a-z, 0-9 and "-", with a letter or digit at both ends',
  )
  .openapi({ example: 'checkout' });
/** Keys and values as Kubernetes takes them, so that a label can be shown there too. */
const givenLabels = z
  .record(
    z
      .string()
      .max(316)
      .regex(/^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/),
    z
      .string()
      .regex(
        /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/,
        'must be a Kubernetes label value: at most 63 of A-Z, a-z, 0-9, "-", "_" and "."',
      ),
  )
  .refine((labels) => Object.keys(labels).length <= 64, 'must have at most 64 labels');
const commit = z.string().openapi({ description: 'A full Git commit id.' });
const labels = z.record(z.string(), z.string());
const count = z.int().nonnegative();

const actorSchema = z.object({ kind: z.enum(['person', 'agent', 'hub']), name: z.string() });

export const faultSchema = z.object({
  path: z.string().openapi({ example: 'spec.stages[1].after[0]' }),
  message: z.string(),
});

/** RFC 9457, with the catalogue's code, the remedy, and every fault at once. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    remedy: z.string(),
    requestId: z.string(),
    faults: z.array(faultSchema).optional(),
    /** Of a refused command: which rule refused it. */
    rule: z.string().optional(),
  })
  .openapi('Problem');
export type ProblemDocument = z.infer<typeof problemSchema>;

export const problemEntrySchema = z
  .object({ code: z.string(), status: z.int(), meaning: z.string(), remedy: z.string() })
  .openapi('ProblemEntry');

/** One page; without `nextCursor` it is the last. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().optional() });
export type Page<Item> = { items: Item[]; nextCursor?: string };

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(pageItemsMax).default(100),
  cursor: z.string().optional(),
};

export const clusterStatusSchema = z.enum([
  'pending',
  'enrolled',
  'connected',
  'offline',
  'quarantined',
  'revoked',
]);

export const clusterSchema = z
  .object({
    id: z.string(),
    name,
    project: name,
    /** Set at the hub; what stages select by. */
    labels,
    /** Sent by the agent; shown, never used to authorise or select. */
    claims: labels,
    status: clusterStatusSchema,
    statusSince: time,
    lastSeenAt: time.optional(),
    agentVersion: z.string().optional(),
    addedAt: time,
    enrolledAt: time.optional(),
    certificate: z.object({ serial: z.string(), expiresAt: time }).optional(),
    joinTokenExpiresAt: time.optional(),
    /** Its agent holds assignments of a newer log than the hub's: it is told nothing until an operator accepts that. */
    epochRegressed: z
      .object({
        since: time,
        epoch: count,
        units: z.array(
          z.object({
            pipeline: z.string(),
            stage: z.string(),
            epoch: count,
            generation: count,
            /** The newest generation of the pipeline that the hub's log knows. */
            known: count,
          }),
        ),
        unitsTotal: count,
      })
      .optional(),
  })
  .openapi('Cluster');
export type ClusterDocument = z.infer<typeof clusterSchema>;
export const clusterPageSchema = pageOf(clusterSchema);

export const addClusterSchema = z
  .strictObject({
    name: resourceName,
    project: resourceName.default('default'),
    labels: givenLabels.default({}),
  })
  .openapi('AddCluster');

/** What the install manifest gives the agent; the hub keeps none of it, because it is the cluster's own matter. */
export const installQuery = z.object({
  namespaces: z
    .string()
    .transform((text) => [...new Set(text.split(','))])
    .pipe(z.array(resourceName).max(installNamespacesMax))
    .optional()
    .openapi({
      description:
        'Namespaces with "," between them in which alone the agent works; absent, it is the whole cluster.',
    }),
  rights: z.enum(['own', 'impersonate']).optional().openapi({
    description:
      'With `impersonate` the agent itself may only look, and each unit needs a service account.',
  }),
  requirePolicy: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional()
    .openapi({ description: "Whether the agent permits nothing without the cluster's policy." }),
  agentNamespace: resourceName.optional().openapi({
    description:
      'Where the agent itself lives; agents that share a Kubernetes cluster need one each.',
  }),
});
export type InstallQuery = z.output<typeof installQuery>;

/** The join token is in this answer only: the hub keeps its hash. */
export const joinSchema = z
  .object({
    cluster: clusterSchema,
    joinToken: z.string(),
    expiresAt: time,
    /** YAML for `kubectl apply -f -` in the cluster that joins. */
    installManifest: z.string(),
    position: count,
  })
  .openapi('ClusterJoin');
export type ClusterJoinDocument = z.infer<typeof joinSchema>;

export const changeLabelsSchema = z.strictObject({ labels: givenLabels }).openapi('ChangeLabels');
export const reasonSchema = z
  .strictObject({ reason: z.string().min(1).max(1_000) })
  .openapi('Reason');

/** A change is in the log up to `position`: a read with `atPosition` shows it. */
export const changeSchema = z
  .object({ position: count, events: z.array(z.string()) })
  .openapi('Change');
export type ChangeDocument = z.infer<typeof changeSchema>;

/** Of a change to what the configuration repository defines. */
export const overrideQuery = z.object({
  overrideReason: z.string().min(1).max(1_000).optional().openapi({
    description:
      'Changes what the configuration repository defines all the same, until its next commit; it is recorded.',
  }),
});

export const managedBySchema = z.enum(['configuration-repository']).optional();

export const repositorySchema = z
  .object({
    name,
    project: name,
    url: z.string(),
    branch: z.string(),
    credentialsSecretName: z.string().optional(),
    webhookSecretName: z.string().optional(),
    pollIntervalMs: count,
    /** Whether the hub pushes a branch for each stage, with what runs there. */
    stageRefs: z.boolean().optional(),
    /** What agents are to ask of a commit's signature; absent is nothing. */
    verification: z
      .object({ mode: z.enum(['warn', 'required']), keysName: z.string().optional() })
      .optional(),
    head: commit.optional(),
    headSeenAt: time.optional(),
    /** Set while the repository cannot be read. */
    failure: z.object({ message: z.string(), since: time }).optional(),
    /** Where it is changed, unless at the hub. */
    managedBy: managedBySchema,
  })
  .openapi('Repository');
export type RepositoryDocument = z.infer<typeof repositorySchema>;
export const repositoryPageSchema = pageOf(repositorySchema);

export const pipelineSchema = z
  .object({
    name,
    project: name,
    repository: name,
    revision: count,
    /** Where it is changed, unless at the hub. */
    managedBy: managedBySchema,
    /** Checked, with every default filled in and every duration in milliseconds. */
    definition: z.object({
      name,
      project: name,
      repository: name,
      include: z.array(z.string()).readonly(),
      exclude: z.array(z.string()).readonly(),
      releases: z.looseObject({ quietPeriodMs: count }),
      stages: z
        .array(
          z.looseObject({
            name,
            after: z.array(name).readonly(),
            afterMode: z.enum(['all', 'any']),
            /** Absent: a control stage. */
            clusters: z.object({ matchLabels: labels }).optional(),
            path: z.string(),
            promote: z.string(),
            supersede: z.looseObject({ mode: z.string() }),
            gates: z.looseObject({ soakMs: count }),
            rollout: z.looseObject({ progressDeadlineMs: count }),
          }),
        )
        .readonly(),
    }),
  })
  .openapi('Pipeline');
export type PipelineDocument = z.infer<typeof pipelineSchema>;
export const pipelinePageSchema = pageOf(pipelineSchema);

export const resourceSchema = z
  .looseObject({
    apiVersion: z.literal('fairlead.dev/v1alpha1'),
    kind: z.enum(['Repository', 'Pipeline']),
    metadata: z.looseObject({ name }),
    spec: z.looseObject({}),
  })
  .openapi('Resource');

export const applyOutcomeSchema = z.object({
  kind: z.enum(['Repository', 'Pipeline']),
  name,
  outcome: z.enum(['created', 'changed', 'unchanged']),
});
export const appliedSchema = z
  .object({ resources: z.array(applyOutcomeSchema), position: count })
  .openapi('Applied');
export type AppliedDocument = z.infer<typeof appliedSchema>;

export const releaseSchema = z
  .object({
    pipeline: name,
    commit,
    /** First-parent distance from the root: the order of releases. */
    position: count,
    subject: z.string(),
    authorName: z.string(),
    authorEmail: z.string(),
    /** The commit's own date: shown, never compared. */
    committedAt: time,
    discoveredAt: time,
    /** The branch does not contain it any more. */
    orphaned: z.boolean(),
    stages: z.array(
      z.object({
        stage: name,
        state: z.enum(['requested', 'rolling-out', 'succeeded', 'failed', 'aborted', 'superseded']),
        at: time,
        /** It is what the stage has now. */
        current: z.boolean(),
      }),
    ),
  })
  .openapi('Release');
export type ReleaseDocument = z.infer<typeof releaseSchema>;
export const releasePageSchema = pageOf(releaseSchema);

export const healthSchema = z.enum([
  'healthy',
  'progressing',
  'degraded',
  'suspended',
  'missing',
  'unknown',
]);

export const targetCountsSchema = z.object({
  total: count,
  /** Settled and healthy with exactly what is assigned. */
  healthy: count,
  /** On the way: no report yet for what is assigned, or not done with it. */
  progressing: count,
  failing: count,
  /** Their cluster is offline: what they said last may not be so any more. */
  offline: count,
  /** Their prune waits for a confirmation. */
  pruneHeld: count,
});

export const rolloutStateSchema = z.enum(['running', 'succeeded', 'failed', 'aborted']);

export const rolloutSchema = z
  .object({
    id: z.string(),
    pipeline: name,
    stage: name,
    release: commit,
    kind: z.enum(rolloutKinds),
    generation: count,
    state: rolloutStateSchema,
    startedAt: time,
    deadlineAt: time,
    endedAt: time.optional(),
    message: z.string().optional(),
    /** The names of each wave's clusters. */
    batches: z.array(z.array(name)),
    /** The wave that runs, or ran last, from 1. */
    batch: count,
    paused: z.object({ reason: z.string(), since: time }).optional(),
    /** The rollout whose targets it returns to what each ran before. */
    undoes: z.string().optional(),
    /** Why its failure led to no automatic rollback. */
    rollbackDeclined: z.string().optional(),
    targets: z.array(
      z.object({
        cluster: name,
        state: z.enum(['waiting', 'assigned', 'succeeded', 'failed', 'skipped']),
        message: z.string().optional(),
        at: time.optional(),
        /** What it ran before. */
        previous: commit.optional(),
      }),
    ),
  })
  .openapi('Rollout');
export type RolloutDocument = z.infer<typeof rolloutSchema>;
export const rolloutPageSchema = pageOf(rolloutSchema);

/** The stage runs a hotfix that these stages before it have not had succeed, nor anything newer. */
const aheadSchema = z.object({ release: commit, notIn: z.array(name) });
export const freezeSchema = z
  .object({
    id: z.string(),
    state: z.enum(['in-force', 'planned']),
    /** In words: what is frozen. */
    covers: z.string(),
    /** Of a freeze of a project, a pipeline or a stage; without any it is of the whole hub. */
    project: name.optional(),
    pipeline: name.optional(),
    stage: name.optional(),
    reason: z.string(),
    by: z.string(),
    /** What a rollout does that runs when it begins. */
    running: z.enum(['drain', 'stop']),
    from: time,
    /** Absent: until it is lifted. */
    until: time.optional(),
    declaredAt: time,
  })
  .openapi('Freeze');
export type FreezeDocument = z.infer<typeof freezeSchema>;
export const freezePageSchema = pageOf(freezeSchema);

export const stageSchema = z
  .object({
    pipeline: name,
    name,
    after: z.array(name),
    promote: z.enum(['automatic', 'manual']),
    /** The release of the newest rollout, whatever its outcome. */
    currentRelease: commit.optional(),
    /** The newest one whose rollout succeeded. */
    succeededRelease: commit.optional(),
    succeededAt: time.optional(),
    rollout: z
      .object({ id: z.string(), release: commit, state: rolloutStateSchema, startedAt: time })
      .optional(),
    held: z.object({ reason: z.string(), automatic: z.boolean(), since: time }).optional(),
    health: z.enum(['healthy', 'unhealthy', 'unknown']),
    healthSince: time.optional(),
    healthMessage: z.string(),
    targets: targetCountsSchema,
    /** Why the stage's branch in Git does not tell what it runs. */
    refNote: z.string().optional(),
    /** Freezes in force for the stage: nothing is assigned in it. */
    frozenBy: z.array(freezeSchema).optional(),
    /** So many targets would leave the stage at once that it waits for a confirmation. */
    heldWithdrawal: z
      .object({
        clusters: z.array(name),
        targetsTotal: count,
        cause: z.enum(['unmatched', 'cluster-removed', 'pipeline-removed', 'stage-removed']),
        since: time,
      })
      .optional(),
    ahead: aheadSchema.optional(),
  })
  .openapi('Stage');
export type StageDocument = z.infer<typeof stageSchema>;
export const stagePageSchema = pageOf(stageSchema);

export const objectNameSchema = z.object({
  group: z.string(),
  kind: z.string(),
  namespace: z.string(),
  name: z.string(),
});

export const objectStatusSchema = z.object({
  group: z.string(),
  kind: z.string(),
  namespace: z.string(),
  name: z.string(),
  health: healthSchema,
  message: z.string(),
});

export const reportSchema = z.object({
  generation: count,
  commit,
  phase: z.string(),
  health: healthSchema,
  message: z.string(),
  terminal: z.boolean(),
  receivedAt: time,
  objectsTotal: count,
  objectsHealthy: count,
  /** Not healthy ones, worst first. */
  objects: z.array(objectStatusSchema),
  objectsTruncated: count,
  /** How many objects a held prune would delete, the first of them, and a name for exactly this set. */
  pruneHeldObjects: count,
  pruneHeld: z.array(objectNameSchema),
  pruneHeldDigest: z.string(),
  /** Objects that are not as the commit wants them and are not repaired at once: see `/drift`. */
  driftsTotal: count,
  /** Places and managers of objects that ignore rules leave as they are. */
  ignoredTotal: count,
  /** It speaks of exactly what is assigned now; otherwise it is history. */
  current: z.boolean(),
});

export const targetSchema = z
  .object({
    pipeline: name,
    stage: name,
    cluster: name,
    clusterId: z.string(),
    clusterStatus: z.union([clusterStatusSchema, z.literal('removed')]),
    clusterLastSeenAt: time.optional(),
    disposition: z.enum(['run', 'orphan', 'delete']),
    generation: count,
    commit,
    path: z.string(),
    cause: z.string(),
    assignedAt: time,
    report: reportSchema.optional(),
  })
  .openapi('Target');
export type TargetDocument = z.infer<typeof targetSchema>;
export const targetPageSchema = pageOf(targetSchema);

export const gateResultSchema = z.object({
  gate: z.string(),
  passed: z.boolean(),
  detail: z.string(),
  clearsAt: time.optional(),
  /** It did not pass, and this is whose word let the release by. */
  bypassed: z.object({ by: z.string(), reason: z.string() }).optional(),
  evidence: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

export const admissionSchema = z
  .object({
    position: count,
    pipeline: name,
    stage: name,
    release: commit,
    rolloutId: z.string(),
    definitionRevision: count,
    at: time,
    actor: actorSchema,
    gates: z.array(gateResultSchema),
  })
  .openapi('Admission');
export type AdmissionDocument = z.infer<typeof admissionSchema>;
export const admissionPageSchema = pageOf(admissionSchema);

/** Values as they are in the cluster, clipped, with secret ones masked; absent where the field is not there. */
export const differenceSchema = z.object({
  path: z.string().openapi({ example: 'spec.template.spec.containers[name=web].image' }),
  live: z.unknown().optional(),
  desired: z.unknown().optional(),
});
export type DifferenceDocument = z.infer<typeof differenceSchema>;

const objectSchema = z.object({
  group: z.string(),
  kind: z.string(),
  namespace: z.string(),
  name: z.string(),
});
export type ObjectDocument = z.infer<typeof objectSchema>;

export const driftSchema = z
  .object({
    pipeline: name,
    stage: name,
    cluster: name,
    /** Of the report that tells of it. */
    generation: count,
    commit,
    receivedAt: time,
    /** That report speaks of exactly what is assigned now. */
    current: z.boolean(),
    object: objectSchema,
    /** By policy it is only reported, or another writer keeps coming back and repairs are slowed down. */
    state: z.enum(['reported', 'fight']),
    change: z.enum(['changed', 'deleted', 'released']),
    /** Field managers that hold the fields now, as far as the API server says. */
    managers: z.array(z.string()),
    differences: z.array(differenceSchema),
    differencesTotal: count,
  })
  .openapi('Drift');
export type DriftDocument = z.infer<typeof driftSchema>;
export const driftPageSchema = pageOf(driftSchema);

export const runOutcomeSchema = z.enum(['passed', 'failed', 'inconclusive']);

/** A Job that an agent runs to verify a release. */
export const verificationRunSchema = z
  .object({
    id: z.string(),
    pipeline: name,
    /** Whose gate asks for it. */
    stage: name,
    release: commit,
    /** The verification's name in the stage. */
    name: z.string(),
    /** Where it runs: a target of this stage. */
    inStage: name,
    cluster: name,
    /** File of the repository with the Job. */
    job: z.string(),
    askedBy: z.string().optional(),
    startedAt: time,
    /** Without a result by then it is inconclusive. */
    deadlineAt: time,
    endedAt: time.optional(),
    /** Absent while it runs. */
    outcome: runOutcomeSchema.optional(),
    message: z.string().optional(),
    /** It contradicts an earlier run by which the release was let in. */
    revokes: z.boolean(),
  })
  .openapi('VerificationRun');
export type VerificationRunDocument = z.infer<typeof verificationRunSchema>;
export const verificationRunPageSchema = pageOf(verificationRunSchema);

export const verificationLogSchema = verificationRunSchema
  .extend({
    /** The end of what its containers wrote, as they wrote it; absent before there is a result. */
    log: z.string().optional(),
    /** There was more, or it is so old that the hub has forgotten it. */
    logTruncated: z.boolean().optional(),
  })
  .openapi('VerificationLog');
export type VerificationLogDocument = z.infer<typeof verificationLogSchema>;

export const planActionSchema = z.enum(['create', 'configure', 'prune', 'keep', 'refuse']);

/** What one cluster's agent says, asked now; nothing was changed. */
export const clusterPlanSchema = z.object({
  cluster: name,
  /** What was asked about: the commit, and the folder in it. */
  release: commit.optional(),
  path: z.string().optional(),
  /** Why there is no plan: the agent does not answer, or the commit cannot be rendered or planned. */
  error: z.string().optional(),
  /** Objects that would not stay as they are, in order of applying and then of removal. */
  objects: z.array(
    z.object({
      object: objectSchema,
      action: planActionSchema,
      differences: z.array(differenceSchema),
      differencesTotal: count,
      message: z.string(),
    }),
  ),
  totals: z.object({
    create: count,
    configure: count,
    unchanged: count,
    prune: count,
    keep: count,
    refuse: count,
  }),
  /** Objects that are counted but not listed. */
  objectsTruncated: count,
  /** Why the prune would wait for a person. */
  pruneHeld: z.string().optional(),
});
export type ClusterPlanDocument = z.infer<typeof clusterPlanSchema>;

export const planSchema = z
  .object({
    pipeline: name,
    stage: name,
    /** Something would change in some cluster. */
    changes: z.boolean(),
    clusters: z.array(clusterPlanSchema),
  })
  .openapi('Plan');
export type PlanDocument = z.infer<typeof planSchema>;

/** A release: a full commit id, or its first 7 or more digits where they name one release only. */
const releaseReference = z
  .string()
  .regex(/^[0-9a-f]{7,64}$/, 'must be a commit id, or its first 7 or more lower-case hex digits');

const longReason = z.string().min(1).max(1_000);

const overrideReason = longReason.optional().openapi({
  description:
    'Why it goes on in spite of freezes and closed windows. It needs the permission override-freeze.',
});
export const promoteSchema = z
  .strictObject({
    release: releaseReference.optional(),
    force: z.boolean().default(false),
    hotfix: z
      .strictObject({
        bypass: z.array(z.enum(bypassableGates)).min(1).max(bypassableGates.length),
        reason: longReason,
      })
      .optional()
      .openapi({
        description:
          'Gates to pass without, of those that the stage allows a hotfix. Needs the permission `hotfix` as well.',
      }),
    overrideReason,
  })
  .openapi('Promote');

const approvalRequestId = z
  .string()
  .regex(/^[a-z0-9]{8,40}$/, 'must be the id of a request for approvals')
  .openapi({ description: 'The request that you have looked at. Another one is refused.' });
/** A full commit id or its beginning; a vote is for nothing but this release and this request. */
export const approveSchema = z
  .strictObject({
    release: releaseReference,
    requestId: approvalRequestId.optional(),
    comment: z.string().max(1_000).default(''),
  })
  .openapi('Approve');
export const rejectSchema = z
  .strictObject({
    release: releaseReference,
    requestId: approvalRequestId.optional(),
    reason: longReason,
  })
  .openapi('Reject');
export const withdrawApprovalSchema = z
  .strictObject({ release: releaseReference })
  .openapi('WithdrawApproval');

export const approvalStateSchema = z.enum(['open', 'rejected', 'expired', 'voided', 'used']);
export const approvalSchema = z
  .object({
    id: z.string(),
    pipeline: name,
    stage: name,
    release: commit,
    state: approvalStateSchema,
    /** Revision of the pipeline's definition that is approved. */
    definitionRevision: count,
    /** The person who asked, where it was not the hub. */
    requestedBy: z.string().optional(),
    requestedAt: time,
    expiresAt: time.optional(),
    endedAt: time.optional(),
    /** Why it ended without an admission. */
    message: z.string().optional(),
    required: count,
    /** Who may vote; empty: whoever has the permission. */
    from: z.array(z.string()),
    /** Of whom one each must be among the voters. */
    including: z.array(z.string()),
    votes: z.array(z.object({ subject: z.string(), comment: z.string(), at: time })),
  })
  .openapi('Approval');
export type ApprovalDocument = z.infer<typeof approvalSchema>;
export const approvalPageSchema = pageOf(approvalSchema);

const shownText = (charactersMax: number) =>
  z
    .string()
    .max(charactersMax)
    .regex(/^\P{Cc}*$/u, 'must have no control characters');
export const commitStatusStateSchema = z.enum(['pending', 'success', 'failure']);
export const reportStatusSchema = z
  .strictObject({
    commit: z
      .string()
      .regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/, 'must be a full commit id in lower-case hex'),
    name: shownText(statusNameCharactersMax).min(1),
    state: commitStatusStateSchema,
    description: shownText(statusDescriptionCharactersMax).default(''),
    url: z
      .url({ protocol: /^https?$/ })
      .max(urlCharactersMax)
      .optional(),
  })
  .openapi('ReportStatus');
export const commitStatusSchema = z
  .object({
    repository: name,
    commit,
    name: z.string(),
    state: commitStatusStateSchema,
    description: z.string(),
    url: z.string().optional(),
    at: time,
    /** The commit is no release of the repository: what is said of it is kept for a day. */
    early: z.boolean(),
  })
  .openapi('CommitStatus');
export type CommitStatusDocument = z.infer<typeof commitStatusSchema>;
export const commitStatusPageSchema = pageOf(commitStatusSchema);
export const verifySchema = z
  .strictObject({
    /** Absent: every verification and metric of the stage. */
    name: z.string().min(1).max(63).optional(),
    /** Absent: what waits for the stage, or else what it runs. */
    release: releaseReference.optional(),
  })
  .openapi('Verify');
export const planRequestSchema = z
  .strictObject({
    /** Absent: the newest of the pipeline, or with `assigned` what each cluster is assigned now. */
    release: releaseReference.optional(),
    assigned: z.boolean().default(false),
    /** Absent: every cluster of the stage. */
    cluster: resourceName.optional(),
  })
  .openapi('PlanRequest');
export const rollbackSchema = z
  .strictObject({
    release: releaseReference.optional(),
    reason: z.string().min(1).max(1_000),
    overrideReason,
  })
  .openapi('Rollback');
export const declareFreezeSchema = z
  .strictObject({
    project: resourceName.optional(),
    pipeline: resourceName.optional(),
    stage: resourceName.optional(),
    reason: z.string().min(1).max(1_000),
    from: time.optional().openapi({ description: 'Absent: at once.' }),
    until: time.optional().openapi({ description: 'Absent: until it is lifted.' }),
    running: z.enum(['drain', 'stop']).default('drain').openapi({
      description:
        'With `drain` what runs settles and starts nothing more; with `stop` running rollouts end.',
    }),
  })
  .refine(({ stage, pipeline }) => stage === undefined || pipeline !== undefined, {
    path: ['stage'],
    message: 'needs the pipeline that it belongs to',
  })
  .refine(({ project, pipeline }) => project === undefined || pipeline === undefined, {
    path: ['project'],
    message: 'a freeze is of a project or of a pipeline, not of both',
  })
  .openapi('DeclareFreeze');
export type DeclareFreezeBody = z.output<typeof declareFreezeSchema>;
export const declaredFreezeSchema = changeSchema
  .extend({ id: z.string() })
  .openapi('DeclaredFreeze');
export type DeclaredFreezeDocument = z.infer<typeof declaredFreezeSchema>;
export const confirmPruneSchema = z
  .strictObject({
    cluster: resourceName,
    generation: z.int().positive(),
    digest: z
      .string()
      .min(1)
      .max(64)
      .openapi({ description: 'The `pruneHeldDigest` of the objects that you have looked at.' }),
  })
  .openapi('ConfirmPrune');
const confirmedName = z.string().openapi({ description: 'The name, typed again.' });
const objectsNamed = count.openapi({
  description: 'How many objects you were shown. Other numbers are refused.',
});
export const deletePipelineObjectsSchema = z
  .strictObject({
    confirm: confirmedName,
    objects: objectsNamed,
    stage: resourceName.optional(),
    cluster: resourceName.optional(),
    reason: z.string().max(1_000).default(''),
  })
  .openapi('DeletePipelineObjects');
export const deleteClusterObjectsSchema = z
  .strictObject({
    confirm: confirmedName,
    objects: objectsNamed,
    reason: z.string().max(1_000).default(''),
  })
  .openapi('DeleteClusterObjects');
export const overwriteRefSchema = z
  .strictObject({
    found: commit.openapi({
      description: 'The whole id of the commit that halts the branch and is given up.',
    }),
    reason: z.string().min(1).max(1_000),
  })
  .openapi('OverwriteRef');

export const confirmWithdrawalSchema = z
  .strictObject({
    clusters: z
      .array(resourceName)
      .min(1)
      .max(2_000)
      .openapi({ description: 'The names of `heldWithdrawal` that you have looked at.' }),
    reason: z.string().max(1_000).default(''),
  })
  .openapi('ConfirmWithdrawal');
export const acceptedRestoreSchema = changeSchema
  .extend({ epoch: count })
  .openapi('AcceptedRestore');
export type AcceptedRestoreDocument = z.infer<typeof acceptedRestoreSchema>;
export const optionalReasonSchema = z
  .strictObject({ reason: z.string().max(1_000).default('') })
  .openapi('OptionalReason');
export const abortSchema = z
  .strictObject({
    reason: z.string().max(1_000).default(''),
    rollback: z.boolean().default(false).openapi({
      description: 'Whether targets that the rollout has reached return to what each ran before.',
    }),
  })
  .openapi('Abort');
export const releaseQuerySchema = releaseReference.optional();

export const explanationSchema = z
  .object({
    pipeline: name,
    stage: name,
    /** The named release, or what the stage would take next. */
    release: commit.optional(),
    /** In a sentence or two: what happens, or what it waits for. */
    summary: z.string(),
    gates: z.array(gateResultSchema),
    /** Nothing is assigned in the stage, whatever else is open. */
    frozen: z
      .object({ reason: z.string(), running: z.enum(['drain', 'stop']), until: time.optional() })
      .optional(),
    rollout: z
      .object({
        id: z.string(),
        release: commit,
        kind: z.enum(rolloutKinds),
        deadlineAt: time,
        succeeded: count,
        failed: count,
        skipped: count,
        total: count,
        /** The wave that runs, from 1, of so many. */
        batch: count,
        batches: count,
        paused: z.object({ reason: z.string(), since: time }).optional(),
        /** Targets past the deadline that it waits for, because they cannot be reached. */
        waitsForOffline: z.array(name),
        /** What keeps the next wave, or targets of this one that are not assigned yet. */
        closed: z.array(gateResultSchema),
      })
      .optional(),
    targets: z.array(
      z.object({
        cluster: name,
        generation: count.optional(),
        commit: commit.optional(),
        phase: z.string().optional(),
        health: healthSchema.optional(),
        message: z.string().optional(),
        /** In words: what keeps the target from running what it is assigned. */
        blocker: z.string().optional(),
      }),
    ),
    /** Targets that would leave the stage and wait for a confirmation. */
    heldWithdrawal: z.object({ clusters: z.array(name), targetsTotal: count }).optional(),
    ahead: aheadSchema.optional(),
    /** In words: why the configuration repository does not change this pipeline now, where it does not. */
    configuration: z.string().optional(),
    /** When time alone may change the answer. */
    nextChangeAt: time.optional(),
  })
  .openapi('Explanation');
export type ExplanationDocument = z.infer<typeof explanationSchema>;

export const clusterSummarySchema = z.object({
  name,
  status: clusterStatusSchema,
  statusSince: time,
  lastSeenAt: time.optional(),
  /** How long nobody heard of it; only where it is offline. */
  offlineForMs: count.optional(),
  agentVersion: z.string().optional(),
  /** Its agent holds newer assignments than the hub's log: see the cluster. */
  epochRegressed: z.boolean().optional(),
  targets: targetCountsSchema,
});

export const pipelineSummarySchema = z.object({
  name,
  repository: name,
  newestRelease: commit.optional(),
  stages: z.array(stageSchema),
});

/** What the hub has of the repository that its own resources are kept in. */
export const configurationSchema = z
  .object({
    /** Absent: nothing was applied yet. */
    applied: z.object({ commit, resources: count }).optional(),
    /** The newest commit, of which nothing was applied: what an earlier one defined stays. */
    refused: z
      .object({
        commit,
        faults: z.array(z.object({ path: z.string(), message: z.string() })),
        faultsTotal: count,
      })
      .optional(),
    /** Why the repository cannot be read, while it cannot. */
    failure: z.string().optional(),
    /** Defined by an earlier commit and by none now: they stay until somebody removes them. */
    absent: z.array(z.object({ kind: z.string(), name })),
    /** Changed at the hub since the commit was applied. */
    overridden: z.array(z.object({ kind: z.string(), name, reason: z.string() })),
  })
  .openapi('Configuration');
export type ConfigurationDocument = z.infer<typeof configurationSchema>;

export const statusSchema = z
  .object({
    at: time,
    /** Of the decision log: everything here is from it or newer. */
    position: count,
    /** Where the hub has a configuration repository. */
    configuration: configurationSchema.optional(),
    clusterTotals: z.record(z.string(), count),
    clusters: pageOf(clusterSummarySchema),
    /** In force or planned. */
    freezes: z.array(freezeSchema),
    pipelines: pageOf(pipelineSummarySchema),
  })
  .openapi('Status');
export type StatusDocument = z.infer<typeof statusSchema>;

export const auditEntrySchema = z
  .object({
    position: count,
    at: time,
    stream: z.string(),
    type: z.string(),
    actor: actorSchema,
    pipeline: z.string().optional(),
    stage: z.string().optional(),
    cluster: z.string().optional(),
    commit: z.string().optional(),
    hash: z.string(),
    /** As recorded. */
    event: z.looseObject({ type: z.string() }),
  })
  .openapi('AuditEntry');
export type AuditEntryDocument = z.infer<typeof auditEntrySchema>;
export const auditPageSchema = pageOf(auditEntrySchema);

export const verificationSchema = z
  .object({
    valid: z.boolean(),
    /** The last entry that was checked, or the first that does not fit. */
    position: count,
    hash: z.string().optional(),
    reason: z.string().optional(),
  })
  .openapi('Verification');
export type VerificationDocument = z.infer<typeof verificationSchema>;

export const readinessSchema = z
  .object({
    ready: z.boolean(),
    checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
  })
  .openapi('Readiness');
export type ReadinessDocument = z.infer<typeof readinessSchema>;

export const tokenSchema = z
  .object({
    id: z.string(),
    name,
    role: z.enum(['admin', 'viewer']),
    /** Whose it is; without one it stands for itself, by its name. */
    subject: z.string().optional(),
    groups: z.array(z.string()),
    emails: z.array(z.string()),
    /** Of a viewer: what it allows besides reading. */
    permissions: z.array(z.enum(permissions)),
    issuedAt: time,
    revokedAt: time.optional(),
  })
  .openapi('Token');
export type TokenDocument = z.infer<typeof tokenSchema>;

/** Of a person or a group, as `user:<name>` and `group:<name>` of a definition mean it. */
const personName = z
  .string()
  .max(subjectNameCharactersMax)
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9._@/+-]*[A-Za-z0-9])?$/,
    'must consist of letters, digits and ". _ @ / + -", with a letter or digit at both ends',
  );

export const issueTokenSchema = z
  .strictObject({
    name: resourceName,
    role: z.enum(['admin', 'viewer']),
    subject: personName.optional(),
    groups: z.array(personName).max(personGroupsMax).default([]),
    emails: z.array(z.email().max(254)).max(personEmailsMax).default([]),
    permissions: z.array(z.enum(permissions)).default([]),
  })
  .openapi('IssueToken');

/** The token is in this answer only: the hub keeps its hash. */
export const issuedTokenSchema = z
  .object({ id: z.string(), name, token: z.string(), position: count })
  .openapi('IssuedToken');
export type IssuedTokenDocument = z.infer<typeof issuedTokenSchema>;
