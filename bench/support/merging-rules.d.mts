import type { StudyRule } from "./merging-loop.mjs";

export const rules: Readonly<Record<string, StudyRule>>;
