import { expect, test } from "vitest";
import { callWords } from "./call-words.ts";

const failed = (last: string) =>
  `No connection established. Last error: ${last}. Resolution note: `;

test.each([
  [
    failed("Error: connect ECONNREFUSED 127.0.0.1:1"),
    /^nobody listens there .* is that its port\?$/,
  ],
  [failed("connect EHOSTUNREACH 10.0.0.9:7650"), /^that host is not reached .*firewall/],
  [failed("Failed to connect (2026-11-21T20:55:36.238Z)"), /TLS .* give both --credentials/],
  [failed("Error: self-signed certificate"), /^self-signed certificate$/],
  [
    "Deadline exceeded after 5.001s,name resolution: 0.007s,Waiting for LB pick",
    /^no answer within 5 s/,
  ],
  ["Name resolution failed for target dns:nohost.invalid:7650", /^the name nohost.invalid is not/],
  // A process that answers says why another one was not reached: its words stay.
  ["I can't reach you at a:1 (connect ECONNREFUSED a:1)", /^I can't reach you at a:1/],
  ["all 3 seats of this run are taken", /^all 3 seats of this run are taken$/],
])("%s is told in words", (details, words) => {
  expect(callWords(details)).toMatch(words);
  expect(callWords(details)).not.toMatch(/Resolution note|LB pick|Last error/);
});
