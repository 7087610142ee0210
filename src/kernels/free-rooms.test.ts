import fc from "fast-check";
import { expect, test } from "vitest";
import { FreeRooms } from "./free-rooms.ts";

test("rooms that touch become one, whatever the order they come in", () => {
  const addresses = fc.shuffledSubarray([0, 64, 128, 192, 256], { minLength: 5 });
  fc.assert(
    fc.property(addresses, (order) => {
      const rooms = new FreeRooms();
      for (const address of order) rooms.add(address, 64);
      expect(rooms.take(320)).toBe(0);
      expect(rooms.take(64)).toBeUndefined();
    }),
  );
});

test("the smallest room that is large enough is cut, and the rest goes on waiting", () => {
  const rooms = new FreeRooms();
  rooms.add(0, 640);
  rooms.add(1000, 128);
  expect(rooms.take(64)).toBe(1000);
  expect(rooms.take(128)).toBe(0);
  expect(rooms.take(512)).toBe(128);
  expect(rooms.take(64)).toBe(1064);
});

test("only the room that ends at an address is taken from there", () => {
  const rooms = new FreeRooms();
  rooms.add(0, 64);
  rooms.add(128, 64);
  expect(rooms.takeEndingAt(64)).toBeUndefined();
  expect(rooms.takeEndingAt(192)).toBe(128);
  expect(rooms.takeEndingAt(64)).toBe(0);
});
