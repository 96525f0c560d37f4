import { expect, test } from 'vitest';
import { catalogue, pinnedVersion, printedVersion } from './catalogue.ts';

const goMod = `
module fairlead.dev/tools

tool sigs.k8s.io/kustomize/kustomize/v5

require k8s.io/kubernetes v1.37.2

require (
	go.etcd.io/etcd v0.5.0 // indirect
	go.etcd.io/etcd/server/v3 v3.7.3 // indirect
	sigs.k8s.io/kustomize/kustomize/v5 v5.8.2-rc.1 // indirect
)
`;

test('a version comes from the module that holds the package', () => {
  expect(pinnedVersion(goMod, 'k8s.io/kubernetes/cmd/kubectl')).toBe('1.37.2');
  expect(pinnedVersion(goMod, 'sigs.k8s.io/kustomize/kustomize/v5')).toBe('5.8.2-rc.1');
});

test('of nested modules the longest path holds the package', () => {
  expect(pinnedVersion(goMod, 'go.etcd.io/etcd/server/v3')).toBe('3.7.3');
});

test('a package that no module holds is an error that names it', () => {
  expect(() => pinnedVersion(goMod, 'k8s.io/kubernetes-other/cmd')).toThrow(
    'k8s.io/kubernetes-other/cmd',
  );
});

test.each([
  ['etcd Version: 3.7.3\nGit SHA: none\nGo Version: go1.26.8', '3.7.3'],
  ['nats-server: v2.15.2', '2.15.2'],
  ['Kubernetes v1.37.2', '1.37.2'],
  ['Client Version: v1.37.2\nKustomize Version: v5.8.2', '1.37.2'],
  ['kwok version v0.8.0 go1.26.8 (linux/amd64)', '0.8.0'],
  ['version.BuildInfo{Version:"v4.3.1", GitCommit:"", GoVersion:"go1.26.8"}', '4.3.1'],
  ['v1.37.0-alpha.1', '1.37.0-alpha.1'],
  ['(devel)', undefined],
])('the version in %j is %s', (output, version) => {
  expect(printedVersion(output)).toBe(version);
});

test('a build of Kubernetes is stamped with its version, major and minor', () => {
  expect(catalogue.kubectl.stamp('1.37.2')).toEqual([
    'k8s.io/component-base/version.gitVersion=v1.37.2',
    'k8s.io/component-base/version.gitMajor=1',
    'k8s.io/component-base/version.gitMinor=37',
  ]);
});
