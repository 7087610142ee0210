/** Why a call failed, for people: gRPC's own words name its parts, and not what to do. */

/** What was asked of nobody, or of somebody else, in words that say what to do; others' own words stay. */
export function callWords(details: string): string {
  const code =
    /^No connection established.*\b(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)\b/s.exec(
      details,
    )?.[1];
  if (code === "ECONNREFUSED") {
    return "nobody listens there (ECONNREFUSED): is the process up, and is that its port?";
  }
  if (code !== undefined) {
    return `that host is not reached from here (${code}): look at the address, and at what is between (firewall, VPN)`;
  }
  const name = /^Name resolution failed for target (?:dns:)?(\S+?):\d+\b/.exec(details)?.[1];
  if (name !== undefined) {
    return `the name ${name} is not known here: look at its spelling, or give the address`;
  }
  const late = /^Deadline exceeded after ([\d.]+)s/.exec(details)?.[1];
  if (late !== undefined) {
    return `no answer within ${Number(late).toFixed(0)} s: it has much to do or is stopped, or another program has that port, or a firewall is between`;
  }
  const last = /^No connection established\. Last error: (.*?)\.? Resolution note: (.*)$/s.exec(
    details,
  );
  if (!last) return details;
  const reason = last[1]!.replace(/ \(\d{4}-\S+Z\)$/, "").replace(/^Error: /, "");
  if (reason !== "Failed to connect") return [reason, last[2]!.trim()].filter(Boolean).join("; ");
  return "somebody listens there and ended the connection before a word was said: where one side uses TLS and the other does not, give both --credentials FOLDER/... (or --tls-ca), or neither";
}
