/** Shows a run while it goes: redrawn lines on a terminal, plain lines elsewhere, nothing with --quiet. */
import { foldTerminal, liveLines, plainLine, startTerminal } from "../report/terminal.ts";
import type { RunEvent } from "../run/events.ts";
import type { Output } from "./output.ts";

const redrawMs = 100;

export interface Progress {
  show(event: RunEvent): void;
  /** Clears what is redrawn, so that other lines can follow. */
  end(): void;
}

export async function createProgress(output: Output): Promise<Progress> {
  if (output.quiet) return { show: () => {}, end: () => {} };
  return output.live ? createLiveProgress(output) : createPlainProgress(output);
}

function createPlainProgress(output: Output): Progress {
  return {
    show(event) {
      const line = plainLine(event, output.verbose);
      if (line !== null) output.note(line);
    },
    end() {},
  };
}

/** Lines that stay (what the run chose, faults) go above those that are redrawn. */
async function createLiveProgress(output: Output): Promise<Progress> {
  const { createLogUpdate } = await import("log-update");
  const draw = createLogUpdate(process.stderr, { defaultWidth: output.columns() });
  const state = startTerminal();
  let drawnAt = Number.NEGATIVE_INFINITY;
  return {
    show(event) {
      foldTerminal(state, event);
      const stays = output.verbose
        ? plainLine(event, true)
        : ["calibrated", "fault"].includes(event.kind)
          ? plainLine(event)
          : null;
      if (stays !== null) {
        draw.clear();
        output.note(event.kind === "fault" ? output.paint.yellow(stays) : output.paint.dim(stays));
        drawnAt = Number.NEGATIVE_INFINITY;
      }
      const now = performance.now();
      if (now - drawnAt < redrawMs) return;
      drawnAt = now;
      draw(liveLines(state, output.columns()).join("\n"));
    },
    end() {
      draw.clear();
      draw.done();
    },
  };
}
