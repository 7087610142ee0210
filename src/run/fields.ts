/**
 * A record of fields, each read by a grammar of its own: what a schema library would do for the settings, of
 * which they use nothing else. Loading one took 45 ms of every start (docs/decisions.md).
 */

/** One field: what it is when not given, and how it is read from text or data. */
export interface Field<Value, Given, About> {
  readonly fallback: Value;
  /** @throws RangeError that says what was expected and found. */
  readonly read: (input: unknown) => Value;
  readonly meta: () => About;
  /** What a caller in TypeScript may write; only a type. */
  readonly given?: Given;
}

/** A field of any kind. */
// biome-ignore lint/suspicious/noExplicitAny: a shape holds fields of all values
type AnyField = Field<any, any, unknown>;
export type Shape = Readonly<Record<string, AnyField>>;

/** What reading makes of a shape. */
export type Output<S extends Shape> = { [K in keyof S]: S[K]["fallback"] };
/** What a caller may give: every field may be left out. */
export type Input<S extends Shape> = {
  [K in keyof S]?: S[K]["fallback"] | NonNullable<S[K]["given"]> | undefined;
};

/** What is wrong with one field, or which keys are no fields. */
export type FieldIssue =
  | { readonly code: "wrong"; readonly path: readonly [string]; readonly message: string }
  | {
      readonly code: "unrecognized_keys";
      readonly path: readonly [];
      readonly keys: readonly string[];
      readonly message: string;
    };

export type FieldsResult<Value> =
  | { readonly success: true; readonly data: Value }
  | { readonly success: false; readonly error: { readonly issues: readonly FieldIssue[] } };

export interface Fields<S extends Shape> {
  readonly shape: S;
  /** Reads every field; all that is wrong is found at once. */
  safeParse(given: Readonly<Record<string, unknown>>): FieldsResult<Output<S>>;
  /** @throws RangeError that says what is wrong first. */
  parse(given: Readonly<Record<string, unknown>>): Output<S>;
}

/** A field whose value `read` makes; the fallback itself is never read. */
export function field<Value, Given, About>(options: {
  fallback: Value;
  read: (input: unknown) => Value;
  about: About;
}): Field<Value, Given, About> {
  const { fallback, read, about } = options;
  return {
    fallback,
    read: (input) => (input === undefined || input === fallback ? fallback : read(input)),
    meta: () => about,
  };
}

/** Fields by name; any other name is refused. */
export function fieldsOf<S extends Shape>(shape: S): Fields<S> {
  function safeParse(given: Readonly<Record<string, unknown>>): FieldsResult<Output<S>> {
    const issues: FieldIssue[] = [];
    const data: Record<string, unknown> = {};
    for (const [name, { read }] of Object.entries(shape)) {
      try {
        data[name] = read(given[name]);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        issues.push({ code: "wrong", path: [name], message: error.message });
      }
    }
    const keys = Object.keys(given).filter((name) => !Object.hasOwn(shape, name));
    if (keys.length > 0) {
      const message = `${keys.join(", ")} is no setting`;
      issues.push({ code: "unrecognized_keys", path: [], keys, message });
    }
    if (issues.length > 0) return { success: false, error: { issues } };
    return { success: true, data: data as Output<S> };
  }
  return {
    shape,
    safeParse,
    parse(given) {
      const result = safeParse(given);
      if (!result.success) throw new RangeError(result.error.issues[0]?.message);
      return result.data;
    },
  };
}
