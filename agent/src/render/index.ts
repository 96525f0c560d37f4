// Renders a verified tree to Kubernetes objects with the real kustomize or helm, or from plain manifests:
// confined to the tree, without network, within limits, and never to an empty list.
// Imports the domain's types, `limits`, `shared` and Node built-ins.
export type { RenderFailure, RenderFailureCode } from './failure.ts';
export {
  createRenderer,
  type Renderer,
  type RendererDependencies,
  type RenderLimits,
  renderLimits,
} from './renderer.ts';
export type { RenderTree } from './rendering.ts';
