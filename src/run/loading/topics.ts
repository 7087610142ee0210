import { type TopicLabels, TopicReader } from "../../data/topics.ts";
import { openSource } from "./open.ts";
import type { TopicChoice } from "./options.ts";

const bufferBytes = 2 ** 20;

/** Reads a topics file, plain or compressed. */
export async function loadTopics({ file, topic }: TopicChoice): Promise<TopicLabels> {
  const source = await openSource(file);
  const reader = new TopicReader(source.name, topic);
  const buffer = new Uint8Array(bufferBytes);
  try {
    for (;;) {
      const count = await source.read(buffer);
      if (count === 0) break;
      reader.add(buffer.subarray(0, count));
    }
    await source.checkUnchanged();
    return reader.finish();
  } finally {
    await source.close();
  }
}
