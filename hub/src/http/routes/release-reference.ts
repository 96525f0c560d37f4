import { type CommitId, parseCommitId } from '@fairlead/shared/ids';
import { ProblemError, problem } from '@fairlead/shared/problem';
import { expectOk } from '@fairlead/shared/result';
import type { ReadModel } from '../../read-model/index.ts';

/** Finds the release that a person means by a commit id or by its first 7 or more digits. */
export function createReleaseResolver(readModel: Pick<ReadModel, 'releasesByPrefix'>) {
  return (pipeline: string, reference: string): CommitId => {
    const [first, second] = readModel.releasesByPrefix(pipeline, reference);
    if (first === undefined) {
      throw new ProblemError(
        problem('not_found', `The pipeline "${pipeline}" has no release ${reference}.`),
      );
    }
    if (second !== undefined) {
      throw new ProblemError(
        problem('request_invalid', `${reference} is the beginning of several releases.`, [
          { path: 'release', message: `must have more digits: ${first} and ${second} both fit` },
        ]),
      );
    }
    return expectOk(parseCommitId(first), 'a release of the read model');
  };
}
