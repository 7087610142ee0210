/** The outcomes of the merging study as Markdown: a table a data set and loss, rules across. */
export function printTables(outcomes) {
  for (const name of new Set(outcomes.map(problemOf))) {
    printTable(
      name,
      outcomes.filter((outcome) => problemOf(outcome) === name),
    );
  }
}

function printTable(name, outcomes) {
  const serial = outcomes.find(({ workers }) => workers === 1);
  const cells = outcomes.filter(({ workers }) => workers > 1);
  const rules = [...new Set(cells.map(({ rule }) => rule))];
  const above = serial
    ? `serial ${figure(serial.median)} % above the optimum`
    : "serial not measured";
  console.log(`\n## ${name}: ${above}\n`);
  console.log(`| workers x rounds an epoch | ${rules.join(" | ")} |`);
  console.log(`|---${"|---".repeat(rules.length)}|`);
  for (const place of new Set(cells.map(placeOf))) {
    const found = rules.map((rule) =>
      cells.find((one) => placeOf(one) === place && one.rule === rule),
    );
    console.log(
      `| ${place} | ${found.map((one) => (one ? figure(one.median) : "")).join(" | ")} |`,
    );
  }
}

function problemOf({ set, loss }) {
  return `${set}, ${loss}`;
}

function placeOf({ workers, rounds }) {
  return `${workers} x ${rounds}`;
}

function figure(percent) {
  if (!Number.isFinite(percent)) return "diverges";
  return percent >= 1000 ? "> 1000" : percent.toPrecision(2);
}
