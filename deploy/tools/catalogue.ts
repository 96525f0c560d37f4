// What each tool is: the Go package that builds it, how it prints its version, and the linker flags
// without which it would print a development version. Versions themselves live in go.mod alone.

export type ToolName =
  | 'etcd'
  | 'helm'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kubectl'
  | 'kustomize'
  | 'kwok'
  | 'nats-server'
  | 'render-host'
  | 'sops';

export type Tool = {
  readonly goPackage: string;
  readonly versionArguments: readonly string[];
  /** Linker `-X` assignments for a version without its leading v. */
  readonly stamp: (version: string) => readonly string[];
  /** A program of this repository: its version holds a digest of its sources and of go.mod. */
  readonly sources?: string;
  /** True for what the folder in KUBEBUILDER_ASSETS (envtest's convention) holds. */
  readonly inKubebuilderAssets: boolean;
};

function kubernetesStamp(version: string): string[] {
  const [major, minor] = version.split('.');
  const component = 'k8s.io/component-base/version';
  return [
    `${component}.gitVersion=v${version}`,
    `${component}.gitMajor=${major}`,
    `${component}.gitMinor=${minor}`,
  ];
}

function kubernetes(command: string, options: { inKubebuilderAssets: boolean }): Tool {
  return {
    goPackage: `k8s.io/kubernetes/cmd/${command}`,
    versionArguments: command === 'kubectl' ? ['version', '--client'] : ['--version'],
    stamp: kubernetesStamp,
    inKubebuilderAssets: options.inKubebuilderAssets,
  };
}

export const catalogue: Readonly<Record<ToolName, Tool>> = {
  etcd: {
    goPackage: 'go.etcd.io/etcd/server/v3',
    versionArguments: ['--version'],
    stamp: () => [],
    inKubebuilderAssets: true,
  },
  helm: {
    goPackage: 'helm.sh/helm/v4/cmd/helm',
    versionArguments: ['version'],
    stamp: (version) => [`helm.sh/helm/v4/internal/version.version=v${version}`],
    inKubebuilderAssets: false,
  },
  'kube-apiserver': kubernetes('kube-apiserver', { inKubebuilderAssets: true }),
  'kube-controller-manager': kubernetes('kube-controller-manager', { inKubebuilderAssets: false }),
  'kube-scheduler': kubernetes('kube-scheduler', { inKubebuilderAssets: false }),
  kubectl: kubernetes('kubectl', { inKubebuilderAssets: true }),
  kustomize: {
    goPackage: 'sigs.k8s.io/kustomize/kustomize/v5',
    versionArguments: ['version'],
    stamp: (version) => [`sigs.k8s.io/kustomize/api/provenance.version=v${version}`],
    inKubebuilderAssets: false,
  },
  kwok: {
    goPackage: 'sigs.k8s.io/kwok/cmd/kwok',
    versionArguments: ['--version'],
    stamp: (version) => [`sigs.k8s.io/kwok/pkg/consts.Version=v${version}`],
    inKubebuilderAssets: false,
  },
  'nats-server': {
    goPackage: 'github.com/nats-io/nats-server/v2',
    versionArguments: ['--version'],
    stamp: () => [],
    inKubebuilderAssets: false,
  },
  'render-host': {
    goPackage: 'fairlead.dev/tools/render-host',
    versionArguments: ['version'],
    stamp: (version) => [`main.version=${version}`],
    sources: 'render-host',
    inKubebuilderAssets: false,
  },
  sops: {
    goPackage: 'github.com/getsops/sops/v3/cmd/sops',
    // Without the second flag it asks the network whether there is a newer one.
    versionArguments: ['--version', '--disable-version-check'],
    stamp: () => [],
    inKubebuilderAssets: false,
  },
};

export const toolNames = Object.keys(catalogue) as ToolName[];

/**
 * The version, without its leading v, that go.mod requires for the module which holds a package.
 * Where modules nest (`a/b` and `a/b/c`), the longest matching path is the one Go uses.
 */
export function pinnedVersion(goMod: string, goPackage: string): string {
  let best: { module: string; version: string } | undefined;
  for (const line of goMod.split('\n')) {
    const match = /^\s*(?:require\s+)?([^\s/]+\.[^\s/]+\/\S+)\s+v(\d\S*)/.exec(line);
    const [, module, version] = match ?? [];
    if (module === undefined || version === undefined) continue;
    const holds = goPackage === module || goPackage.startsWith(`${module}/`);
    if (holds && module.length > (best?.module.length ?? 0)) best = { module, version };
  }
  if (best === undefined) {
    throw new Error(
      `deploy/tools/go.mod requires no module that holds ${goPackage}; add it there.`,
    );
  }
  return best.version;
}

/** The first version in what a tool prints, without its leading v. */
export function printedVersion(output: string): string | undefined {
  return /\bv?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)/.exec(output)?.[1];
}
