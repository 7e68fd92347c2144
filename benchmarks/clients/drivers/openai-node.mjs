// The loop of openai-python's `examples/responses/batch.py` in forty lines: openai-node has no example.
// No file at all is an error, a line with the status 200 an answer.
import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import OpenAI from "openai";

const [source, target] = process.argv.slice(2);
const lines = (text) => text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
const client = new OpenAI();

const file = await client.files.create({ file: createReadStream(source), purpose: "batch" });
let batch = await client.batches.create({
  input_file_id: file.id,
  endpoint: lines(readFileSync(source, "utf8"))[0].url,
  completion_window: "24h",
});
while (!["completed", "failed", "expired", "cancelled"].includes(batch.status)) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  batch = await client.batches.retrieve(batch.id);
}
const files = [batch.output_file_id, batch.error_file_id].filter(Boolean);
if (!files.length) throw new Error(`Batch finished with status: ${batch.status}`);

const results = [];
for (const id of files) {
  const content = await client.files.content(id);
  for (const { custom_id, response, error } of lines(await content.text())) {
    const answered = response?.status_code === 200;
    const outcome = answered ? { answer: response.body } : { error: error ?? response };
    results.push({ custom_id, ...outcome });
  }
}
writeFileSync(target, results.map((result) => `${JSON.stringify(result)}\n`).join(""));
