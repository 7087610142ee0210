/** Saves what was learned: where the user asked for it, and in the run's folder. */
import type { LinearModel } from "../model/model.ts";
import { FileError } from "../run/files.ts";
import { saveModel } from "../run/model-file.ts";
import type { Job } from "./train.ts";

/**
 * Both places are tried whatever happens to the first: an hour's learning must not be lost to one full disk.
 * @throws FileError when the file asked for could not be written; it says where the other copy is.
 */
export async function saveEverywhere(job: Job, model: LinearModel): Promise<void> {
  const { settings, output } = job.context;
  const copy = job.record.path("model.safetensors");
  const copyProblem = await trySave(model, copy);
  const problem = await trySave(model, settings.model);
  if (problem !== null) {
    if (copyProblem === null) problem.message += `; the model is safe in ${copy}`;
    throw problem;
  }
  if (copyProblem !== null) output.warn(copyProblem.message);
}

async function trySave(model: LinearModel, path: string): Promise<FileError | null> {
  try {
    await saveModel(model, path);
    return null;
  } catch (error) {
    if (error instanceof FileError) return error;
    throw error;
  }
}
