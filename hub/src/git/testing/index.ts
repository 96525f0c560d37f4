// For tests: real Git repositories to fetch from, and a Git host over HTTP. Imports Node built-ins and the `git` binary.
export { createGitHost, type GitHost, type GitHostOptions } from './git-host.ts';
export { type CommitOptions, createUpstream, type Upstream } from './upstream.ts';
