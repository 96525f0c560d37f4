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
  /** Change what the configuration repository defines, until its next commit. */
  'override-configuration',
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

/** What a token says of its owner, as it was issued. */
export type Owned = {
  readonly name: string;
  readonly role: 'admin' | 'viewer';
  readonly subject?: string;
  readonly groups?: readonly string[];
  readonly emails?: readonly string[];
  readonly permissions?: readonly Permission[];
};

/** A token without a subject stands for itself, by its name; an administrator has every permission. */
export const personOf = (token: Owned): Person => ({
  subject: token.subject ?? token.name,
  groups: token.groups ?? [],
  emails: token.emails ?? [],
  permissions: token.role === 'admin' ? permissions : (token.permissions ?? []),
});

/** Everybody whom good tokens know, by subject: the tokens of one person together say who that is. */
export function peopleOf(tokens: Iterable<Owned>): Person[] {
  const people = new Map<string, Person>();
  for (const token of tokens) {
    const person = personOf(token);
    const before = people.get(person.subject);
    people.set(person.subject, before === undefined ? person : united(before, person));
  }
  return [...people.values()].sort((left, right) => (left.subject < right.subject ? -1 : 1));
}

const united = (left: Person, right: Person): Person => ({
  subject: left.subject,
  groups: [...new Set([...left.groups, ...right.groups])],
  emails: [...new Set([...left.emails, ...right.emails])],
  permissions: permissions.filter((one) => mayDo(left, one) || mayDo(right, one)),
});

export const mayDo = (person: Pick<Person, 'permissions'>, permission: Permission): boolean =>
  person.permissions.includes(permission);

/** Compared without regard to case, as mail hosts do. */
export const hasEmail = ({ emails }: Pick<Person, 'emails'>, email: string): boolean =>
  emails.some((one) => one.toLowerCase() === email.toLowerCase());

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
