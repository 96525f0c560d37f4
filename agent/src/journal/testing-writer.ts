// A process that appends numbered audit events until it is killed, and prints each number once it is on disk.
import { writeSync } from 'node:fs';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { openJournal } from './index.ts';
import { auditOf, reportOf } from './testing.ts';

const [file = '', from = '0'] = process.argv.slice(2);
const journal = openJournal({ file, clock: systemClock, random: systemRandom });
for (let number = Number(from) + 1; ; number += 2) {
  journal.appendAudit([auditOf(String(number)), auditOf(String(number + 1))]);
  journal.putReport(reportOf({ message: String(number) }));
  writeSync(1, `${number + 1}\n`);
}
