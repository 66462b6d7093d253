#!/bin/sh
# Ask innkeep over HTTP, as tools do that speak Ollama's or OpenAI's API: sh curl.sh "why is the sky blue?"
# The model "auto" lets innkeep choose; "coding", "reasoning", "general" and the names of real models work too.
set -eu
url=${INNKEEP_HTTP:-http://127.0.0.1:11435}
question=$(printf '%s' "${*:-왜 하늘은 파란가?}" | tr '\n\t' '  ' | sed 's/\\/\\\\/g; s/"/\\"/g')

# Ollama's API: JSON objects, one a line, as they come.
curl -sSN --fail-with-body "$url/api/chat" -H 'Content-Type: application/json' -d @- <<EOF
{"model": "auto", "messages": [{"role": "user", "content": "$question"}]}
EOF

# OpenAI's API: one JSON object, when it is complete.
curl -sS --fail-with-body "$url/v1/chat/completions" -H 'Content-Type: application/json' -d @- <<EOF
{"model": "auto", "messages": [{"role": "user", "content": "$question"}]}
EOF
