#!/bin/sh
# A batch by curl: upload, create, poll, download. Run it with: fakebatch exec -- sh batch.sh
set -eu

call() { curl --fail-with-body --silent --show-error -H "authorization: Bearer $OPENAI_API_KEY" "$@"; }
# the value of a field of the reply; jq would do it better
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

cat > requests.jsonl <<'END'
{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "What is a mock?"}]}}
END
file=$(call "$OPENAI_BASE_URL/files" -F purpose=batch -F file=@requests.jsonl | field id)
body='{"input_file_id": "'"$file"'", "endpoint": "/v1/chat/completions", "completion_window": "24h"}'
batch=$(call "$OPENAI_BASE_URL/batches" -H "content-type: application/json" -d "$body" | field id)

status=
until [ "$status" = completed ]; do
  call "$OPENAI_BASE_URL/batches/$batch" > batch.json
  status=$(field status < batch.json)
  echo "$status"
  case $status in failed | expired | cancelled) exit 1 ;; esac
done
call "$OPENAI_BASE_URL/files/$(field output_file_id < batch.json)/content"
