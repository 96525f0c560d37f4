// Trees on disk, rendered with the real tools, for tests. Imports the renderer, the tool finder and the journal's samples.
export { createRenderWorld, type RenderWorld, type WorldOptions } from './render-world.ts';
export { createSopsWriter, type SopsWriter } from './sops-writer.ts';
export { tarFile } from './tar-file.ts';
export { treeOfFolder } from './tree-of-folder.ts';
