// Builds the agent into one minified file, with what is loaded on demand and SQLite's native binding beside it: imported
// from sources the agent's libraries take 138 MB, as one tree-shaken file 100 MB, and 80 MB without what few agents need.
// Imports esbuild and Node built-ins.
export { type BundleOptions, bundleAgent, bundleTargets, hostTarget } from './bundle-agent.ts';
