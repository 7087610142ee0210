export { sumF32 } from "./sum";
