import { expect, test } from "vitest";
import { field, fieldsOf } from "./fields.ts";

const size = field<number | null, string, string>({
  fallback: null,
  read: (input) => {
    if (Number.isNaN(Number(input))) throw new RangeError(`expected a number, found ${input}`);
    return Number(input);
  },
  about: "how large",
});
const fields = fieldsOf({ size, name: field({ fallback: "x", read: String, about: "a name" }) });

test("what is not given is the fallback, which is never read", () => {
  expect(fields.parse({})).toEqual({ size: null, name: "x" });
  expect(fields.parse({ size: undefined, name: "y" })).toEqual({ size: null, name: "y" });
});

test("all that is wrong is found at once: values by field, then unknown names", () => {
  const result = fields.safeParse({ size: "big", nam: 1, toString: 2 });
  expect(result).toMatchObject({
    success: false,
    error: {
      issues: [
        { code: "wrong", path: ["size"], message: "expected a number, found big" },
        { code: "unrecognized_keys", path: [], keys: ["nam", "toString"] },
      ],
    },
  });
  expect(() => fields.parse({ size: "big" })).toThrow(
    new RangeError("expected a number, found big"),
  );
});

test("an error that is no RangeError is a bug and passes through", () => {
  const broken = field({
    fallback: 0,
    read: (): number => {
      throw new TypeError("bug");
    },
    about: "",
  });
  expect(() => fieldsOf({ broken }).safeParse({ broken: 1 })).toThrow(TypeError);
});
