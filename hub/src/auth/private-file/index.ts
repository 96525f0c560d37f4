// Small files that hold secrets: readable by the hub's user alone, written whole or not at all.
// Imports Node built-ins only.
export { createPrivateFile, readPrivateFile, replacePrivateFile } from './private-file.ts';
