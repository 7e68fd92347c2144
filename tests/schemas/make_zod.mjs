// Writes zod.json and zod-to-json-schema.json: the schemas that zod 4 and zod 3 make.
//
//     npm i zod@4 zod3@npm:zod@3.25.76 zod-to-json-schema openai && node make_zod.mjs DIRECTORY
import { writeFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [directory] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), "x"));
const { z: z4 } = require("zod");
const { z: z3 } = require("zod3");
const { zodToJsonSchema } = require("zod-to-json-schema");
const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;

const models = (z) => {
  const Category = z.object({ name: z.string(), get sub() { return z.array(Category); } });
  const Lazy = z.object({ name: z.string(), next: z.lazy(() => Lazy).nullable() });
  const Circle = z.object({ kind: z.literal("circle"), r: z.number().positive() });
  const Square = z.object({ kind: z.literal("square"), side: z.number().min(2).max(3) });
  return {
    strings: z.object({
      min: z.string().min(5), max: z.string().max(3), both: z.string().min(2).max(4),
      exact: z.string().length(6), regex: z.string().regex(/^[a-z]+-\d{3}$/),
      email: z.string().email(), url: z.string().url(), uuid: z.string().uuid(),
      cuid: z.string().cuid(), cuid2: z.string().cuid2(), ulid: z.string().ulid(),
      starts: z.string().startsWith("ab"), ends: z.string().endsWith("yz"),
      includes: z.string().includes("mid"), trimmed: z.string().trim(),
    }),
    times: z.object({ when: z.string().datetime(), offset: z.string().datetime({ offset: true }),
      day: z.string().date(), time: z.string().time(), lasts: z.string().duration() }),
    networks: z.object({ base64: z.string().base64(), nano: z.string().nanoid() }),
    numbers: z.object({ int: z.number().int(), positive: z.number().positive(),
      negative: z.number().negative(), between: z.number().gt(0).lt(1), step: z.number().multipleOf(0.5),
      port: z.number().int().min(1).max(65535), even: z.number().int().multipleOf(2).gt(4) }),
    choices: z.object({ colour: z.enum(["red", "blue"]), literal: z.literal("only"),
      number: z.literal(7), none: z.null(), either: z.union([z.string(), z.number()]),
      nullable: z.string().min(3).nullable(), optional: z.number().optional(),
      nullish: z.boolean().nullish(), default: z.string().default("x") }),
    discriminated: z.discriminatedUnion("kind", [Circle, Square]),
    shapes: z.array(z.discriminatedUnion("kind", [Circle, Square])).min(2),
    arrays: z.object({ min: z.array(z.string()).min(2), max: z.array(z.number()).max(1),
      exact: z.array(z.boolean()).length(3), nested: z.array(z.array(z.string()).nonempty()).min(2),
      tuple: z.tuple([z.string(), z.number()]), rest: z.tuple([z.string()]).rest(z.number()) }),
    records: z.object({ any: z.record(z.string(), z.number()), of: z.record(z.string(), Circle) }),
    passthrough: z.object({ a: z.string() }).passthrough(),
    strict: z.object({ a: z.string() }).strict(),
    catchall: z.object({ a: z.string() }).catchall(z.number()),
    intersection: z.intersection(z.object({ a: z.string() }), z.object({ b: z.number() })),
    extended: Circle.extend({ colour: z.string() }).partial({ r: true }),
    unknown: z.object({ any: z.any(), unknown: z.unknown() }),
    described: z.object({ a: z.string().describe("An a") }).describe("All"),
    brand: z.string().min(2).brand("Id"),
    readonly: z.object({ a: z.array(z.string()).readonly() }),
    lazy: Lazy,
    tree: z === z4 ? Category : Lazy,
    reasoning: z.object({ steps: z.array(z.object({ explanation: z.string(), output: z.string() })),
      final_answer: z.string() }),
    deep: z.object({ a: z.object({ b: z.object({ c: z.object({ d: z.enum(["x"]) }) }) }) }),
    twice: z.object({ first: Circle, second: Circle, all: z.array(Circle).min(1) }),
  };
};
const only4 = (z) => ({
  formats: z.object({ email: z.email(), url: z.url(), httpUrl: z.httpUrl?.() ?? z.url(), uuid: z.uuid(),
    v4: z.uuidv4(), v7: z.uuidv7(), ipv4: z.ipv4(), ipv6: z.ipv6(), cidr: z.cidrv4(), jwt: z.jwt(),
    base64url: z.base64url(), xid: z.xid(), ksuid: z.ksuid(), hostname: z.hostname?.() ?? z.string(),
    e164: z.e164(), lower: z.string().lowercase(), upper: z.string().uppercase() }),
  cidrv6: z.cidrv6(), emoji: z.emoji(),
  iso: z.object({ date: z.iso.date(), time: z.iso.time(), datetime: z.iso.datetime(), duration: z.iso.duration(),
    offset: z.iso.datetime({ offset: true }), local: z.iso.datetime({ local: true }), precise: z.iso.datetime({ precision: 3 }) }),
  integers: z.object({ int: z.int(), int32: z.int32(), uint32: z.uint32(), float32: z.float32() }),
  literals: z.literal(["a", "b", 3]),
  template: z.templateLiteral(["user-", z.number()]),
  "partial record": z.partialRecord(z.enum(["a", "b"]), z.number()),
  "record of enum": z.record(z.enum(["a", "b"]), z.number().min(4)),
  "record of pattern": z.record(z.string().regex(/^[a-z]{2}$/), z.boolean()),
  looseObject: z.looseObject({ a: z.string() }),
  json: z.json(),
  stringbool: z.string().meta({ id: "Flag", examples: ["yes"] }),
  overwrite: z.object({ a: z.string().trim().toLowerCase().min(3) }),
});
const write = (name, source, schemas) => {
  const rows = Object.entries(schemas).map(([key, schema]) => `${JSON.stringify(key)}: ${JSON.stringify(schema)}`);
  const text = `{"source": ${JSON.stringify(source)}, "schemas": {\n${rows.join(",\n")}\n}}\n`;
  writeFileSync(join(directory, `${name}.json`), text);
};

const four = {};
for (const [name, model] of Object.entries({ ...models(z4), ...only4(z4) })) {
  for (const io of ["input", "output"]) four[`${name}, ${io}`] = z4.toJSONSchema(model, { io });
}
for (const [name, model] of Object.entries(models(z4)))
  four[`${name}, draft 7`] = z4.toJSONSchema(model, { target: "draft-7" });
write("zod", `zod ${version("zod")}, z.toJSONSchema for input and output, and for draft 7`, four);

const three = {};
for (const [name, model] of Object.entries(models(z3))) {
  three[name] = zodToJsonSchema(model);
  three[`${name}, named`] = zodToJsonSchema(model, name.slice(0, 4));
  three[`${name}, for OpenAI`] = zodToJsonSchema(model, { target: "openAi" });
}
write("zod-to-json-schema", `zod ${version("zod3")}, zod-to-json-schema ${version("zod-to-json-schema")}`, three);

const { zodResponseFormat, zodTextFormat } = require("openai/helpers/zod");
const node = {};
for (const [name, model] of Object.entries(models(z4))) {
  for (const [how, make] of Object.entries({ zodResponseFormat, zodTextFormat })) {
    try {
      const format = make(model, "reply");
      node[`${name}, ${how}`] = (format.json_schema ?? format).schema;
    } catch (error) { console.error(name, String(error).slice(0, 120)); }
  }
}
write("openai-node", `openai-node ${version("openai")} with zod ${version("zod")}, zodResponseFormat and zodTextFormat`, node);
