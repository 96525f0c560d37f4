/** What a person or a program may do beyond reading; an administrator may do everything. */
export const permissions = [
  'promote',
  'approve',
  'rollback',
  'hold',
  'freeze',
  /** Let a promotion or rollback go on in a freeze or outside of a window. */
  'override-freeze',
  /** Pass named gates that the stage's hotfix policy allows. */
  'hotfix',
  'verify',
  /** Post statuses of commits. */
  'report-status',
  'define',
  /** Define a stage that is promoted automatically. */
  'allow-automatic-promotion',
  'manage-clusters',
  'manage-tokens',
] as const;
export type Permission = (typeof permissions)[number];

/** Two tokens of one person have the same subject, so that nobody counts twice. */
export type Person = {
  readonly subject: string;
  readonly groups: readonly string[];
  /** As commits name authors; compared without regard to case. */
  readonly emails: readonly string[];
  readonly permissions: readonly Permission[];
};

/** Whether the person is one of `group:<name>` and `user:<subject>`. */
export const isOneOf = (
  person: Pick<Person, 'subject' | 'groups'>,
  names: readonly string[],
): boolean =>
  names.some((name) =>
    name.startsWith('group:')
      ? person.groups.includes(name.slice('group:'.length))
      : name === `user:${person.subject}`,
  );
