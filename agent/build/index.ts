// Builds the agent into one minified file and SQLite's native binding beside it: imported from sources the agent's
// libraries take 138 MB, as one tree-shaken file 90 MB. Imports esbuild and Node built-ins.
export { type BundleOptions, bundleAgent, bundleTargets, hostTarget } from './bundle-agent.ts';
