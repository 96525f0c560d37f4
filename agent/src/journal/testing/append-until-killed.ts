// A process that appends numbered audit events until it is killed, and prints each number once it is on disk.
import { readFileSync, writeSync } from 'node:fs';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { openJournal } from '../index.ts';
import { auditOf, reportOf } from './index.ts';

const { file, from } = JSON.parse(readFileSync(0, 'utf8')) as { file: string; from: number };
const journal = openJournal({ file, clock: systemClock, random: systemRandom });
for (let number = from + 1; ; number += 2) {
  journal.appendAudit([auditOf(String(number)), auditOf(String(number + 1))]);
  journal.putReport(reportOf({ message: String(number) }));
  writeSync(1, `${number + 1}\n`);
}
