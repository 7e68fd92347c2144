#!/bin/sh
# curl: uploads, polls, prints the results. Argument: the input file.
set -eu

call() {
  curl --fail --silent --show-error --max-time "$TIMEOUT" -H "authorization: Bearer $OPENAI_API_KEY" "$@"
}
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" reply.json | head -n 1; }

call -o reply.json "$OPENAI_BASE_URL/files" -F purpose=batch -F "file=@$1"
body='{"input_file_id": "'$(field id)'", "endpoint": "/v1/chat/completions", "completion_window": "24h"}'
call -o reply.json "$OPENAI_BASE_URL/batches" -H "content-type: application/json" -d "$body"
batch=$(field id)
until [ "$(field status)" = completed ]; do
  call -o reply.json "$OPENAI_BASE_URL/batches/$batch"
done
call "$OPENAI_BASE_URL/files/$(field output_file_id)/content"
