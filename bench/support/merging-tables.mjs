/** The outcomes of the merging study as Markdown: a table a data set and loss, rules across. */
export function printTables(outcomes) {
  const rounds = outcomes.filter(({ strategy }) => strategy === undefined);
  for (const name of new Set(rounds.map(problemOf))) {
    printTable(
      name,
      rounds.filter((outcome) => problemOf(outcome) === name),
    );
  }
  strategiesTable(outcomes.filter(({ strategy }) => strategy !== undefined));
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

function strategiesTable(outcomes) {
  const columns = [...new Set(outcomes.map(columnOf))];
  console.log("\n## Strategies, 16 workers\n");
  console.log(
    `| problem, rounds an epoch | ${columns.join(" | ")} |\n|---${"|---".repeat(columns.length)}|`,
  );
  for (const row of new Set(outcomes.map(rowOf))) {
    const found = columns.map((column) =>
      outcomes.find((one) => rowOf(one) === row && columnOf(one) === column),
    );
    console.log(`| ${row} | ${found.map((one) => (one ? figure(one.median) : "")).join(" | ")} |`);
  }
}

function columnOf({ strategy, rule }) {
  return `${strategy}, ${rule}`;
}

function rowOf({ set, loss, rounds }) {
  return `${set} ${loss} x ${rounds}`;
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
