import { expect, test } from "vitest";
import { isElsewhere, isLoopback } from "./open-address.ts";

test.each(["127.0.0.1:7000", "::ffff:127.0.0.1:7000", "[::FFFF:127.0.0.1]:7000", "[::1]:7000"])(
  "%s is this machine's own, however it is written",
  (address) => {
    expect(isLoopback(address)).toBe(true);
    expect(isElsewhere(address, [])).toBe(false);
  },
);

test("an IPv4 address told as an IPv6 one is at the machine that has it", () => {
  const own = ["192.0.2.1"];
  expect(isElsewhere("::ffff:192.0.2.1:7000", own)).toBe(false);
  expect(isElsewhere("[::ffff:192.0.2.1]:7000", own)).toBe(false);
  expect(isElsewhere("::ffff:192.0.2.2:7000", own)).toBe(true);
  expect(isLoopback("::ffff:192.0.2.1:7000")).toBe(false);
});
