export { anticipateRows, differenceCounted } from "./anticipate";
export { adjustRows } from "./columns";
export { copyRows, listRun } from "./copy";
export { fillOptimal } from "./schedule";
export { drawRows, splitBlock } from "./split";
export {
  evaluateHinge,
  evaluateLog,
  evaluateSquared,
  evaluateSquaredHinge,
  judgeRows,
  predictRows,
} from "./evaluate";
export {
  dualRows,
  rowNorms,
  sdcaHinge,
  sdcaLog,
  sdcaReplicaRows,
  sdcaSquared,
  sdcaSquaredHinge,
} from "./sdca";
export { hogwildRows, touchedRows } from "./hogwild";
export { lockedRows, turnRows } from "./locked";
export { mergeReplicas, replicaRows } from "./replicas";
export { adagradRows, adagradSettle, sgdHinge, sgdLog, sgdSquared, sgdSquaredHinge } from "./sgd";
export {
  addDense,
  addSparse,
  copyAt,
  countNonZeros,
  differenceDense,
  gather,
  halfDifference,
  listNonZeros,
  moveAverage,
  scaleDense,
  squaredNorm,
} from "./vectors";
export { copyTouched, countEntries, listTouched } from "./touched";
export { toFloat } from "./number";
export { countText, parseText } from "./parse";
export { xxh64Add, xxh64Finish, xxh64Start } from "./xxh64";
