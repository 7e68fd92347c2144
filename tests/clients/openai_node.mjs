// openai-node: uploads a stream, polls, prints the results. Arguments: the input file, an optional number of retries.
import fs from "node:fs";
import OpenAI from "openai";

const [path, retries = "0"] = process.argv.slice(2);
const client = new OpenAI({ maxRetries: Number(retries), timeout: Number(process.env.TIMEOUT) * 1000 });

async function run() {
  const file = await client.files.create({ file: fs.createReadStream(path), purpose: "batch" });
  const endpoint = "/v1/chat/completions";
  let batch = await client.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h" });
  while (!["completed", "failed", "expired", "cancelled"].includes(batch.status)) {
    batch = await client.batches.retrieve(batch.id);
  }
  const content = await client.files.content(batch.output_file_id);
  process.stdout.write(await content.text());
}

run().catch((error) => {
  for (let each = error; each; each = each.cause) console.error(`${each.constructor.name}: ${each.message}`);
  process.exitCode = 1;
});
