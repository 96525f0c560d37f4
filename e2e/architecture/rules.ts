/** A rule of the import table: `from` files may not have an import that `bans` matches, but for those in `except`. */
export type ImportRule = {
  readonly name: string;
  readonly from: RegExp;
  readonly except?: RegExp;
  /** Matches an import's specifier, or for a relative import the path of the file from the project's root. */
  readonly bans: RegExp;
  readonly reason: string;
};

export const importRules: readonly ImportRule[] = [
  {
    name: 'the core is pure',
    from: /^(hub|agent)\/src\/domain\//,
    // Generated worlds and histories are for tests alone; no program imports them.
    except: /\/properties\/(world|lived-once)\.ts$/,
    bans: /^(?!@fairlead\/shared\/(ids|result|time|manifest|expression)$)(?!(hub|agent)\/src\/domain\/)(?!picomatch$|yaml$|zod$|@bufbuild\/cel$|croner$|rrule-temporal$)/,
    reason:
      'decisions must replay for ever and run in the simulator, so the core reads no clock, network, disk or random ' +
      'source: pass what it needs inside the command',
  },
  {
    name: 'hub does not import agent',
    from: /^hub\//,
    bans: /^(agent\/|@fairlead\/agent)/,
    reason: 'they are separate programs of separate versions and meet only in the protocol',
  },
  {
    name: 'agent does not import hub',
    from: /^agent\//,
    bans: /^(hub\/|@fairlead\/hub)/,
    reason: 'they are separate programs of separate versions and meet only in the protocol',
  },
  {
    name: 'generated code stops at the link modules',
    from: /^(hub|agent|shared)\/src\//,
    except: /^(hub\/src\/(agent-link|ingest)|agent\/src\/hub-link)\//,
    bans: /^(@fairlead\/proto|proto\/)/,
    reason:
      'a change of the wire must not reach the core: map it to a domain type in the link module',
  },
  {
    name: 'gRPC stops at the modules that speak it',
    from: /^(hub|agent|shared)\/src\//,
    except: /^(hub\/src\/(agent-link|ingest)|agent\/src\/(hub-link|render\/sops))\//,
    bans: /^@grpc\/grpc-js/,
    reason:
      'a stream has its own ways to fail: the module that speaks it turns them into domain types',
  },
  {
    name: 'SQL stops at the stores',
    from: /^(hub|agent|shared)\/src\//,
    except: /^(hub\/src\/(decision-log|read-model)|agent\/src\/journal)\//,
    bans: /^(drizzle-orm|better-sqlite3)/,
    reason: 'a store gives named queries; a query elsewhere ties that code to a schema',
  },
  {
    name: 'the Kubernetes client stops at the cluster port',
    from: /^(hub|agent|shared)\/src\//,
    except: /^agent\/src\/cluster\//,
    bans: /^@kubernetes\/client-node/,
    reason: 'the reconciler also runs against the in-memory cluster',
  },
  {
    name: 'NATS stops at ingest and hub-link',
    from: /^(hub|agent|shared)\/src\//,
    except: /^(hub\/src\/(ingest|auth)|agent\/src\/hub-link)\//,
    bans: /^@nats-io\//,
    reason: 'a bus message is a hint or an observation, and only those modules know how it travels',
  },
  {
    name: 'shared runs anywhere',
    from: /^shared\/src\/(?!config|log|testing)/,
    bans: /^node:/,
    reason: 'shared is used by the core, the web page and the command line: no Node built-ins',
  },
];

export type SourceRule = {
  readonly name: string;
  readonly from: RegExp;
  readonly except?: RegExp;
  readonly bans: RegExp;
  readonly reason: string;
};

/** Rules over a file's text rather than its imports. */
export const sourceRules: readonly SourceRule[] = [
  {
    name: 'only commands decide',
    from: /^hub\/src\//,
    except: /^hub\/src\/(commands|domain)\//,
    bans: /import\s*\{[^}]*\bdecide\w*\b[^}]*\}\s*from/,
    reason:
      'a decision counts only when it is folded, decided and appended with the expected version',
  },
  {
    name: 'only main reads the environment and signals',
    from: /^(hub|agent)\/src\//,
    except:
      /^((hub|agent)\/src\/main\.ts|hub\/src\/cli\/main\.ts|agent\/src\/offline-health\/main\.ts)$/,
    bans: /\bprocess\.(env|argv|exit\(|on\()/,
    reason:
      'a program is configured and ended in one place: pass values and an AbortSignal instead',
  },
  {
    name: 'the oracle does not ask what it judges',
    from: /^e2e\/sim\/oracle\//,
    bans: /^import (?!type )[^;]*?from '[^']*\/(hub|agent)\/src\//m,
    reason:
      'a mistake in the core must not be repeated by its judge: take types from hub and agent, and write the rule again',
  },
  {
    name: 'the simulator has one clock and one chance',
    from: /^e2e\/sim\//,
    except: /^e2e\/sim\/(world\/virtual-time|main)\.ts$/,
    bans: /\b(Date\.now\(|new Date\(\)|Math\.random\(|setTimeout\(|setInterval\(|performance\.)/,
    reason:
      'a seed must tell the same story for ever: use the virtual time and the chance of the run',
  },
  {
    name: 'the core has no clock and no chance',
    from: /^(hub|agent)\/src\/domain\//,
    bans: /\b(Date\.now\(|new Date\(\)|Math\.random\(|setTimeout\(|setInterval\(|async |await )/,
    reason: 'the same log must fold to the same state for ever: stamp times and ids at the edge',
  },
];
