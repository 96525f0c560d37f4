// Health by expressions in CEL: the table of agent/health for custom kinds, and users' own entries. Pure; kept apart from
// `health` because the expression library is loaded only where a kind needs it. Imports `health`, `manifest` and CEL.
export { healthEntriesMax } from './bounds.ts';
export { createEntries, type HealthEntry, type HealthEntryFault } from './entries.ts';
export { type CompileFault, compileRule, type Rule, type RuleSource } from './rule.ts';
export { createRuleLookup, groupNames, type RuleLookup, type RuleTable } from './rule-table.ts';
export { healthTable } from './table.generated.ts';
