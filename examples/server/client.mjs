// A batch by Node's own fetch: upload, create, poll, download.
// Run it with: fakebatch exec -- node client.mjs
import { fileURLToPath } from "node:url";

const base = process.env.OPENAI_BASE_URL;
const headers = { authorization: `Bearer ${process.env.OPENAI_API_KEY}` };

async function call(path, init = {}) {
  const response = await fetch(base + path, { ...init, headers: { ...headers, ...init.headers } });
  if (!response.ok) throw new Error(`${response.status} ${path}: ${await response.text()}`);
  return response;
}

export const line = (id, content) => JSON.stringify({
  custom_id: id,
  method: "POST",
  url: "/v1/chat/completions",
  body: { model: "gpt-4o-mini", messages: [{ role: "user", content }] },
});

export async function run(lines) {
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", new Blob([lines.join("\n")]), "requests.jsonl");
  const file = await (await call("/files", { method: "POST", body: form })).json();

  const endpoint = "/v1/chat/completions";
  const body = JSON.stringify({ input_file_id: file.id, endpoint, completion_window: "24h" });
  const json = { "content-type": "application/json" };
  let batch = await (await call("/batches", { method: "POST", headers: json, body })).json();

  while (!["completed", "failed", "expired", "cancelled"].includes(batch.status)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    batch = await (await call(`/batches/${batch.id}`)).json();
    const { completed, failed, total } = batch.request_counts;
    console.log(`${batch.status}: ${completed} completed and ${failed} failed of ${total}`);
  }
  const ids = [batch.output_file_id, batch.error_file_id].filter(Boolean);
  return Promise.all(ids.map(async (id) => (await call(`/files/${id}/content`)).text()));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const texts = await run([line("a", "What is a mock?"), line("b", "And a fake?")]);
  texts.forEach((text) => process.stdout.write(text));
}
