export { type Block, viewBlock } from "./data/block.ts";
export type { Dataset, LabelSet } from "./data/dataset.ts";
export { InputError } from "./data/input-error.ts";
export type { LinearModel } from "./model/model.ts";
export type { RunEvent, TrainResult } from "./run/events.ts";
export { type LoadedDataset, type LoadOptions, loadDataset } from "./run/load.ts";
export type { TrainOptions, TrainSettings } from "./run/settings.ts";
export { type Run, train } from "./run/train.ts";
export { version } from "./version.ts";
