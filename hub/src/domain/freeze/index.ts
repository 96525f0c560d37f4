// Freezes: times in which nothing is assigned, declared by people for the hub, a project, a pipeline or a stage. Pure;
// imports `ids`, `result`, `time`.
export type { Freeze, FreezeEvent, FreezeScope } from './freeze.ts';
