import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@fairlead/shared/log';
import { systemClock } from '@fairlead/shared/time';
import { type DecisionLog, openSqliteDecisionLog } from '../../decision-log/index.ts';
import { openReadModel, type ReadModel } from '../read-model.ts';

export const silent = createLogger('test', 'silent');

export type Fixture = AsyncDisposable & {
  readonly folder: string;
  readonly path: string;
  readonly log: DecisionLog;
  readonly readModel: ReadModel;
  /** Closes the read model, lets the test change its file, and opens it again. */
  readonly reopen: (between?: () => Promise<void> | void) => Promise<ReadModel>;
};

/** A real log and its read model in a folder of their own. */
export async function openFixture(): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-read-model-'));
  const log = await openSqliteDecisionLog({ path: join(folder, 'log.sqlite') });
  const path = join(folder, 'read-model.sqlite');
  const open = () => openReadModel({ path, log, logger: silent, clock: systemClock });
  let readModel = await open();
  return {
    folder,
    path,
    log,
    get readModel() {
      return readModel;
    },
    reopen: async (between) => {
      await readModel.close();
      await between?.();
      readModel = await open();
      return readModel;
    },
    [Symbol.asyncDispose]: async () => {
      await readModel.close();
      await log.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
