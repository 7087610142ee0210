export { type Block, viewBlock } from "./data/block.ts";
export type { Dataset, LabelSet } from "./data/dataset.ts";
