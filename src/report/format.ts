/** Numbers for people: the same everywhere a person reads them. */

/** `23,149`. By hand, as the first use of the platform's own formatter takes 14 ms. */
export function formatCount(value: number): string {
  const [whole = "", decimals] = String(Math.round(100 * value) / 100).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return decimals === undefined ? grouped : `${grouped}.${decimals}`;
}

/** `94.2 %`. */
export function formatPercent(share: number): string {
  return `${(100 * share).toFixed(share < 0.001 && share > 0 ? 3 : 1)} %`;
}

/** `0.61 s`, `12.3 s`, `4 min 03 s`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 0.01) return `${(1000 * seconds).toFixed(1)} ms`;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 7200) return `${Math.floor(whole / 60)} min ${twoDigits(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${twoDigits(Math.floor((whole % 3600) / 60))} min`;
}

/** `3 days`, `1 hour`: one unit is enough for an age. */
export function formatAge(seconds: number): string {
  const units = [
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ] as const;
  for (const [length, unit] of units) {
    const count = Math.floor(seconds / length);
    if (count > 0) return `${count} ${unit}${count === 1 ? "" : "s"}`;
  }
  return "less than a minute";
}

/** `512 B`, `8.9 MB`: decimal, as disks and networks count. */
export function formatSize(bytes: number): string {
  return bytes < 1000 ? `${bytes} B` : `${scaled(bytes)}B`;
}

/** `1.2 M`. */
export function formatRate(perSecond: number): string {
  return perSecond < 1000 ? perSecond.toFixed(0) : scaled(perSecond).trimEnd();
}

function scaled(value: number): string {
  for (const [factor, prefix] of [
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
  ] as const) {
    if (value >= factor) return `${(value / factor).toPrecision(3)} ${prefix}`;
  }
  return `${(value / 1000).toPrecision(3)} k`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

/** `0.5`, `4.8e-6`: as short as it can be written, in the form a flag takes. */
export function formatNumber(value: number): string {
  const plain = String(value);
  const [digits, exponent] = value.toExponential().split("e");
  const scientific = `${digits}e${Number(exponent)}`;
  return scientific.length < plain.length ? scientific : plain;
}
